"""Which schema the database has and which one this program needs, without importing Alembic.

Alembic costs 0.4 s of import; a start only has to compare two words.
"""

from __future__ import annotations

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import OperationalError

from syndicator.errors import SchemaBehind
from syndicator.store.engine import later

HEAD = "0007"


def of(engine: Engine) -> str | None:
    """The revision the database has, or None where there is none; raises TryLater if it does not answer."""
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except OperationalError as fault:
        raise later(fault) from fault


def check(engine: Engine) -> None:
    """Raise SchemaBehind unless the database has exactly the schema this program was written for."""
    found = of(engine)
    if found != HEAD:
        raise SchemaBehind(
            f"the database has schema {found or 'none'}, this program needs {HEAD}: run `syndicator db upgrade`"
        )
