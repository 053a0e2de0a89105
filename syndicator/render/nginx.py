"""What nginx is told about an export: two files to include, by which it says what the web process would say.

`addresses.conf` belongs into `http`: which topics have moved, which are closed. `feeds.conf` belongs into
`server`: types, lifetimes and the headers readers need. Pure; tests run a real nginx.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from syndicator.model.site import MEDIA_TYPES

if TYPE_CHECKING:
    from syndicator.model.site import Site

# Seconds, as the web process says them.
ARCHIVED, MOVED, UNKNOWN, REVALIDATE = 2_592_000, 86_400, 60, 60
ALLOW = "GET, HEAD, OPTIONS"
SHARED = (
    'Access-Control-Allow-Origin "*"',
    'Access-Control-Expose-Headers "ETag, Link, Last-Modified, Retry-After"',
    "X-Content-Type-Options nosniff",
)

# Regular expressions, for names may be longer than nginx's hashes take; asked only where no file is.
ADDRESSES = """\
# Written by `syndicator feed export`. Include this in the http block of nginx.
geo $syndicator_dollar {{
    default "$";
}}
map $uri $syndicator_slug {{
    default "";
    "~/feeds/(?<syndicator_name>[a-z0-9-]+)(?:/archive/[0-9]+)?[.](?:atom|rss|json)$" $syndicator_name;
}}
map $uri $syndicator_page {{
    default "";
    "~/feeds/[a-z0-9-]+(?<syndicator_tail>/archive/[0-9]+)[.]" $syndicator_tail;
}}
map $uri $syndicator_format {{
    default "";
    "~[.](?<syndicator_end>atom|rss|json)$" $syndicator_end;
}}
map $syndicator_page $syndicator_lifetime {{
    default "public, max-age={archived}, stale-while-revalidate={revalidate}";
    "" "public, max-age={max_age}, stale-while-revalidate={revalidate}";
}}
map $syndicator_page $syndicator_hubs {{
    default "";
    "" "{hubs}";
}}
map $syndicator_slug $syndicator_moved {{
    default "";
{moved}}}
map $syndicator_slug $syndicator_moved_page {{
    default $syndicator_page;
{merged}}}
map $syndicator_slug $syndicator_gone {{
    default "";
{gone}}}
map "$syndicator_gone$syndicator_moved" $syndicator_until {{
    default {lasting};
    "" {unknown};
}}
"""

FEEDS = """\
# Written by `syndicator feed export`. Include this in a server block of nginx whose root is the export.
location ^~ "{prefix}/feeds/" {{
{rewrite}    types {{
{types}    }}
    default_type text/plain;
{files}    add_header Cache-Control $syndicator_lifetime;
    add_header Link "<{base}$uri>; rel=\\"self\\"$syndicator_hubs";
{shared}    if ($request_method = OPTIONS) {{
        add_header Allow "{allow}";
        add_header Access-Control-Allow-Methods "{allow}";
        add_header Access-Control-Allow-Headers "If-None-Match, If-Modified-Since, Cache-Control";
        add_header Access-Control-Max-Age 86400;
{shared}        return 204;
    }}
    location ~ [.]gz$ {{
        return 404;
    }}
    try_files $uri @syndicator_elsewhere;
}}
location = "{prefix}/feeds.opml" {{
{rewrite}    types {{ }}
    default_type "text/x-opml; charset=utf-8";
{files}    add_header Cache-Control "public, max-age={max_age}, stale-while-revalidate={revalidate}";
{shared}}}
location @syndicator_elsewhere {{
    absolute_redirect off;
    default_type "text/plain; charset=utf-8";
    add_header Cache-Control "public, max-age=$syndicator_until" always;
{always}    if ($syndicator_gone) {{
        return 410 "This feed has ended.\\n";
    }}
    if ($syndicator_moved) {{
        return 301 {path}/feeds/$syndicator_moved$syndicator_moved_page.$syndicator_format;
    }}
    return 404 "There is no feed here.\\n";
}}
"""
# An ETag of date and size is as good as ours: the bytes never change twice within one second.
FILES = """\
    etag on;
    if_modified_since before;
    max_ranges 0;
    gzip off;
    gzip_static on;
    gzip_vary on;
"""


def addresses(
    site: Site, moved: Mapping[str, str], merged: Collection[str], closed: Collection[str]
) -> bytes:
    """What belongs into `http`. `moved` leads from former slugs to present ones, which are nobody's former ones
    (ADR 19); the archive pages of those that were `merged` are no more, so theirs lead to the live feed;
    `closed` ones answer 410, and so do the names they had.
    """
    gone = {*closed, *(slug for slug, target in moved.items() if target in closed)}
    return ADDRESSES.format(
        archived=ARCHIVED,
        revalidate=REVALIDATE,
        max_age=site.max_age,
        lasting=MOVED,
        unknown=UNKNOWN,
        hubs="".join(f', <{_within_quotes(hub)}>; rel=\\"hub\\"' for hub in site.hubs),
        moved=_lines(f'    "~^{slug}$" {target};' for slug, target in sorted(moved.items())),
        merged=_lines(f'    "~^{slug}$" "";' for slug in sorted(merged)),
        gone=_lines(f'    "~^{slug}$" 1;' for slug in sorted(gone)),
    ).encode()


def locations(site: Site) -> bytes:
    """What belongs into `server`."""
    path = urlsplit(site.base_url).path
    prefix = unquote(path)  # nginx compares decoded paths
    return FEEDS.format(
        path=path,
        prefix=prefix,
        rewrite=f'    rewrite "^{re.escape(prefix)}(/.*)$" $1 break;\n' if prefix else "",
        types=_lines(f'        "{kind}" {format};' for format, kind in MEDIA_TYPES.items()),
        files=FILES,
        base=_within_quotes(site.base_url),
        max_age=site.max_age,
        revalidate=REVALIDATE,
        allow=ALLOW,
        shared=_lines(f"    add_header {header};" for header in SHARED),
        always=_lines(f"    add_header {header} always;" for header in SHARED),
    ).encode()


def _within_quotes(url: str) -> str:
    """The address within double quotes; nginx knows no way to write a dollar but a variable that holds one."""
    return url.replace("\\", "%5C").replace('"', "%22").replace("$", "${syndicator_dollar}")


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
