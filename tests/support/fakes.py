"""What the unit tests of the core stand on: a connection in memory, scripted sources, accounts without a database.

`a_house` puts the real board, feed and sessions on a manual clock above them, and `Client` speaks to a session as a
door does. Every line that a test looks at has been decoded as a server message of the protocol before.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from scripted_past import ScriptedPast, daily
from stocktrack.accounts.identity import HeldToken, Identity
from stocktrack.accounts.tokens import IssuedToken
from stocktrack.alert_targets.base import Target
from stocktrack.alerting import AlertState
from stocktrack.alerts.desk import AlertDesk, KeepsAlerts
from stocktrack.bars import BarInterval, Split
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, ProviderError, Reason, StorageError
from stocktrack.market.board import Basket, Board
from stocktrack.market.events import FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.messages import MAIN_LIST, MAX_LISTS, MAX_TOKEN_DAYS, ListChange
from stocktrack.providers.base import (
    QUESTION,
    BarLimit,
    Capability,
    Errand,
    Provider,
    Publish,
    QuoteAnswer,
    Source,
    SourceBars,
    StreamSink,
    Wanted,
)
from stocktrack.providers.instruments import Instruments
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Match, Quote
from stocktrack.scopes import Scope
from stocktrack.sessions.contracts import SessionRules
from stocktrack.sessions.open_sessions import SessionLimits, Sessions
from stocktrack.sessions.session import Session
from stocktrack.storage.alerts import NewAlert, StoredAlert
from stocktrack.storage.lots import LotRow
from stocktrack.storage.store import TokenRow, UserRow
from stocktrack.wire.lines import decode_server_line

NOW_MS = 1_712_331_900_000
USER, PASSWORD = "yosakorn", "correct horse"
POLL_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0

Message = dict[str, Any]
Result = TypeVar("Result")
Script = Literal["good", "slow", "hang", "fail", "blocked", "crash", "garbage", "partial", "unknown", "gives up"]


def a_quote(symbol: str = "AAPL", price: float = 100.0, *, received_at: int = NOW_MS, **fields: Any) -> Quote:
    """A quote of a scripted source."""
    given: dict[str, Any] = {"currency": "USD", "market_state": MarketState.OPEN, "provider": "scripted", **fields}
    return Quote(symbol=symbol, price=price, received_at=received_at, **given)


def read_lines(data: bytes) -> list[Message]:
    """The server messages in `data`, which must be whole lines of the protocol."""
    assert data == b"" or data.endswith(b"\n")
    lines = data.splitlines()
    assert all(decode_server_line(line) is not None for line in lines)
    return [json.loads(line) for line in lines]


class SteadyRandom(random.Random):
    """Always the middle, so that a back-off is exactly what it is without its ± 20 %."""

    def random(self) -> float:
        return 0.5


class MemoryConnection:
    """A client in memory, which reads what it is sent until it is told to stop; satisfies `Connection`."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._can_take = asyncio.Event()
        self._can_take.set()
        self._is_gone = False
        self._unread: list[bytes] = []
        self.writes: list[bytes] = []
        self.taken_bytes = 0
        self.sent_bytes = 0
        self.last_sent_at = clock.monotonic()
        self.is_ended = False
        self.is_aborted = False

    def send(self, data: bytes) -> None:
        if not data or self._is_gone or self.is_aborted:
            return
        self.writes.append(data)
        self._unread.append(data)
        self.sent_bytes += len(data)
        self.last_sent_at = self._clock.monotonic()
        if self._can_take.is_set():
            self.taken_bytes = self.sent_bytes

    async def drain(self) -> None:
        await self._can_take.wait()
        if self._is_gone:
            raise ConnectionResetError("the client is gone")

    def unsent_bytes(self) -> int:
        return self.sent_bytes - self.taken_bytes

    def end(self) -> None:
        self.is_ended = True

    def abort(self) -> None:
        self.is_aborted = True

    # --- what the client does ---

    def stop_reading(self) -> None:
        self._can_take.clear()

    def read_a_little(self, count: int) -> None:
        """Take some bytes, too few for the server to send more."""
        self.taken_bytes = min(self.sent_bytes, self.taken_bytes + count)

    def read_again(self) -> None:
        self.taken_bytes = self.sent_bytes
        self._can_take.set()

    def vanish(self) -> None:
        self._is_gone = True
        self._can_take.set()

    def messages(self) -> list[Message]:
        """What was sent since this was called last."""
        unread, self._unread = self._unread, []
        return read_lines(b"".join(unread))

    def of_type(self, kind: str) -> list[Message]:
        """The messages of one type among `messages()`; the others are thrown away."""
        return [message for message in self.messages() if message["type"] == kind]


class _Scripted(Source):
    """A source that does what its `script` says and counts what it is asked."""

    def __init__(self, clock: ManualClock, *, name: str = "scripted") -> None:
        self.name = name
        self.script: Script = "good"
        self.slow_seconds = 3.0
        self.retry_after_ms: int | None = None
        self.requests: Counter[Capability] = Counter()
        self.is_started = False
        self.is_closed = False
        self._clock = clock
        self._released = asyncio.Event()

    async def start(self) -> None:
        self.is_started = True

    async def close(self) -> None:
        self.is_closed = True

    def release(self) -> None:
        """Let the calls that hang go on, as if the script had been good."""
        self.script = "good"
        self._released.set()

    async def _play(self, capability: Capability) -> None:
        self.requests[capability] += 1
        match self.script:
            case "slow":
                await self._clock.sleep(self.slow_seconds)
            case "hang":
                self._released.clear()
                await self._released.wait()
            case "fail":
                raise ProviderError(Reason.PROVIDER_ERROR, f"{self.name} is out of order.")
            case "blocked":
                raise ProviderError(
                    Reason.PROVIDER_BLOCKED, f"{self.name} says 429.", retry_after_ms=self.retry_after_ms
                )
            case "crash":
                raise KeyError("quoteResponse")
            case "gives up":
                raise asyncio.CancelledError
            case _:
                pass


class ScriptedQuotes(_Scripted):
    """A source of quotes: `prices` is its market; symbols in `odd` fail, whatever becomes of the others.

    It asks for what its market does not have alone (`look_ups`) before it calls it unknown.
    """

    symbols_a_request = 50

    def __init__(self, clock: ManualClock, *, name: str = "scripted") -> None:
        super().__init__(clock, name=name)
        self.prices = {"AAPL": 100.0, "MSFT": 200.0, "TSLA": 300.0, **{f"S{number}": 10.0 for number in range(20)}}
        self.odd: set[str] = set()
        self.market_time: int | None = None  # what its quotes say of when they were made
        self.quoted: dict[str, Any] = {}  # what else they say
        self.batches: list[tuple[str, ...]] = []
        self.polls: list[tuple[str, ...]] = []
        self.look_ups: list[str] = []

    @property
    def quote_requests(self) -> int:
        return self.requests[Capability.QUOTES]

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        self.batches.append(tuple(symbols))
        self.polls += [tuple(symbols)] if errand.is_poll else []
        await self._play(Capability.QUOTES)
        match self.script:
            case "garbage":
                return "<html>Be right back.</html>"  # type: ignore[return-value] # it is garbage on purpose
            case "unknown":
                return QuoteAnswer(unknown=frozenset(symbols))
            case "partial":
                symbols = symbols[: len(symbols) // 2]
            case _:
                pass
        sound = [symbol for symbol in symbols if symbol not in self.odd]
        left_out = [symbol for symbol in sound if symbol not in self.prices]
        refused = {symbol: errand.refusal(symbol) for symbol in left_out}
        put_off = {symbol: why for symbol, why in refused.items() if why is not None}
        self.look_ups += [symbol for symbol in left_out if symbol not in put_off]
        return QuoteAnswer(
            quotes={symbol: self.quote(symbol) for symbol in sound if symbol in self.prices},
            unknown=frozenset(symbol for symbol in left_out if symbol not in put_off),
            failed={symbol: self._oddness(symbol) for symbol in symbols if symbol in self.odd},
            put_off=put_off,
        )

    def quote(self, symbol: str) -> Quote:
        now = self._clock.now_ms()
        told = {"timestamp": self.market_time, **self.quoted}
        return a_quote(symbol, self.prices[symbol], received_at=now, provider=self.name, **told)

    def _oddness(self, symbol: str) -> ProviderError:
        return ProviderError(Reason.PROVIDER_ERROR, f"{self.name} gave no usable price for {symbol}.")


class ScriptedProvider(ScriptedQuotes):
    """A source of everything but a stream."""

    def __init__(self, clock: ManualClock, *, name: str = "scripted") -> None:
        super().__init__(clock, name=name)
        self.headlines = [Headline(title=f"Headline {number}", source="Wire") for number in range(12)]
        self.symbol_headlines = {"AAPL": [Headline(title=f"Apple {number}", source="Wire") for number in range(12)]}
        self.companies = {"AAPL": CompanyInfo(symbol="AAPL", name="Apple Inc.")}
        self.paid: dict[str, list[Dividend]] = {"AAPL": [], "TSLA": []}
        self.matches = [Match(symbol="AAPL", name="Apple Inc.")]
        self.past = ScriptedPast(name=name, days={"AAPL": daily("2024-04-03", "2024-04-04", "2024-04-05")})

    async def news(self) -> Sequence[Headline]:
        await self._play(Capability.NEWS)
        return self.headlines

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        await self._play(Capability.SYMBOL_NEWS)
        return self.symbol_headlines.get(symbol, [])

    async def company(self, symbol: str) -> CompanyInfo | None:
        await self._play(Capability.COMPANY)
        return self.companies.get(symbol)

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        await self._play(Capability.DIVIDENDS)
        return self.paid.get(symbol)

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        return self.past.limits

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        told = self.past.tell(symbol, interval, start, end, prepost=prepost)
        await self._play(Capability.HISTORY)
        return told

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        return self.past.all_splits.get(symbol, [])

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        await self._play(Capability.SEARCH)
        return [match for match in self.matches if query.casefold() in str(match.name).casefold()][:limit]


class ScriptedStream(ScriptedQuotes):
    """A source that also streams: `deliver` publishes, `break_off` ends the stream, and else it is mute."""

    def __init__(self, clock: ManualClock, *, name: str = "streaming") -> None:
        super().__init__(clock, name=name)
        self.stream_places: int | None = None
        self._is_owed = False
        self._publish: Publish | None = None
        self._wanted: Wanted = tuple
        self._broken: asyncio.Future[None] | None = None

    def is_streaming(self) -> bool:
        return self._publish is not None

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        await self._play(Capability.STREAM)
        self._wanted, self._publish = wanted, sink.publish
        sink.opened()
        if self._is_owed:
            self._is_owed = False
            self.deliver()
        self._broken = asyncio.get_running_loop().create_future()
        try:
            await self._broken
        finally:
            self._publish = None

    def wanted(self) -> list[str]:
        return sorted(self._wanted())

    def deliver(self) -> None:
        """Publish a new price of everything that is wanted, as soon as it is open: that is when something is."""
        if self._publish is None:
            self._is_owed = True
            return
        for symbol in self._wanted():
            self.prices[symbol] += 1
        self._publish([self.quote(symbol) for symbol in self._wanted()])

    def break_off(self, error: Exception | None = None) -> None:
        """End the stream, with an error or as if there were nothing more to come."""
        assert self._broken is not None
        if error is None:
            self._broken.set_result(None)
        else:
            self._broken.set_exception(error)


class ScriptedNews(_Scripted):
    """A source of headlines and of nothing else."""

    async def news(self) -> Sequence[Headline]:
        await self._play(Capability.NEWS)
        return [Headline(title="Only news", source="Wire")]


class _Disk:
    """What a fake of the database stands on: it can be slow, and with `is_broken` everything is a `StorageError`."""

    def __init__(self) -> None:
        self.is_broken = False
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.may_save = asyncio.Event()
        self.may_save.set()

    async def _disk(self) -> None:
        await self.may_go_on.wait()
        if self.is_broken:
            raise StorageError("The database cannot be written.")


class MemoryAuthenticator(_Disk):
    """Users in memory, two of them with `PASSWORD`; the password "throttled" has been tried too often.

    Satisfies `Authenticator`, and its contract with the real one is `accounts/test_contract.py`.
    """

    def __init__(self) -> None:
        _Disk.__init__(self)
        self.passwords: dict[str, str | None] = {USER: PASSWORD, "somebody": PASSWORD}  # None: needs none
        self.admins: set[str] = set()
        self.disabled: set[str] = set()
        self.now_ms: Callable[[], int] = lambda: NOW_MS
        # Of each name the person who has it, and how often the password and all tokens were changed or ended.
        self.people: Counter[str] = Counter()
        self.password_epochs: Counter[str] = Counter()
        self.token_epochs: Counter[str] = Counter()
        # The tokens by their text, and whose they are.
        self.issued: dict[str, tuple[str, TokenRow]] = {}
        self.reads: Counter[str] = Counter()
        self.muted_until_ms: dict[str, int] = {}

    async def verify(self, name: str, password: str | None, address: str, *, by_name: bool = True) -> Identity:
        await self._disk()
        if password == "throttled":
            raise CommandError(Reason.LOGIN_THROTTLED, "Too many wrong passwords.", retry_after_ms=60_000)
        right = {None, password} if by_name else {password}
        if name not in self.passwords or self.passwords[name] not in right or name in self.disabled:
            raise CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong.")
        return Identity.of(self._row(name), is_listed=self.passwords[name] is None)

    async def verify_token(self, token: str, address: str) -> Identity:
        await self._disk()
        username, row = self.issued.get(token, ("", None))
        user = self._row(username) if username in self.passwords else None
        if row is not None and user is not None:
            held = HeldToken(row.token_id, row.scope, row.expires_at_ms, user.token_epoch)
            identity = Identity.of(user, held)
            if identity.counts(user, self.now_ms()):
                return identity
        raise CommandError(Reason.BAD_CREDENTIALS, "The token is wrong.")

    def owner_of(self, token: str) -> str | None:
        return self.issued[token][0] if token in self.issued else None

    async def user(self, name: str) -> UserRow | None:
        self.reads[name] += 1
        await self._disk()
        return self._row(name) if name in self.passwords else None

    async def make_token(
        self,
        username: str,
        days: int,
        *,
        name: str | None = None,
        scope: Scope = Scope.FULL,
        identity: Identity | None = None,
    ) -> IssuedToken:
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise CommandError(Reason.INVALID_COMMAND, "A token is not valid for so many days.")
        await self._disk()
        if username not in self.passwords:
            raise CommandError(Reason.INVALID_COMMAND, f"There is no user {username!r}.")
        if self.passwords[username] is None:
            raise CommandError(Reason.NOT_PERMITTED, f"{username!r} has no password, and so gets no token.")
        if identity is not None and not identity.counts(self._row(username), self.now_ms()):
            raise CommandError(Reason.NOT_AUTHENTICATED, "The login counts no longer.")
        number = len(self.issued) + 1
        row = TokenRow(f"k{number}", name, scope, self.now_ms(), self.now_ms() + days * 86_400_000)
        text = f"token {number} of {username}"
        self.issued[text] = (username, row)
        return IssuedToken(text, row.expires_at_ms, row.token_id, name, scope)

    async def tokens(self, username: str) -> Sequence[TokenRow]:
        await self._disk()
        return [row for of, row in self.issued.values() if of == username and row.expires_at_ms > self.now_ms()]

    async def revoke_token(self, username: str, token_id: str) -> None:
        await self._disk()
        found = [text for text, (of, row) in self.issued.items() if (of, row.token_id) == (username, token_id)]
        if not found:
            raise CommandError(Reason.INVALID_COMMAND, f"{username!r} has no token {token_id!r}.")
        del self.issued[found[0]]

    async def revoke_tokens(self, username: str) -> frozenset[str]:
        await self._disk()
        revoked = {text: row.token_id for text, (of, row) in self.issued.items() if of == username}
        for text in revoked:
            del self.issued[text]
        self.token_epochs[username] += 1
        return frozenset(revoked.values())

    async def change_own_password(self, identity: Identity, password: str, new_password: str, address: str) -> Identity:
        await self._disk()
        if self.passwords.get(identity.name) is None:
            raise CommandError(Reason.NOT_PERMITTED, f"{identity.name!r} has no password.")
        await self.verify(identity.name, password, address)
        self.passwords[identity.name] = new_password
        self.password_epochs[identity.name] += 1
        await self.revoke_tokens(identity.name)
        return Identity.of(self._row(identity.name))

    async def users_after(self, name: str | None, most: int) -> tuple[Sequence[UserRow], int]:
        await self._disk()
        names = sorted(each for each in self.passwords if name is None or each > name)
        return [self._row(each) for each in names[:most]], len(self.passwords)

    async def mute(self, username: str, minutes: int) -> int | None:
        await self._disk()
        if username not in self.passwords:
            raise CommandError(Reason.INVALID_COMMAND, f"There is no user {username!r}.")
        self.muted_until_ms.pop(username, None)
        if minutes:
            self.muted_until_ms[username] = self.now_ms() + minutes * 60_000
        return self.muted_until_ms.get(username)

    def _row(self, name: str) -> UserRow:
        return UserRow(
            name=name,
            password_hash=str(self.passwords[name]),
            created_at_ms=NOW_MS,
            is_admin=name in self.admins,
            token_epoch=self.token_epochs[name],
            saved_count=0,
            id=self.people[name],
            password_epoch=self.password_epochs[name],
            is_disabled=name in self.disabled,
            token_ids=frozenset(row.token_id for of, row in self.issued.values() if of == name),
            muted_until_ms=self.muted_until_ms.get(name),
        )


class MemoryLists(_Disk):
    """The lists of `users` in memory; satisfies `WatchLists`, and its contract is `accounts/test_contract.py`."""

    def __init__(self, users: Container[str]) -> None:
        _Disk.__init__(self)
        self.lists: dict[str, list[str]] = {}  # the main list of each user
        self.other_lists: dict[str, dict[str, list[str]]] = {}  # by the list's name
        self.orders: dict[str, list[str]] = {}  # of the lists of each user who has ordered them
        self.kept: dict[str, set[str]] = {}  # the lists of each user that are there also while they are empty
        self._users = users

    async def list_names(self, name: str) -> tuple[str, ...]:
        await self._disk()
        return tuple(self._counts(name))

    async def list_counts(self, name: str) -> dict[str, int]:
        await self._disk()
        return self._counts(name)

    async def change_list(
        self,
        name: str,
        change: ListChange,
        symbols: Sequence[str],
        limit: int,
        list_name: str = MAIN_LIST,
        *,
        keep: bool = False,
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        await self.may_save.wait()
        await self._disk()
        before = tuple(self._lists_of(list_name).get(name, ()))
        after = {
            ListChange.REPLACE: tuple(symbols),
            ListChange.ADD: tuple(dict.fromkeys((*before, *symbols))),
            ListChange.REMOVE: tuple(symbol for symbol in before if symbol not in symbols),
            ListChange.ORDER: tuple(dict.fromkeys((*(each for each in symbols if each in before), *before))),
        }[change]
        begins = bool(after) or (keep and change is ListChange.REPLACE)
        if not begins and list_name not in self._counts(name):
            raise CommandError(Reason.UNKNOWN_LIST, f"There is no list {list_name!r}.")
        if len(after) > max(limit, len(before)):
            raise CommandError(Reason.SYMBOL_LIMIT, f"The list would have {len(after)} symbols, over {limit}.")
        if len({*self._counts(name), list_name}) > MAX_LISTS:
            raise CommandError(Reason.SYMBOL_LIMIT, f"There are {MAX_LISTS} lists already.")
        self._lists_of(list_name)[name] = [*after]
        if keep:
            self.kept.setdefault(name, set()).add(list_name)
        return before, after

    async def rename_list(self, name: str, list_name: str, new_name: str) -> None:
        await self._disk()
        names = [*self._counts(name)]
        self._find(name, list_name)
        if new_name == list_name:
            return
        if list_name == MAIN_LIST or new_name in names:
            raise CommandError(Reason.INVALID_COMMAND, f"{list_name!r} cannot become {new_name!r}.")
        self._lists_of(new_name)[name] = self._lists_of(list_name).pop(name)
        if list_name in (kept := self.kept.get(name, set())):
            kept ^= {list_name, new_name}
        self.orders[name] = [new_name if each == list_name else each for each in names]

    async def remove_list(self, name: str, list_name: str) -> tuple[str, ...]:
        await self._disk()
        if list_name == MAIN_LIST:
            raise CommandError(Reason.INVALID_COMMAND, "The main list stays.")
        self._find(name, list_name)
        self.kept.get(name, set()).discard(list_name)
        return tuple(self._lists_of(list_name).pop(name))

    async def order_lists(self, name: str, list_names: Sequence[str]) -> dict[str, int]:
        await self._disk()
        for each in list_names:
            self._find(name, each)
        self.orders[name] = [*dict.fromkeys((*list_names, *self._counts(name)))]
        return self._counts(name)

    async def saved(self, name: str, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        await self._disk()
        return tuple(self._lists_of(list_name).get(name, ()))

    async def save(self, name: str, symbols: Sequence[str], limit: int, list_name: str = MAIN_LIST) -> None:
        await self.may_save.wait()
        await self._disk()
        if name not in self._users:
            raise CommandError(Reason.NOT_AUTHENTICATED, f"There is no user {name!r} any more.")
        lists = self._lists_of(list_name)
        held = lists.get(name, [])
        together = list(dict.fromkeys((*held, *symbols)))
        if len(together) > max(limit, len(held)):
            raise CommandError(Reason.SYMBOL_LIMIT, f"The list would have {len(together)} symbols, over {limit}.")
        if len({*await self.list_names(name), list_name}) > MAX_LISTS:
            raise CommandError(Reason.SYMBOL_LIMIT, f"There are {MAX_LISTS} lists already.")
        lists[name] = together

    async def unsave(self, name: str, symbols: Sequence[str] | None, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        await self._disk()
        lists = self._lists_of(list_name)
        held = lists.get(name, [])
        gone = tuple(symbol for symbol in dict.fromkeys(held if symbols is None else symbols) if symbol in held)
        lists[name] = [symbol for symbol in held if symbol not in gone]
        return gone

    async def forget(self, name: str, symbols: Sequence[str]) -> None:
        for list_name in (MAIN_LIST, *self.other_lists):
            await self.unsave(name, symbols, list_name)

    def _counts(self, name: str) -> dict[str, int]:
        kept = self.kept.get(name, set())
        others = sorted({other for other, lists in self.other_lists.items() if lists.get(name)} | (kept - {MAIN_LIST}))
        names = dict.fromkeys((*self.orders.get(name, ()), MAIN_LIST, *others))
        return {each: len(self._lists_of(each).get(name, ())) for each in names if each in {MAIN_LIST, *others}}

    def _find(self, name: str, list_name: str) -> None:
        if list_name not in self._counts(name):
            raise CommandError(Reason.UNKNOWN_LIST, f"There is no list {list_name!r}.")

    def _lists_of(self, list_name: str) -> dict[str, list[str]]:
        """The lists of this name by user."""
        return self.lists if list_name == MAIN_LIST else self.other_lists.setdefault(list_name, {})


class MemoryLots(_Disk):
    """The lots of users in memory; satisfies `LotBook`, and its contract is `storage/test_lots.py`."""

    def __init__(self) -> None:
        _Disk.__init__(self)
        self.lots: dict[str, list[LotRow]] = {}
        self._last_id = 0

    async def of(self, name: str) -> Sequence[LotRow]:
        await self._disk()
        return [*self.lots.get(name, ())]

    async def add(self, name: str, lot: LotRow, *, limit: int) -> LotRow:
        await self._disk()
        held = self.lots.setdefault(name, [])
        if len(held) >= limit:
            raise CommandError(Reason.SYMBOL_LIMIT, f"There are {len(held)} lots, and {limit} are allowed.")
        self._last_id += 1
        held.append(lot._replace(id=self._last_id))
        return held[-1]

    async def remove(self, name: str, lot_id: int) -> LotRow | None:
        await self._disk()
        found = next((lot for lot in self.lots.get(name, ()) if lot.id == lot_id), None)
        if found is not None:
            self.lots[name].remove(found)
        return found


class MemoryAccounts(MemoryAuthenticator, MemoryLists):
    """Both in one, as most tests want them: they break down together."""

    def __init__(self) -> None:
        MemoryAuthenticator.__init__(self)
        MemoryLists.__init__(self, self.passwords)


class CountingWatcher:
    """Watches a basket and counts how often it was woken."""

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1


def a_watcher(board: Board, *symbols: str) -> Callable[[], None]:
    """Have somebody watch `symbols`; returns what makes them go."""
    watcher = CountingWatcher()
    basket: Basket = board.watch(symbols, watcher, eager=False)
    return lambda: board.unwatch(basket, watcher)


class Client:
    """One client: its connection, its session, and the door's part of the work between them."""

    def __init__(self, sessions: Sessions, clock: ManualClock, *, address: str = "192.0.2.1") -> None:
        self.connection = MemoryConnection(clock)
        self.session: Session = sessions.open(self.connection, address=address, door="memory")

    async def line(self, line: bytes) -> Message:
        """The reply to a line, which the session may have sent more after."""
        answer = await self.session.receive(line)
        self.connection.send(answer)
        return read_lines(answer)[0] if answer else {}

    async def command(self, kind: str, **fields: Any) -> Message:
        return await self.line(json.dumps({"type": kind, **fields}).encode())

    def is_open(self) -> bool:
        return self.session.is_open

    def pushed(self) -> set[str]:
        """The symbols that the session is pushed."""
        return set(self.session.symbols)

    async def log_in(self, username: str = USER) -> Self:
        reply = await self.command("AUTH", username=username, password=PASSWORD)
        assert reply["code"] == 200
        self.connection.messages()
        return self


class MemoryAlerts:
    """Alerts in memory: satisfies `KeepsAlerts`."""

    def __init__(self) -> None:
        self.alerts: dict[int, StoredAlert] = {}

    async def add(
        self, username: str, wanted: NewAlert, *, limit: int, now_ms: int, replaced: int | None = None
    ) -> StoredAlert:
        if replaced is not None:
            del self.alerts[replaced]
        number = max(self.alerts, default=0) + 1
        made = self.alerts[number] = StoredAlert(
            number, username, wanted, AlertState.ARMED, None, now_ms, None, 0, None, number, is_removed=False
        )
        return made

    async def remove(self, username: str, alert_id: int) -> StoredAlert | None:
        return self.alerts.pop(alert_id, None)

    async def of_user(
        self, username: str, *, symbol: str | None = None, after: int = 0, most: int = 0
    ) -> Sequence[StoredAlert]:
        return [alert for number, alert in self.alerts.items() if alert.username == username and number > after]


@dataclass(slots=True)
class House:
    """A server without doors: the real board, feed and sessions above fakes."""

    clock: ManualClock
    board: Board
    feed: Feed
    accounts: MemoryAccounts
    lots: MemoryLots
    sessions: Sessions
    provider: ScriptedQuotes
    events: list[FeedEvent] = field(default_factory=list)

    def client(self, *, address: str = "192.0.2.1") -> Client:
        return Client(self.sessions, self.clock, address=address)

    async def user(self, username: str = USER) -> Client:
        """A client that is logged in."""
        return await self.client().log_in(username)


RULES = SessionRules(
    server="stocktrack/0.0.0",
    instance="cafe",
    push_interval_seconds=5.0,
    heartbeat_seconds=30.0,
    max_line_bytes=32_768,
    max_symbols=10,
    commands_per_second=50.0,
    command_burst=200,
    bytes_per_second=65_536,
    chat=True,
)
LIMITS = SessionLimits(
    max_sessions=1_000,
    max_unauthenticated_sessions=1_000,
    max_sessions_per_user=0,
    max_sessions_per_address=0,
    auth_timeout_seconds=30.0,
    slow_client_timeout_seconds=10.0,
)

MakeProviders = Callable[[ManualClock], Sequence[Provider]]


@asynccontextmanager
async def a_house(
    make_providers: MakeProviders = lambda clock: (ScriptedProvider(clock),),
    *,
    rules: SessionRules = RULES,
    limits: SessionLimits = LIMITS,
    requests_per_minute: int | None = None,
    instruments: Instruments | None = None,
    make_clock: Callable[[int], ManualClock] = ManualClock,
    alerts_in: KeepsAlerts | None = None,
    targets: Sequence[Target] = (),
    users_of: Mapping[str, Sequence[str]] | None = None,
    max_alerts: int = 1_000,
) -> AsyncIterator[House]:
    """A started house; `events` has what the feed told the sessions. The first provider must be one of quotes."""
    clock, board, accounts, lots = make_clock(NOW_MS), Board(), MemoryAccounts(), MemoryLots()
    accounts.now_ms = clock.now_ms
    providers = make_providers(clock)
    feed = Feed(
        providers,
        board,
        clock,
        poll_interval_seconds=POLL_SECONDS,
        timeout_seconds=TIMEOUT_SECONDS,
        requests_per_minute=requests_per_minute,
        rng=SteadyRandom(),
        instruments=instruments,
    )
    board.on_demand = feed.demand_changed
    alerts = AlertDesk(
        alerts_in or MemoryAlerts(),
        clock,
        targets={target.name: target for target in targets},
        may_name=lambda username, name: username in (users_of or {}).get(name, (username,)),
        max_alerts=max_alerts,
    )
    sessions = Sessions(
        rules,
        limits,
        authenticator=accounts,
        lists=accounts,
        lots=lots,
        feed=feed,
        board=board,
        clock=clock,
        alerts=alerts,
    )
    first = providers[0]
    assert isinstance(first, ScriptedQuotes)
    house = House(clock, board, feed, accounts, lots, sessions, first)

    def note_and_tell(event: FeedEvent) -> None:
        house.events.append(event)
        sessions.tell(event)

    feed.on_event = note_and_tell
    await feed.start()
    sessions.start()
    try:
        yield house
    finally:
        for session in sessions:
            sessions.close_session(session)
        await sessions.close()
        await feed.close()
        await settle()


async def soon(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Start `work` and let it run as far as it can without time passing."""
    task = asyncio.create_task(work)
    await settle()
    return task


def code_and_reason(reply: Message) -> tuple[int, str | None]:
    """The two that say how a command went; a success has no reason."""
    return reply["code"], reply.get("reason")


def missing(reply: Message) -> dict[str, tuple[int, str]]:
    """The code and the reason of each symbol that could not be served."""
    return {each["symbol"]: (each["code"], each["reason"]) for each in reply["missing"]}


# The fields of a good command of each type.
EXAMPLES: dict[str, dict[str, Any]] = {
    "AUTH": {"username": USER, "password": PASSWORD},
    "GET": {"symbols": ["AAPL"]},
    "SUBSCRIBE": {"symbols": ["AAPL"]},
    "UNSUBSCRIBE": {},
    "MY_STOCKS": {},
    "SET_LIST": {"symbols": ["AAPL"]},
    "LISTS": {},
    "RENAME_LIST": {"list": "tech", "name": "chips"},
    "REMOVE_LIST": {"list": "tech"},
    "ORDER_LISTS": {"lists": ["main"]},
    "NEWS": {},
    "INFO": {"symbol": "AAPL"},
    "DIVIDENDS": {"symbol": "AAPL"},
    "SOURCES": {},
    "HISTORY": {"symbol": "AAPL"},
    "ALERT": {"symbol": "AAPL", "when": "above", "value": 200},
    "MY_ALERTS": {},
    "UNALERT": {"alert": "a1"},
    "TEST_ALERT": {"target": "phone"},
    "HOLDINGS": {},
    "ADD_LOT": {"symbol": "AAPL", "quantity": 10, "unit_cost": 146},
    "REMOVE_LOT": {"lot": "l1"},
    "SAY": {"text": "Hello."},
    "SEARCH": {"query": "apple"},
    "PING": {},
    "LOGOUT": {},
    "TOKEN": {},
    "TOKENS": {},
    "REVOKE": {},
    "PASSWORD": {"password": PASSWORD, "new_password": "battery staple"},
    "SESSIONS": {},
    "USERS": {},
    "KICK": {"session": "s2"},
    "ANNOUNCE": {"text": "Hello."},
    "MUTE": {"username": USER},
}
