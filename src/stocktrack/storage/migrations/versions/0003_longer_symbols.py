"""Symbols of up to 48 characters."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Widen the column: PostgreSQL alters it, and SQLite, which cannot, gets the table anew with the same rows."""
    with op.batch_alter_table("saved_symbols", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("symbol", existing_type=sa.String(32), type_=sa.String(48), existing_nullable=False)
