"""Who publishes, and where its public things live: the one place that builds public URLs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit


class Format(StrEnum):
    """A format a topic's feed comes in; the value is the suffix of its URL."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"


MEDIA_TYPES: dict[Format, str] = {
    Format.ATOM: "application/atom+xml; charset=utf-8",
    Format.RSS: "application/rss+xml; charset=utf-8",
    Format.JSON: "application/feed+json",  # JSON is UTF-8 by definition (RFC 8259 §8.1)
}
FORMAT_TITLES: dict[Format, str] = {Format.ATOM: "Atom", Format.RSS: "RSS", Format.JSON: "JSON Feed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The newsroom as its readers see it.

    `base_url` has no trailing slash; `zone` is the IANA zone dates are shown in to people;
    `hubs` are the WebSub hubs named in feeds; `max_age` is the constant cache lifetime in seconds;
    `window` is how many items a live feed holds, and a full archive page; `icon` is a square picture
    (512 px or more), `logo` a wide one, `favicon` a small one; `stylesheet` says whether XML feeds name
    one, so that browsers show them as pages.
    """

    title: str
    base_url: str
    language: str = "en"
    zone: str = "UTC"
    description: str = ""
    rights: str = ""
    media_contact: str | None = None
    hubs: tuple[str, ...] = ()
    max_age: int = 300
    window: int = 50
    icon: str = ""
    logo: str = ""
    favicon: str = ""
    stylesheet: bool = True

    @property
    def host(self) -> str:
        """The host name in `base_url`, the authority of minted `tag:` URIs (RFC 4151 §2.1)."""
        return urlsplit(self.base_url).hostname or "localhost"

    @property
    def named_host(self) -> str:
        """The host, where it is a name that is ours alone; empty for `localhost` and for a bare address."""
        return self.host if is_name(self.host) else ""

    def url(self, path: str) -> str:
        """The absolute address of a path that starts with a slash."""
        return self.base_url + path

    def item_url(self, slug: str) -> str:
        """Where a person reads the item."""
        return self.url(f"/items/{quote(slug)}")

    def topic_url(self, slug: str) -> str:
        """Where a person reads the topic; `all` is the front page."""
        return self.url("/" if slug == "all" else f"/topics/{quote(slug)}")

    def feed_url(self, topic: str, format: Format) -> str:
        """Where a machine reads the topic."""
        return self.url(feed_path(topic, format))

    def archive_url(self, topic: str, page: int, format: Format) -> str:
        """Where a machine reads what the topic held before (RFC 5005 §4); pages count from 1, the oldest."""
        return self.url(archive_path(topic, page, format))


def is_name(host: str) -> bool:
    """Whether a host is called by a name that one party alone may have: not `localhost`, no bare address."""
    return bool(host) and host != "localhost" and ":" not in host and not host.rpartition(".")[2].isdecimal()


def feed_path(topic: str, format: Format) -> str:
    """The path of a topic's feed; part of the contract and therefore never changed."""
    return f"/feeds/{topic}.{format}"


def archive_path(topic: str, page: int, format: Format) -> str:
    """The path of an archive page; part of the contract, too."""
    return f"/feeds/{topic}/archive/{page}.{format}"
