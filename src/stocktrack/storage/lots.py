"""The lots of the users, as they are kept in the database: what was acknowledged is on disk."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, distinct, func, insert, select

from stocktrack.errors import CommandError, Reason
from stocktrack.storage.database import Database
from stocktrack.storage.owners import locked_owner
from stocktrack.storage.tables import HIGHEST_ID, lots, users

# Of one user: all their names stand in each reply.
MAX_GROUPS: Final = 50


class LotRow(NamedTuple):
    """A lot as the database knows one; its cost is in the currency of the symbol's price."""

    id: int
    symbol: str
    quantity: float
    unit_cost: float
    fixed_cost: float
    group: str
    created_at_ms: int


_COLUMNS = (
    lots.c.id,
    lots.c.symbol,
    lots.c.quantity,
    lots.c.unit_cost,
    lots.c.fixed_cost,
    lots.c.group_name,
    lots.c.created_at_ms,
)
_OF_USER = lots.c.user_id == select(users.c.id).where(users.c.name == bindparam("of")).scalar_subquery()
_SELECT = select(*_COLUMNS).where(_OF_USER).order_by(lots.c.id)
_SELECT_ONE = select(*_COLUMNS).where(_OF_USER, lots.c.id == bindparam("lot"))
_COUNT = select(func.count(), func.count(distinct(lots.c.group_name))).where(lots.c.user_id == bindparam("owner"))
_HAS_GROUP = select(lots.c.id).where(lots.c.user_id == bindparam("owner"), lots.c.group_name == bindparam("group"))


class Lots:
    """The lots in a database that is opened and closed elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, name: str) -> Sequence[LotRow]:
        """The lots of a user, the oldest first."""
        return await self._database.read(
            lambda connection: [LotRow(*row) for row in connection.execute(_SELECT, {"of": name})]
        )

    async def add(self, name: str, lot: LotRow, *, limit: int) -> LotRow:
        """Add a lot of a user, of at most `limit`, and return it with the id that it has got.

        `CommandError` where there are too many of them, or of groups, or where the user was removed meanwhile.
        """

        def change(connection: Connection) -> LotRow:
            owner = locked_owner(connection, name)  # so that of two additions at once none is over the limit
            count, groups = connection.execute(_COUNT, {"owner": owner}).one()
            if count >= limit:
                raise CommandError(
                    Reason.SYMBOL_LIMIT,
                    f"A user has at most {limit} lots, and there are {count}. Take some out with REMOVE_LOT first.",
                )
            asked = {"owner": owner, "group": lot.group}
            if groups >= MAX_GROUPS and connection.execute(_HAS_GROUP, asked).first() is None:
                raise CommandError(
                    Reason.SYMBOL_LIMIT,
                    f"Lots are in at most {MAX_GROUPS} groups, and there are as many: name one of those.",
                )
            values = {
                "user_id": owner,
                "group_name": lot.group,
                "symbol": lot.symbol,
                "quantity": lot.quantity,
                "unit_cost": lot.unit_cost,
                "fixed_cost": lot.fixed_cost,
                "created_at_ms": lot.created_at_ms,
            }
            [key] = connection.execute(insert(lots).values(values)).inserted_primary_key or (0,)
            return lot._replace(id=key)

        return await self._database.write(change, of=name)

    async def remove(self, name: str, lot_id: int) -> LotRow | None:
        """Take out a lot of a user and return it; None where the user has no such one."""
        if lot_id > HIGHEST_ID:
            return None

        def change(connection: Connection) -> LotRow | None:
            found = connection.execute(_SELECT_ONE, {"of": name, "lot": lot_id}).first()
            if found is None or not connection.execute(delete(lots).where(lots.c.id == lot_id)).rowcount:
                return None  # another server may have been faster
            return LotRow(*found)

        return await self._database.write(change, of=name)
