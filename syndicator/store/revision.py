"""Which schema the database has and which one this program needs, without importing Alembic.

Alembic costs 0.4 s of import; a start only has to compare two words.
"""

from __future__ import annotations

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from syndicator.errors import SchemaBehind

HEAD = "0003"


def of(engine: Engine) -> str | None:
    """The revision the database has, or None where there is none."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DBAPIError:
        return None


def check(engine: Engine) -> None:
    """Raise SchemaBehind unless the database has exactly the schema this program was written for."""
    found = of(engine)
    if found != HEAD:
        raise SchemaBehind(
            f"the database has schema {found or 'none'}, this program needs {HEAD}: run `syndicator db upgrade`"
        )
