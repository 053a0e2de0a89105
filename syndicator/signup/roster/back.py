"""An import taken back, a piece in a transaction, so that others can write in between."""

from __future__ import annotations

from collections.abc import Callable

from syndicator.store import Store, audit, undoing


def undo(store: Store, import_id: int, by: str, *, say: Callable[[str, str], None]) -> undoing.Undone:
    """Take an import back as one act; raises NotFound, and Refused for one that was taken back before.

    One that fell halfway is finished by saying it again; what is returned, and what the audit says, is then of the
    rest. `say` is told of whoever stays, address and reason, as each is decided.
    """
    done = undoing.Undone()
    while True:
        with store.begin() as tx:
            piece = undoing.step(tx, import_id, by)
            if piece is None:
                counts = {name: getattr(done, name) for name in undoing.COUNTS}
                audit.record(
                    tx, by, "contact.import-undo", f"import/{import_id}", None, kept=len(done.kept), **counts
                )
                return done
        for address, why in piece.kept:
            say(address, why)
        done.add(piece)
