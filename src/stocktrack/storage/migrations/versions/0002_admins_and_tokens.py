"""Administrators, and the number that a user's tokens have to carry."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; whoever is there is no administrator and has no token yet."""
    op.add_column("users", sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("users", sa.Column("token_epoch", sa.Integer, nullable=False, server_default="0"))
