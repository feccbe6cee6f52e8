"""Alpaca's market-data stream at `/v2/{feed}`: a script with alpaca-py asks here by another address.

    ws://…/v2/iex                                               any name of a feed: all of them are this one market
    S [{"T":"success","msg":"connected"}]
    C {"action":"auth","key":"ann","secret":"…"}                the user's name, and a token or the password
    S [{"T":"success","msg":"authenticated"}]
    C {"action":"subscribe","trades":["AAPL"],"quotes":["AAPL"],"bars":["*"]}
    S [{"T":"subscription","trades":["AAPL"],"quotes":["AAPL"],"bars":["*"],"updatedBars":[],…}]     always all of it
    S [{"T":"t","S":"AAPL","p":189.45,"s":43,"t":"2024-04-05T15:45:00.250Z"},{"T":"q",…}]

The format is Alpaca's (docs.alpaca.markets, "WebSocket stream"). A handshake with `Content-Type: application/msgpack`,
as alpaca-py's, has binary frames of msgpack, any other one JSON. Behind it is a session as behind every other door: the
login is its AUTH, what the channels have in common its one subscription. What is watched by others is what an asterisk
stands for: it is followed, and makes no demand.
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import structlog
from websockets.frames import CloseCode

from stocktrack.bars import BarInterval
from stocktrack.errors import Reason, SessionEnd, StockTrackError, extra_hint
from stocktrack.messages import Command, Failure, Missing, Notice, ServerMessage, UnsubscribeReply
from stocktrack.quotes import shown
from stocktrack.sessions.budgets import whose_budget
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.session import Session
from stocktrack.subscriptions import Subscription
from stocktrack.web.dialects.alpaca_bars import BarWatch, ToldBar
from stocktrack.web.dialects.alpaca_channels import OFFERED, Channels, Request, Wants, request_of
from stocktrack.web.dialects.alpaca_codec import JSON, MSGPACK_TYPE, Codec, is_msgpack_installed, msgpack_codec
from stocktrack.web.dialects.alpaca_messages import (
    AUTHENTICATED,
    CONNECTED,
    INSUFFICIENT,
    INVALID_ACTION,
    BarKind,
    bar_piece,
    error_of,
    error_of_message,
    error_of_reason,
    errors_of_missing,
    price_piece,
)
from stocktrack.web.dialects.prices import symbol_of
from stocktrack.web.dialects.speaking import DialectConnection, DialectTalk
from stocktrack.web.dialects.told import Telling
from stocktrack.web.server import TakeWebSocket
from stocktrack.web.websocket import WebSocket
from stocktrack.wire.lines import BadLine, failure, parse_command

log = structlog.get_logger()

PATH: Final = "/v2"
_FEED: Final = re.compile(rf"{PATH}/[A-Za-z][A-Za-z0-9_-]{{0,31}}")
_ACTIONS: Final = "auth, subscribe, unsubscribe"
_THERE_ARE: Final = f"{', '.join(OFFERED[:-1])} and {OFFERED[-1]}"
# From the handshake to a login, as at Alpaca; the server's own time for it is not counted.
LOGIN_SECONDS: Final = 10.0
_LEAST_WAIT_SECONDS: Final = 0.1
# alpaca-py comes back at once, and for ever, after what is not "insufficient subscription".
HOLD_SECONDS: Final = 2.0
# A client of the asterisk may be told of any number of symbols over time: of how many times as many as it may watch it
# is remembered what it was told.
_MOST_TOLD: Final = 4


def only_feeds(take: TakeWebSocket) -> TakeWebSocket:
    """What takes the handshakes of feeds, and refuses those of what is none or cannot be spoken with."""

    def take_feed(websocket: WebSocket) -> None:
        path = websocket.request.path.partition("?")[0]
        if not _FEED.fullmatch(path):
            _refuse(websocket, HTTPStatus.NOT_FOUND, f"There is no feed at {shown(path)}; one is at {PATH}/iex.")
        elif _asks_for_msgpack(websocket) and not is_msgpack_installed():
            why = f"Frames of msgpack need the library msgpack at the server. {extra_hint('alpaca')}."
            log.warning("a client of Alpaca's stream was refused", why=why)
            _refuse(websocket, HTTPStatus.NOT_IMPLEMENTED, why)
        else:
            take(websocket)

    return take_feed


def _refuse(websocket: WebSocket, status: HTTPStatus, why: str) -> None:
    websocket.reject(status, why)
    websocket.close(CloseCode.NORMAL_CLOSURE)


def _asks_for_msgpack(websocket: WebSocket) -> bool:
    told = websocket.request.headers.get_all("Content-Type")
    return any(each.partition(";")[0].strip().lower() == MSGPACK_TYPE for each in told)


class AlpacaDialect:
    """How Alpaca says what a session is told."""

    def __init__(self, codec: Codec, channels: Channels) -> None:
        self._codec = codec
        self._channels = channels

    def of_message(self, message: ServerMessage) -> Iterable[bytes]:
        """An error for what went wrong, and the list of channels where it has changed by that."""
        missing: tuple[Missing, ...] = getattr(message, "missing", None) or ()
        told = errors_of_missing(missing)
        if not missing and isinstance(message, Failure | Notice) and (error := error_of_message(message)) is not None:
            told.append(error)
        if isinstance(message, Notice) and message.reason is Reason.UNKNOWN_SYMBOL:
            self._channels.drop(message.symbols or ())
            told.append(self._channels.told())
        return map(self.control, told)

    def control(self, told: Mapping[str, Any]) -> bytes:
        """A frame with the one message, as those are that are no prices."""
        return self._codec.frame((self._codec.encode(told),))

    def heartbeat(self) -> bytes | None:
        """A ping of WebSocket: Alpaca has no message for it."""
        return None


class AlpacaConnection(DialectConnection):
    """The way out, which greets before it says anything: alpaca-py reads one frame before it understands a refusal."""

    def __init__(self, websocket: WebSocket, codec: Codec, channels: Channels) -> None:
        self.dialect = AlpacaDialect(codec, channels)
        super().__init__(websocket, self.dialect, telling_of(codec, channels.wants))
        self._greeting: bytes | None = self.dialect.control(CONNECTED)
        self.most_told = 0

    def greet(self) -> None:
        """Say that the client is connected, once."""
        if self._greeting is not None:
            self.tell((self._greeting,))
            self._greeting = None

    def send(self, data: bytes) -> None:
        """Hand over lines as messages, in one write."""
        self.greet()
        super().send(data)
        if len(self.told) > self.most_told:
            self.forget([*self.told])


@lru_cache(maxsize=256)
def telling_of(codec: Codec, wants: Wants) -> Telling:
    """How prices are told to those who want the same of them, all trades and quotes of a push in one frame."""

    def translate(before: bytes, line: bytes) -> bytes:
        wanted = wants.of(symbol_of(line))
        return price_piece(codec, before, line, wanted) if wanted else b""

    return Telling(translate, lambda pieces: (codec.frame(pieces),), is_binary=codec.is_binary)


class AlpacaTalk(DialectTalk):
    """The conversation of one client of `/v2/{feed}`, and what is done for it beside its commands."""

    takes_binary = True
    connection: AlpacaConnection

    def __init__(self, websocket: WebSocket, needs_token: Callable[[Session], bool], bars: BarWatch) -> None:
        self._codec: Codec = msgpack_codec() if _asks_for_msgpack(websocket) else JSON
        self._channels = Channels()
        super().__init__(websocket, needs_token, AlpacaConnection(websocket, self._codec, self._channels))
        self._headers = websocket.request.headers
        self._bars = bars
        self._session: Session
        self._deadline: asyncio.Task[None] | None = None
        self._watched: Subscription | None = None

    # --- a door's `Talk` -----------------------------------------------------------------------------------------

    def begin(self, session: Session) -> None:
        """Greet the client, and have it log in soon."""
        self._session = session
        session.accompany(self)
        self.connection.most_told = _MOST_TOLD * session.services.rules.max_symbols
        self.connection.greet()
        self._deadline = asyncio.create_task(self._await_login(session), name=f"{session.name} login")

    async def log_in(self, session: Session) -> None:
        """Log in by the headers of the handshake where they are there."""
        key, secret = (self._headers.get_all(name) for name in ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY"))
        if len(key) == len(secret) == 1:
            await self._log_in_as(session, key[0], secret[0])

    def welcome(self, session: Session) -> None:
        """There are no guests: whoever speaks this has a key."""

    async def answer(self, session: Session, message: bytes) -> None:
        """Log in, or subscribe and unsubscribe."""
        try:
            await self._do(session, self._codec.decode(message))
        except BadLine as error:
            self.refuse(session, error)

    async def _do(self, session: Session, fields: Mapping[str, Any]) -> None:
        match fields.get("action"):
            case "auth":
                await self._log_in_as(session, *_key_and_secret(fields))
            case "subscribe" | "unsubscribe" if session.state is not SessionState.AUTHENTICATED:
                self._tell(error_of_reason(Reason.NOT_AUTHENTICATED, "Send auth first."))
            case "subscribe":
                await self._subscribe(session, request_of(fields))
            case "unsubscribe":
                await self._unsubscribe(session, request_of(fields))
            case action:
                why = f"There is no action {shown(str(action))}; there are {_ACTIONS}."
                raise BadLine(Reason.UNKNOWN_COMMAND, why)

    # --- a session's `Companion` ---------------------------------------------------------------------------------

    @property
    def failure(self) -> BaseException | None:
        """What ended the task that pushes what others watch."""
        return self._watched.failure if self._watched is not None else None

    def close(self) -> None:
        """End what is done beside the commands."""
        self._end_deadline()
        self._bars.leave(self)
        if self._watched is not None:
            self._watched.close()
            self._watched = None

    # --- a `BarListener` -----------------------------------------------------------------------------------------

    def bar_symbols(self, kind: BarKind) -> Collection[str]:
        """The symbols of the channel."""
        return self._channels.bars(kind)

    @property
    def max_symbols(self) -> int:
        """As many as a session may have."""
        return self._session.services.rules.max_symbols

    def pay(self, requests: int) -> float:
        """Out of a budget of the user's that is for bars alone."""
        session = self._session
        rules = session.services.rules
        return session.services.budgets.pay(
            f"bars of {whose_budget(session.username, session.address)}",
            requests,
            per_minute=rules.user_upstream_requests_per_minute,
            burst=rules.user_upstream_burst,
        )

    def tell_bars(self, bars: Sequence[ToldBar]) -> None:
        """All of them in one frame."""
        self.connection.tell((self._codec.frame([bar_piece(self._codec, *each) for each in bars]),))

    def tell_no_bars(self, symbol: str, interval: BarInterval, why: StockTrackError) -> None:
        """An error; the symbol stays in the list, since a source may come to have them."""
        which = "daily" if interval is BarInterval.DAY else "minute"
        self._tell(error_of(INSUFFICIENT, f"there are no {which} bars of {symbol}: {why.message}"))

    # --- the login -----------------------------------------------------------------------------------------------

    async def _await_login(self, session: Session) -> None:
        clock = session.services.clock
        while (left := LOGIN_SECONDS - session.login_seconds(clock.monotonic())) > 0:
            await clock.sleep(max(left, _LEAST_WAIT_SECONDS))
        session.end(SessionEnd(Reason.AUTH_TIMEOUT, f"There was no successful auth within {LOGIN_SECONDS:g} s."))

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _log_in_as(self, session: Session, key: str, secret: str) -> None:
        """Have the session log in; where that fails it ends, after a while."""
        is_first = session.state is SessionState.GREETED
        try:
            reply = await session.ask(_auth_command(key, secret))
        except BadLine as error:  # no name and no password look so
            reply = failure(error).model_copy(update={"reason": Reason.BAD_CREDENTIALS})
        if not isinstance(reply, Failure):
            self._end_deadline()
            self._tell(AUTHENTICATED)
            return
        if not is_first:
            self._tell(error_of_reason(reply.reason, "Connect again to be somebody else."))
            return
        self._end_deadline()
        await session.services.clock.sleep(HOLD_SECONDS)
        session.log_out()
        self.say(reply)

    # --- the channels --------------------------------------------------------------------------------------------

    async def _subscribe(self, session: Session, request: Request) -> None:
        """Add what there is, and say of the rest why not; where the symbols are too many nothing is added."""
        errors = _errors_of(request)
        if errors and not request.wanted:
            self._tell(*errors)
            return
        without: frozenset[str] = frozenset()
        if request.symbols:
            reply = await session.ask(_command("SUBSCRIBE", request.symbols, interval=0))
            missing: tuple[Missing, ...] = getattr(reply, "missing", None) or ()
            if isinstance(reply, Failure) and not missing:
                self.say(reply)
                return
            without = frozenset(each.symbol for each in missing)
            errors += errors_of_missing(missing)
        # From here on nothing is awaited: what follows is told before any push can be.
        had = self._channels.wants
        self._channels.add(request.wanted, without=without)
        self._tell_as_wanted()
        self._tell(self._channels.told(), *errors)
        self._tell_standing(had)
        self.connection.send(session.take_following())
        self._follow(session)

    async def _unsubscribe(self, session: Session, request: Request) -> None:
        """Take out what is in; no price of it is told after the answer."""
        self._channels.remove(request.wanted)
        self._tell_as_wanted()
        self._follow(session)
        pushed = frozenset(session.symbols)
        if gone := [symbol for symbol in request.symbols if symbol in pushed and symbol not in self._channels]:
            reply = await session.ask(_command("UNSUBSCRIBE", gone))
            if isinstance(reply, UnsubscribeReply) and not self._channels.wants_all:
                self.connection.forget(reply.removed)
        self._tell(self._channels.told(), *_errors_of(request, may_be_not_offered=True))

    def _tell_as_wanted(self) -> None:
        self.connection.tell_as(telling_of(self._codec, self._channels.wants))

    def _tell_standing(self, had: Wants) -> None:
        """Tell those who have a symbol's price already what they have newly asked of it."""
        pieces = []
        for symbol, line in self.connection.told.items():
            if new := self._channels.wants.of(symbol) & ~had.of(symbol):
                pieces.append(price_piece(self._codec, b"", line, new))
        if pieces := [piece for piece in pieces if piece]:
            self.connection.tell((self._codec.frame(pieces),))

    def _follow(self, session: Session) -> None:
        """Follow what the channels ask for beside the session's own subscription: bars, and whatever is watched."""
        if not session.is_open:
            return  # it ended meanwhile, and with it what is done beside it
        if self._channels.wants_bars:
            self._bars.listen(self)
        else:
            self._bars.leave(self)
        if self._channels.wants_all and self._watched is None:
            services = session.services
            self._watched = Subscription(
                services.board,
                self.connection,
                services.clock,
                services.metronome,
                interval_seconds=0,
                name=f"{session.name} watched",
            )
            self.connection.send(self._watched.add_watched(self.max_symbols))
        elif not self._channels.wants_all and self._watched is not None:
            self._watched.close()
            self._watched = None
            self.connection.forget(self.connection.told.keys() - frozenset(session.symbols))

    def _tell(self, *told: Mapping[str, Any] | None) -> None:
        self.connection.tell(self.connection.dialect.control(each) for each in told if each is not None)


def _key_and_secret(fields: Mapping[str, Any]) -> tuple[str, str]:
    key, secret = fields.get("key"), fields.get("secret")
    if not isinstance(key, str) or not isinstance(secret, str):
        raise BadLine(Reason.INVALID_COMMAND, 'An auth needs a "key" and a "secret", both text.')
    return key, secret


def _auth_command(key: str, secret: str) -> Command:
    """The AUTH of a key and its secret.

    The secret is tried as a token where it has the form of one of this user's, and as the password in every other case:
    so is the token of somebody else, which is a wrong password like any other.
    """
    if _subject_of(secret) == key:
        return parse_command({"type": "AUTH", "token": secret})
    return parse_command({"type": "AUTH", "username": key, "password": secret})


def _subject_of(text: str) -> str | None:
    """Whose token a text would be, which nobody has looked at yet; None for what has another form."""
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) else None


def _command(kind: str, symbols: Iterable[str], **fields: Any) -> Command:
    return parse_command({"type": kind, "symbols": [*symbols], "save": False, **fields})


def _errors_of(request: Request, *, may_be_not_offered: bool = False) -> list[dict[str, Any]]:
    """What is wrong with the channels that a request names."""
    errors = []
    if request.unknown:
        named = ", ".join(shown(name) for name in request.unknown[:5])
        errors.append(error_of(INVALID_ACTION, f"there is no channel {named}; there are {_THERE_ARE}"))
    if request.not_offered and not may_be_not_offered:
        named = ", ".join(request.not_offered)
        errors.append(
            error_of(INSUFFICIENT, f"{named} are not offered here, since no source tells them; {_THERE_ARE} are")
        )
    return errors
