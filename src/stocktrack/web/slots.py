"""The slots for connections that are no sessions: how many there are, whose they are, and who gives one up.

When all are taken, a newcomer gets that of a connection which waits for its client: one that is idle after an answer,
else one of the address that has the most. So nobody fills a door by sitting in it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from stocktrack.system.addresses import address_group


class Slot(Enum):
    """What a connection does with its slot."""

    IDLE = "it was answered, and nothing of another request has come"
    WAITING = "its client has not sent all of a request, or has not taken an answer"
    AT_WORK = "its request is being answered"


class Admission(Enum):
    """What a newcomer gets."""

    SLOT = "a slot"
    SHORT = "a slot, for a short time unless it uses it: its address has as many as it should"
    NONE = "none"


class Holder(Protocol):
    """A connection that has a slot."""

    address: str

    def give_way(self) -> None:
        """Close now: somebody else needs the slot."""
        ...


@dataclass(slots=True)
class _Address:
    count: int = 0
    # Those that may give way, the one first that has been so for longest.
    idle: OrderedDict[Holder, None] = field(default_factory=OrderedDict)
    waiting: OrderedDict[Holder, None] = field(default_factory=OrderedDict)


class Slots:
    """So many slots; `per_address` says how many of them an address should have."""

    def __init__(self, size: int, per_address: Callable[[str], int]) -> None:
        self._size = size
        self._per_address = per_address
        self._addresses: dict[str, _Address] = {}
        self._holders: dict[Holder, _Address] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def __contains__(self, holder: object) -> bool:
        return holder in self._holders

    def enter(self, holder: Holder) -> Admission:
        """Give `holder` a slot, as one that waits for its client; somebody else may have to give way for it."""
        key = address_group(holder.address)
        address = self._addresses.get(key) or _Address()
        is_over = address.count >= self._per_address(holder.address)
        if is_over and address.idle:
            self._end(next(iter(address.idle)))
            is_over = False
        if len(self._holders) >= self._size and not self._make_room(address):
            return Admission.NONE
        self._addresses[key] = address
        address.count += 1
        address.waiting[holder] = None
        self._holders[holder] = address
        return Admission.SHORT if is_over else Admission.SLOT

    def change(self, holder: Holder, slot: Slot) -> None:
        """Note what a connection does with its slot from now on."""
        if (address := self._holders.get(holder)) is None:
            return
        address.idle.pop(holder, None)
        if slot is not Slot.WAITING:
            address.waiting.pop(holder, None)
        if slot is Slot.IDLE:
            address.idle[holder] = None
        elif slot is Slot.WAITING:
            address.waiting.setdefault(holder)

    def leave(self, holder: Holder) -> None:
        """Take the slot back."""
        if (address := self._holders.pop(holder, None)) is None:
            return
        address.idle.pop(holder, None)
        address.waiting.pop(holder, None)
        address.count -= 1
        if address.count == 0:
            del self._addresses[address_group(holder.address)]

    def _make_room(self, newcomers: _Address) -> bool:
        """End a connection of the address that has the most of those that may give way."""
        if (most := self._most(lambda address: bool(address.idle))) is not None:
            self._end(next(iter(most.idle)))
            return True
        most = self._most(lambda address: bool(address.waiting))
        if most is None or most.count <= newcomers.count:
            # No other address has more: it is among themselves.
            most = newcomers
        if not most.waiting:
            return False
        self._end(next(iter(most.waiting)))
        return True

    def _most(self, has_any: Callable[[_Address], bool]) -> _Address | None:
        return max(filter(has_any, self._addresses.values()), key=lambda address: address.count, default=None)

    def _end(self, holder: Holder) -> None:
        self.leave(holder)
        holder.give_way()
