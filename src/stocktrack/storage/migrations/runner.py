"""Runs alembic in a transaction that is open already. Importing it takes a while: only who has to upgrade does."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, *, found: str) -> None:
    """Bring tables of the revision `found` up to date, within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", "stocktrack.storage:migrations")
    config.attributes["connection"] = connection
    command.stamp(config, found)  # the tables of the first StockTrack tell their revision in another way
    command.upgrade(config, "head")
