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
    Text,
    UniqueConstraint,
    false,
)

from stocktrack.quotes import MAX_SYMBOL_LENGTH

# Revisions are numbered so that a later one is also the greater string.
SCHEMA_REVISION = "0008"
# Not alembic's own name for it: other programs that use alembic may share a PostgreSQL database with this one.
REVISION_TABLE = "stocktrack_schema"
# Of an Integer in PostgreSQL, which has no higher number for a row and refuses a question for one.
HIGHEST_ID = 2**31 - 1

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
    Column("muted_until_ms", BigInteger, nullable=True),  # till when the user may say nothing to the others
    Column("list_order", Text, nullable=True),  # the names of the lists, a JSON list; none: nobody has ordered them
    Column("kept_lists", Text, nullable=True),  # the names of those that are there also while they are empty, likewise
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
# What users want to be told of. `revision` rises with every change that a user makes to an alert, over all of them.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("symbol", String(MAX_SYMBOL_LENGTH), nullable=False),
    Column("condition", String(24), nullable=False),
    Column("value", Double, nullable=False),
    Column("minutes", Integer, nullable=True),
    Column("repeat", String(8), nullable=False),
    Column("cooldown_seconds", Integer, nullable=True),
    Column("quiet_hours", String(11), nullable=True),
    Column("timezone", String(64), nullable=True),
    Column("targets", Text, nullable=False),  # their names, a JSON list
    Column("state", String(8), nullable=False),
    Column("why", Text, nullable=True),  # it is disarmed
    Column("price_before", Double, nullable=True),  # the price when it was made; none: no price was known
    Column("created_at_ms", BigInteger, nullable=False),
    Column("fired_at_ms", BigInteger, nullable=True),
    Column("fired_count", Integer, nullable=False, server_default="0"),
    Column("message", Text, nullable=True),  # the last one
    Column("revision", BigInteger, nullable=False, index=True),
    Column("is_removed", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,  # what a target was once told of is never another alert
)
# One row: the highest revision, and which process judges the alerts, until when. Who takes the next revision holds the
# row, so that revisions are committed in their order.
alert_revision = Table(
    "alert_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("judge", String(32), nullable=False, server_default=""),
    Column("judge_until_ms", BigInteger, nullable=False, server_default="0"),
)
# The last price by which the alerts of a symbol were judged: what comes after it is held against it.
alert_prices = Table(
    "alert_prices",
    metadata,
    Column("symbol", String(MAX_SYMBOL_LENGTH), primary_key=True),
    Column("price", Double, nullable=False),
    Column("timestamp", BigInteger, nullable=True),
    Column("market_state", String(8), nullable=False),
    Column("seen_at_ms", BigInteger, nullable=False),
)
# What is to be told to a target, or to the user's sessions where the target is empty; it stays a while after that.
alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("delivery_id", String(24), primary_key=True),
    Column("alert_id", Integer, nullable=True),  # none: a test of the target
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("target", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger, nullable=True, index=True),  # none: it was delivered, or given up
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("done_at_ms", BigInteger, nullable=True, index=True),
    Column("error", Text, nullable=True),  # of the last attempt
)
# What users own, each purchase for itself; a sale is one of a negative quantity.
lots = Table(
    "lots",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("group_name", String(64), nullable=False, server_default="main"),
    Column("symbol", String(MAX_SYMBOL_LENGTH), nullable=False),
    Column("quantity", Double, nullable=False),
    Column("unit_cost", Double, nullable=False),
    Column("fixed_cost", Double, nullable=False, server_default="0"),
    Column("created_at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
