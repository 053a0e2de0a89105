"""What a browser sends when a form is sent off: read piece by piece, no further than a form can be long."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from syndicator.model.markup import strip_illegal

MOST = 65_536  # bytes of one form
FIELDS = 1_000  # fields of one form: a topic each, and some more
LONGEST = 4_000  # characters of one value


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that was sent off; what is not in it is empty."""

    fields: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """The first value of this name as one trimmed line."""
        return " ".join(next((value for key, value in self.fields if key == name), "").split())

    def lines(self, name: str) -> str:
        """The first value of this name with its line breaks."""
        value = next((value for key, value in self.fields if key == name), "")
        return value.replace("\r\n", "\n").strip()

    def several(self, name: str) -> list[str]:
        """All values of this name, each once."""
        return list(dict.fromkeys(value for key, value in self.fields if key == name))


async def sent(request: Request) -> Form | None:
    """The fields of an urlencoded form; None where it is too long, or broken off. Anything else is an empty one."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MOST:
                return None
    except ClientDisconnect:
        return None
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS, errors="replace"
        )
    except ValueError:  # more fields than that
        return None
    return Form(tuple((name, strip_illegal(value)[:LONGEST]) for name, value in pairs))


def from_elsewhere(request: Request) -> bool:
    """Whether a page of another site sent this; browsers say so (Fetch Metadata), others are believed."""
    return request.headers.get("sec-fetch-site", "") == "cross-site"
