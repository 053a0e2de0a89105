"""The same feed of 50 items as others would serve it: a bare ASGI answer, Starlette, feedgen and Django per request.

`python -m bench._apps WHICH FOLDER` serves one of them on a free port and prints the port. All run on the
uvicorn that serves us; what they render lies in FOLDER as JSON.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn

from bench._peers import installed

PATH = "/feeds/policy.atom"
DJANGO = "django==5.2.8"
URL = "https://news.example"


async def lifespan(receive: Any, send: Any) -> None:
    """The part of ASGI that is not about requests."""
    for word in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{word}.complete"})


def hello(_folder: Path) -> Any:
    """The least an ASGI application can do: five bytes, whatever is asked."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})
        return None

    return app


def starlette(folder: Path) -> Any:
    """Starlette with everything ready in memory: a route, a comparison of tags, a response."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    body = (folder / "feed.gz").read_bytes()
    headers = {
        "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}-gzip"',
        "cache-control": "public, max-age=300",
        "vary": "Accept-Encoding",
        "content-encoding": "gzip",
    }

    async def feed(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/atom+xml")

    return Starlette(routes=[Route(PATH, feed)])


def feedgen(folder: Path) -> Any:
    """feedgen at each request, as its README shows; then the tag of what came out."""
    from feedgen.feed import FeedGenerator

    entries = json.loads((folder / "entries.json").read_text())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        feed = FeedGenerator()
        feed.id("tag:feed")
        feed.title("Policy")
        feed.updated(entries[0]["updated"])
        feed.link(href=f"{URL}{PATH}", rel="self")
        for one in entries:
            entry = feed.add_entry(order="append")
            entry.id(one["id"])
            entry.title(one["title"])
            entry.link(href=one["link"])
            entry.published(one["published"])
            entry.updated(one["updated"])
            entry.summary(one["summary"])
            entry.content(one["content"], type="html")
            entry.author(name="Society")
        body = feed.atom_str()
        tag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
        known = dict(scope["headers"]).get(b"if-none-match") == tag
        await send(
            {"type": "http.response.start", "status": 304 if known else 200, "headers": [(b"etag", tag)]}
        )
        await send({"type": "http.response.body", "body": b"" if known else body})
        return None

    return app


def django(folder: Path) -> Any:
    """Django's syndication framework with its ConditionalGetMiddleware and GZipMiddleware."""
    sys.path.insert(0, str(installed(DJANGO)))
    from django.conf import settings
    from django.core.asgi import get_asgi_application

    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="bench",
        USE_TZ=True,
        MIDDLEWARE=[
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.gzip.GZipMiddleware",
        ],
    )
    from django.contrib.syndication.views import Feed
    from django.urls import path
    from django.utils.feedgenerator import Atom1Feed

    entries = json.loads((folder / "entries.json").read_text())

    class Policy(Feed):  # type: ignore[misc]  # Django comes with the bench
        feed_type = Atom1Feed
        title, link, description = "Policy", "/", "Policy"

        def items(self) -> list[dict[str, str]]:
            return list(entries)

        def item_title(self, item: dict[str, str]) -> str:
            return item["title"]

        def item_description(self, item: dict[str, str]) -> str:
            return item["content"]

        def item_link(self, item: dict[str, str]) -> str:
            return item["link"]

        def item_guid(self, item: dict[str, str]) -> str:
            return item["id"]

        def item_pubdate(self, item: dict[str, str]) -> datetime:
            return datetime.fromisoformat(item["published"])

        def item_updateddate(self, item: dict[str, str]) -> datetime:
            return datetime.fromisoformat(item["updated"])

    global urlpatterns  # noqa: PLW0603 - Django looks for this name in this module
    urlpatterns = [path(PATH[1:], Policy())]
    inner = get_asgi_application()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (lifespan(receive, send) if scope["type"] == "lifespan" else inner(scope, receive, send))

    return app


urlpatterns: list[Any] = []
APPS = {"hello": hello, "starlette": starlette, "feedgen": feedgen, "django": django}


def main(which: str, folder: str) -> None:
    """Serve until told to stop, by uvicorn as it comes."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        sys.stdout.write(f"{bound.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(
            APPS[which](Path(folder)),
            http="httptools",
            ws="none",
            access_log=False,
            log_config=None,
            backlog=2048,
        )
        uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main(*sys.argv[1:])
