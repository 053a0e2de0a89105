"""Ingest: upstream → items (walk A): `fetch`, `parse` (a limited child process), `poll` (the flow).

`entries` holds what crosses from the child and turns it into what `model.upstream.judge` reads.
Nothing here trusts a feed: bytes are fetched through the guard, parsed out of process, validated
and cleaned again on this side.
"""
