"""Users and their saved symbols: the tables that the first StockTrack made."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "saved_symbols",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("list_name", sa.String(64), nullable=False, server_default="main"),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.UniqueConstraint("user_id", "list_name", "symbol", name="one_of_each_symbol"),
        sqlite_autoincrement=True,
    )
