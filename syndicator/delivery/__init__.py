"""From ledger row to wire: lanes claim, send and settle; one road per channel does the talking.

`lanes` is the same for every channel: claim → mark *sending* and commit → send → settle in groups.
A road (`mail`, `webhook`, `websub`) turns rows into letters or requests and hears what the other side says.
Serves walk B. Digests and drops get roads of their own.
"""
