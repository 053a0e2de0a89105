"""Rows by the thousand written or changed, each with a statement compiled once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, Update

from syndicator.store.engine import ForMany, Tx, insert_or_skip


class Many:
    """Rows written into one table, those that are there already left alone."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._ready: dict[tuple[str, ...], ForMany] = {}

    def write(self, tx: Tx, rows: list[dict[str, Any]]) -> None:
        """Write these rows, which all name the same columns; their values become what the database takes."""
        if rows:
            sort = (tx.connection.dialect.name, *rows[0])
            if sort not in self._ready:
                self._ready[sort] = ForMany(insert_or_skip(tx, self._table))
            self._ready[sort].write(tx, rows)


class Changed:
    """Rows of one table changed, each in columns of its own: a statement for each set of columns."""

    def __init__(self, statement: Update) -> None:
        self._statement = statement
        self._ready: dict[tuple[str, ...], ForMany] = {}

    def write(self, tx: Tx, rows: list[dict[str, Any]]) -> None:
        """Change these rows; each names what the statement asks for and the columns that change, in any order."""
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in rows:
            alike.setdefault(tuple(sorted(row)), []).append(row)
        for names, some in alike.items():
            sort = (tx.connection.dialect.name, *names)
            if sort not in self._ready:
                self._ready[sort] = ForMany(self._statement)
            self._ready[sort].write(tx, some)
