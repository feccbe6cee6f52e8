"""Prices for a recorder from a server, by the client library: every change, through losses of the connection."""

import contextlib
from collections.abc import Callable, Sequence

from stocktrack.client import ClientError, NotFound, State, StateChange, StockTrackClient, TooManyRequests, Unavailable
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import Clock
from stocktrack.errors import Reason
from stocktrack.messages import Missing, Notice, Price
from stocktrack.recording.recorder import Recorder
from stocktrack.recording.summary import duration_text
from stocktrack.terminal.connection_report import ConnectionReport
from stocktrack.terminal.exit_codes import sentence_of

# The symbols of one command, so that its line is short enough for any server.
_SYMBOLS_A_COMMAND = 500
_AGAIN_SECONDS = 2.0


class ServerPrices:
    """Prices of a server: every change that it pushes, over as many sessions as its limit of symbols takes."""

    def __init__(
        self,
        settings: ClientSettings,
        recorder: Recorder,
        clock: Clock,
        tell: Callable[[str], None],
        *,
        timeout_seconds: float,
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._clock = clock
        self._tell = tell
        self._timeout_seconds = timeout_seconds
        self._clients: list[StockTrackClient] = []
        self._holds: dict[StockTrackClient, set[str]] = {}
        self._lost: dict[StockTrackClient, int] = {}
        self._lost_since: int | None = None
        self._dropped: list[Missing] = []
        self._put_off: dict[str, float] = {}  # symbols that the server had no request left for, and when to ask again
        self._last_at = clock.now_ms()  # when a price came last
        self.why_over: ClientError | None = None

    @property
    def name(self) -> str:
        """The server's address."""
        return self._settings.address

    async def open(self) -> None:
        """Connect and log in."""
        await self._connect()

    async def add(self, symbols: Sequence[str]) -> tuple[Missing, ...]:
        """Subscribe to `symbols`."""
        missing: list[Missing] = []
        for at in range(0, len(symbols), _SYMBOLS_A_COMMAND):
            rest = list(symbols[at : at + _SYMBOLS_A_COMMAND])
            while rest:
                client, room = await self._with_room()
                missing += await self._subscribe(client, rest[:room])
                rest = rest[room:]
        return tuple(missing)

    async def remove(self, symbols: Sequence[str]) -> None:
        """Unsubscribe from `symbols`."""
        for symbol in symbols:
            self._put_off.pop(symbol, None)
        for client, held in self._holds.items():
            gone = [symbol for symbol in symbols if symbol in held]
            held.difference_update(gone)
            for at in range(0, len(gone), _SYMBOLS_A_COMMAND):
                await client.wait_connected()
                with contextlib.suppress(NotFound):  # the server may have dropped them itself meanwhile
                    await client.unsubscribe(gone[at : at + _SYMBOLS_A_COMMAND], save=False)
        self._recorder.forget(list(symbols))

    async def look(self) -> tuple[Missing, ...]:
        """Ask again for what was put off."""
        now = self._clock.monotonic()
        due = [symbol for symbol, at in self._put_off.items() if at <= now]
        for symbol in due:
            del self._put_off[symbol]
        dropped, self._dropped = tuple(self._dropped), []
        return (*dropped, *(await self.add(due))) if due else dropped

    def finish(self) -> None:
        """Say that nothing came since the server was lost."""
        if self._lost_since is not None:
            self._recorder.hole(self._lost_since, f"The connection to {self.name} was lost.")
            self._lost_since = None

    async def close(self) -> None:
        """Leave the server."""
        for client in self._clients:
            await client.close()

    async def _with_room(self) -> tuple[StockTrackClient, int]:
        """A session with room for more symbols, and for how many."""
        for client in self._clients:
            await client.wait_connected()
            limit = client.hello.limits.max_symbols if client.hello is not None else _SYMBOLS_A_COMMAND
            if (room := limit - len(self._holds[client])) > 0:
                return client, room
        return await self._connect(), 1

    async def _connect(self) -> StockTrackClient:
        report = ConnectionReport(self._tell)

        def take_price(price: Price) -> None:
            if client in self._lost:
                self._found(client)  # it comes before the word that the client is connected
            self._last_at = self._clock.now_ms()
            self._recorder.take(price, client.hello.instance if client.hello is not None else "")

        def take_notice(notice: Notice) -> None:
            dropped = report.notice(notice)
            self._recorder.note(f"{self.name}: {notice.message}")
            self._holds[client].difference_update(each.symbol for each in dropped)
            self._dropped += dropped

        def take_state(change: StateChange) -> None:
            # With several sessions one sentence says it for all of them.
            if client in self._clients[:1]:
                report.state(change)
            self._take_state(client, change)

        client = self._settings.client(
            timeout_seconds=self._timeout_seconds, on_notice=take_notice, on_state=take_state, on_price=take_price
        )
        self._clients.append(client)
        self._holds[client] = set()
        try:
            await client.__aenter__()
        except BaseException:
            self._clients.remove(client)
            del self._holds[client]
            raise
        return client

    def _take_state(self, client: StockTrackClient, change: StateChange) -> None:
        now = self._clock.now_ms()
        if change.state is State.RECONNECTING and client not in self._lost:
            self._lost[client] = now
            if self._lost_since is None:
                # A server that fell silent is found out after a while: the hole began behind the last price.
                heartbeat = client.hello.heartbeat_seconds if client.hello is not None else 0.0
                silence_ms = int((2 * heartbeat + self._timeout_seconds) * 1000)
                self._lost_since = max(self._last_at, now - silence_ms)
                why = sentence_of(change.cause) if change.cause is not None else "The connection was lost."
                self._recorder.note(f"lost: {why}")
        elif change.state is State.CONNECTED:
            if self._holds[client]:  # it is no new one
                self._holds[client].intersection_update(change.subscribed)
                self._dropped += change.missing
            if client in self._lost:
                self._found(client)
        elif change.state is State.CLOSED and change.cause is not None and self.why_over is None:
            self.why_over = change.cause

    def _found(self, client: StockTrackClient) -> None:
        """Record the hole once all sessions are back."""
        del self._lost[client]
        if not self._lost and self._lost_since is not None:
            self._recorder.note(f"back after {duration_text(self._clock.now_ms() - self._lost_since)}")
            self.finish()

    async def _subscribe(self, client: StockTrackClient, symbols: Sequence[str]) -> list[Missing]:
        try:
            reply = await client.subscribe(symbols, interval=0, save=False)
        except (NotFound, TooManyRequests) as error:
            missing: Sequence[Missing] = error.missing
            if not missing:
                raise
        except Unavailable:
            if client.state is State.CLOSED:
                raise
            # Lost in between: it is asked again on the new connection.
            self._put_off |= dict.fromkeys(symbols, self._clock.monotonic())
            return []
        else:
            missing = reply.missing
        there = set(symbols) - {each.symbol for each in missing}
        self._holds[client] |= there
        now = self._clock.monotonic()
        later = {
            each.symbol: now + (each.retry_after_ms / 1000 if each.retry_after_ms else _AGAIN_SECONDS)
            for each in missing
            if each.reason is Reason.RATE_LIMITED
        }
        self._put_off |= later
        return [each for each in missing if each.symbol not in later]
