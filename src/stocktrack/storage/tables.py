"""The tables of the database, and which revision of them this program knows.

A change here is also a new file in `migrations/versions`; a test holds the two together.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
)

from stocktrack.quotes import MAX_SYMBOL_LENGTH

# Revisions are numbered so that a later one is also the greater string.
SCHEMA_REVISION = "0005"
# Not alembic's own name for it: other programs that use alembic may share a PostgreSQL database with this one.
REVISION_TABLE = "stocktrack_schema"

metadata = MetaData()
revisions = Table(REVISION_TABLE, metadata, Column("version_num", String(32), primary_key=True))
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("token_epoch", Integer, nullable=False, server_default="0"),  # in every token; another one is revoked
    # In every session that was opened without a token; with another one it has ended.
    Column("password_epoch", Integer, nullable=False, server_default="0"),
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,  # the id of a removed user is never given to another
)
saved_symbols = Table(
    "saved_symbols",
    metadata,
    Column("id", Integer, primary_key=True),  # rises, so it is the order of saving too
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("list_name", String(64), nullable=False, server_default="main"),
    Column("symbol", String(MAX_SYMBOL_LENGTH), nullable=False),
    UniqueConstraint("user_id", "list_name", "symbol", name="one_of_each_symbol"),
    sqlite_autoincrement=True,  # else a symbol saved after the last one was taken out could get its place
)
# The tokens that are valid, or were until they expired; what is revoked is taken out. Those that were made before this
# table was stand in none.
user_tokens = Table(
    "user_tokens",
    metadata,
    Column("token_id", String(16), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(64), nullable=True),
    Column("scope", String(16), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("last_used_at_ms", BigInteger, nullable=True),
)
# What this server saw of each symbol in each minute, which is counted from the epoch. The key is the order on the disk.
minute_bars = Table(
    "minute_bars",
    metadata,
    Column("minute", Integer, primary_key=True, autoincrement=False),
    Column("symbol", String(MAX_SYMBOL_LENGTH), primary_key=True),
    Column("market_state", String(8), nullable=True),  # pre or post; none in the regular hours
    Column("open", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("close", Double, nullable=False),
    Column("volume", BigInteger, nullable=True),
    sqlite_with_rowid=False,
)
