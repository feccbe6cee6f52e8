"""What alembic runs for every command: it works on the connection, and in the transaction, of whoever called it."""

from alembic import context

from stocktrack.storage.tables import REVISION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=REVISION_TABLE
)
context.run_migrations()
