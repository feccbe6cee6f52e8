"""The order of a user's watch lists."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add it; nobody has ordered any so far."""
    op.add_column("users", sa.Column("list_order", sa.Text, nullable=True))
