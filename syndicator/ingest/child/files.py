"""The files that belong to an entry, whatever a format calls them: enclosures, media, pictures (feeds:I24).

What a feed says of sizes may be text, empty, negative or absurd: then it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from syndicator.model.markup import strip_illegal, web_address

MAX_FILES = 50
MAX_FIGURE = 10**6
LONGEST = 4_000  # characters
MEDIA_TYPE = re.compile(r"[\w.+-]{1,90}/[\w.+-]{1,90}", re.ASCII)
CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2})(?:\.\d+)?")
SECONDS = re.compile(r"(\d{1,7})(?:\.\d+)?(?:\s?s(?:ec(?:onds)?)?)?")
SIZE = re.compile(r"(\d{1,18})")
EXTENSIONS = {
    "aac": "audio/aac",
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}
MEDIUM = {  # what media:content may say instead of a type
    "image": "image/jpeg",
    "audio": "audio/mpeg",
    "video": "video/mp4",
}


class Files:
    """The files of one entry in the order in which they are named, each address once."""

    def __init__(self, base: str | None) -> None:
        self._base = base
        self._files: dict[str, dict[str, Any]] = {}

    def add(self, said: Mapping[str, Any], *, kind: str = "") -> None:
        """A file as a feed has it; what is said a second time of an address fills in what was missing.

        `kind` is its media type where nothing tells.
        """
        address = web_address(_text(said.get("href")) or _text(said.get("url")), self._base)
        if address is None or len(address) > LONGEST:
            return
        if address not in self._files:
            if len(self._files) >= MAX_FILES:
                return
            self._files[address] = {"url": strip_illegal(address), "type": _type(said, address, kind)}
        file = self._files[address]
        for name, found in (*_figures(said), *_words(said)):
            file[name] = file.get(name) or found

    def picture(self, said: Mapping[str, Any]) -> None:
        """A picture that stands for the entry; it counts only where no file is one."""
        if not any(file["type"].startswith("image/") for file in self._files.values()):
            self.add(said, kind="image/jpeg")

    def lasting(self, said: Any) -> None:
        """How long the first sound or film lasts, where that is said of the entry."""
        for file in self._files.values():
            if file["type"].startswith(("audio/", "video/")):
                file["duration"] = file.get("duration") or seconds(said)
                return

    def described(self, said: Mapping[str, Any]) -> None:
        """What is said of all of them together."""
        for file in self._files.values():
            for name, found in _words(said):
                file[name] = file.get(name) or found

    def all(self) -> list[dict[str, Any]]:
        """As plain values."""
        return list(self._files.values())


def seconds(said: Any) -> int:
    """A duration in seconds, be it written as such or as h:mm:ss; 0 if it is neither."""
    text = _text(said)
    if clock := CLOCK.fullmatch(text):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        length = hours * 3600 + minutes * 60 + rest
    else:
        plain = SECONDS.fullmatch(text)
        length = int(plain[1]) if plain else 0
    return length if length <= MAX_FIGURE else 0


def _figures(said: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    yield "duration", seconds(said.get("duration") or said.get("duration_in_seconds"))
    for name in ("width", "height"):
        pixels = re.fullmatch(r"(\d{1,6})(?:px|\.0+)?", _text(said.get(name)))
        yield name, int(pixels[1]) if pixels else 0
    sizes = (said.get(name) for name in ("length", "filesize", "size_in_bytes"))
    size = next(filter(None, (SIZE.fullmatch(_text(one)) for one in sizes)), None)
    yield "length", min(int(size[1]), 2**53) if size else 0


def _words(said: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in ("title", "alt", "credit"):
        yield name, " ".join(strip_illegal(_text(said.get(name))).split())[:LONGEST]


def _type(said: Mapping[str, Any], address: str, kind: str) -> str:
    stated = (_text(said.get("type")) or _text(said.get("mime_type"))).lower().partition(";")[0].strip()
    if MEDIA_TYPE.fullmatch(stated):
        return stated
    extension = re.split(r"[?#]", address, maxsplit=1)[0].rpartition(".")[2].lower()
    medium = MEDIUM.get(_text(said.get("medium")).lower())
    return EXTENSIONS.get(extension) or medium or kind or "application/octet-stream"


def _text(value: Any) -> str:
    """A text or a figure as text; nothing of all else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
