"""The table of the 1-minute bars that the server saw."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it, empty."""
    op.create_table(
        "minute_bars",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("symbol", sa.String(48), primary_key=True),
        sa.Column("market_state", sa.String(8), nullable=True),
        sa.Column("open", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("close", sa.Double, nullable=False),
        sa.Column("volume", sa.BigInteger, nullable=True),
        sqlite_with_rowid=False,
    )
