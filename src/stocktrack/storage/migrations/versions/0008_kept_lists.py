"""Which watch lists are there also while they are empty."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add it; so far a list ended with its last symbol."""
    op.add_column("users", sa.Column("kept_lists", sa.Text, nullable=True))
