"""What is no feed, or not yet: a folder of Markdown files, a WordPress site, an export of one, a list of feeds.

`find` says what is behind an address; `imports` takes a whole catalogue once. What these bring is judged and filed as
what a feed brings (`ingest.filing`).
"""
