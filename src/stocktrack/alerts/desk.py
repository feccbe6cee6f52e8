"""What users do with alerts: make them, list them, take them out, and try a target. It judges nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from secrets import token_hex
from typing import Final, Protocol

from stocktrack.alert_targets.base import AlertMessage, Target
from stocktrack.alerts.sentences import test_sentence
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason
from stocktrack.storage.alerts import NewAlert, StoredAlert

# A target is somebody's phone: nobody tries one more often than this.
TESTS_A_MINUTE: Final = 6


class KeepsAlerts(Protocol):
    """Where the alerts of users are. `storage.alerts.Alerts` is the real one; every method may raise `StorageError`."""

    async def add(
        self, username: str, wanted: NewAlert, *, limit: int, now_ms: int, replaced: int | None = None
    ) -> StoredAlert:
        """Add an alert, in the place of the one with the id `replaced` where there is one.

        `CommandError` where the user has `limit` of them, or none of that id, or is there no more; then all stays.
        """
        ...

    async def remove(self, username: str, alert_id: int) -> StoredAlert | None:
        """Take an alert out; returns what it was, None where the user has none of this id."""
        ...

    async def of_user(
        self, username: str, *, symbol: str | None = None, after: int = 0, most: int = 0
    ) -> Sequence[StoredAlert]:
        """Some of the user's alerts after the one of this id, in order."""
        ...


class AlertDesk:
    """The alerts of all users, and the targets that they may name.

    ``may_name(username, name)`` says whether a user may name a target. `on_change` is called when alerts were changed.
    """

    def __init__(
        self,
        stored: KeepsAlerts,
        clock: Clock,
        *,
        targets: Mapping[str, Target],
        may_name: Callable[[str, str], bool] = lambda _username, _name: True,
        max_alerts: int,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._stored = stored
        self._clock = clock
        self._targets = targets
        self._may_name = may_name
        self._max_alerts = max_alerts
        self._on_change = on_change
        self._tested_at: dict[str, list[float]] = {}  # by user, monotonic

    def targets_of(self, username: str) -> Sequence[str]:
        """The targets that a user may name, in the order of the settings."""
        return [name for name in self._targets if self._may_name(username, name)]

    def check_targets(self, username: str, names: Collection[str]) -> None:
        """Return where there are these targets and the user may name them; else `CommandError`."""
        known = self.targets_of(username)
        for name in names:
            if name not in known:
                there_are = f"there are: {', '.join(known)}" if known else "the operator has defined none for you"
                raise CommandError(Reason.INVALID_COMMAND, f"There is no target {name!r}; {there_are}.")

    async def add(self, username: str, wanted: NewAlert, *, replaced: int | None = None) -> StoredAlert:
        """Make an alert, which is on disk when this returns; the one of the id `replaced` goes with the same write."""
        made = await self._stored.add(
            username, wanted, limit=self._max_alerts, now_ms=self._clock.now_ms(), replaced=replaced
        )
        self._on_change()
        return made

    async def remove(self, username: str, alert_id: int) -> StoredAlert:
        """Take an alert out; `CommandError` where the user has none of this id."""
        removed = await self._stored.remove(username, alert_id)
        if removed is None:
            raise CommandError(Reason.UNKNOWN_ALERT, f"You have no alert a{alert_id}.")
        self._on_change()
        return removed

    async def of_user(self, username: str, *, symbol: str | None, after: int, most: int) -> Sequence[StoredAlert]:
        """Some of a user's alerts after the one of this id, in order."""
        return await self._stored.of_user(username, symbol=symbol, after=after, most=most)

    async def test(self, username: str, name: str) -> None:
        """Have a target take a test message; `TargetError` where it does not, `CommandError` where it may not be."""
        self.check_targets(username, (name,))
        now = self._clock.monotonic()
        tested_at = [at for at in self._tested_at.get(username, ()) if now - at < 60]
        if len(tested_at) >= TESTS_A_MINUTE:
            wait_ms = max(1, round((60 - (now - tested_at[0])) * 1000))
            too_often = f"A target is tried {TESTS_A_MINUTE} times a minute at most."
            raise CommandError(Reason.RATE_LIMITED, too_often, retry_after_ms=wait_ms)
        # Only who has tried one a moment ago is remembered.
        self._tested_at = {name: at for name, at in self._tested_at.items() if now - at[-1] < 60}
        self._tested_at[username] = [*tested_at, now]
        await self._targets[name].send(
            AlertMessage(
                id=f"t{token_hex(8)}",
                alert=None,
                symbol=None,
                when=None,
                value=None,
                price=None,
                currency=None,
                timestamp=self._clock.now_ms(),
                message=test_sentence(username),
                username=username,
            )
        )
