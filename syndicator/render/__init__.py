"""From model to bytes: the same input gives the same bytes, in every process, at any time.

Walk A ends here: `entries` turns one item into one fragment per format, `documents` joins
fragments into the document that is stored and served. No SQL, no clock, no network, and the only
room that knows feedgen; its traps are named by number where they are worked round.
"""
