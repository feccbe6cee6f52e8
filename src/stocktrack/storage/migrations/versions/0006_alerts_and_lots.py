"""The tables of alerts, of what they tell and by which price, and of lots; and till when a user is muted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add them, empty."""
    op.add_column("users", sa.Column("muted_until_ms", sa.BigInteger, nullable=True))
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("symbol", sa.String(48), nullable=False),
        sa.Column("condition", sa.String(24), nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("minutes", sa.Integer, nullable=True),
        sa.Column("repeat", sa.String(8), nullable=False),
        sa.Column("cooldown_seconds", sa.Integer, nullable=True),
        sa.Column("quiet_hours", sa.String(11), nullable=True),
        sa.Column("timezone", sa.String(64), nullable=True),
        sa.Column("targets", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("why", sa.Text, nullable=True),
        sa.Column("price_before", sa.Double, nullable=True),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("fired_at_ms", sa.BigInteger, nullable=True),
        sa.Column("fired_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("message", sa.Text, nullable=True),
        sa.Column("revision", sa.BigInteger, nullable=False, index=True),
        sa.Column("is_removed", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alert_revision",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("judge", sa.String(32), nullable=False, server_default=""),
        sa.Column("judge_until_ms", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "alert_prices",
        sa.Column("symbol", sa.String(48), primary_key=True),
        sa.Column("price", sa.Double, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=True),
        sa.Column("market_state", sa.String(8), nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("delivery_id", sa.String(24), primary_key=True),
        sa.Column("alert_id", sa.Integer, nullable=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger, nullable=True, index=True),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("done_at_ms", sa.BigInteger, nullable=True, index=True),
        sa.Column("error", sa.Text, nullable=True),
    )
    op.create_table(
        "lots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("group_name", sa.String(64), nullable=False, server_default="main"),
        sa.Column("symbol", sa.String(48), nullable=False),
        sa.Column("quantity", sa.Double, nullable=False),
        sa.Column("unit_cost", sa.Double, nullable=False),
        sa.Column("fixed_cost", sa.Double, nullable=False, server_default="0"),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
