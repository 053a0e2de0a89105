"""Schema migrations, run by Alembic, forward only; `versions/` holds one file per step."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

# Any number will do, as long as every process of every version takes the same one.
UPGRADE_LOCK = 7_263_001


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision, in one transaction, one process at a time."""
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
        command.upgrade(_config(connection), "head")


def _config(connection: Connection) -> Config:
    config = Config()
    # Alembic reads % as interpolation; a path may hold one.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
