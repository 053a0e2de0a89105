"""What runs in a parsing process and nowhere else: `__main__` (nursery, forks, limits), `reading` and what it uses.

A body comes in as bytes and leaves as plain values, one JSON answer. Nobody trusts these processes: what they
say is validated by `ingest.entries`. Started by `ingest.nursery` as `python -m syndicator.ingest.child`.
"""
