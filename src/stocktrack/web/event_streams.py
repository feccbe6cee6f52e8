"""The sessions behind `GET /api/v1/stream?symbols=AAPL,TSLA`: who may have one, what it is sent, and how it ends.

It is a session like every other: its request is an AUTH and a SUBSCRIBE, and what the session says becomes events. What
goes wrong before the first event is an answer with problem details. A browser's EventSource takes each such answer for
final and comes back by itself whenever a stream ends: so a server that is about to be back begins a stream even then.
"""

import asyncio
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from stocktrack.doors.serving import Clients
from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.market.board import Board
from stocktrack.messages import Failure, Missing, Notice, SubscribeReply
from stocktrack.quotes import shown
from stocktrack.sessions.session import Session
from stocktrack.web.accept import preferred
from stocktrack.web.asgi import values_of
from stocktrack.web.cors import Cors
from stocktrack.web.credentials import Credentials, no_login
from stocktrack.web.event_stream import EventStream
from stocktrack.web.event_text import MEDIA_TYPE, OVER, first_events, notices
from stocktrack.web.problems import PROBLEM_TYPE, problem_of
from stocktrack.web.queries import no_such, parameters_of, stands_twice, symbols_in, wrong
from stocktrack.web.statuses import headers_of, status_of
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import decode_server_line, encode_line, failure, parse_command

PATH: Final = "/api/v1/stream"
# The last is how browsers without an EventSource of their own tell it: their stand-ins can't send the header.
PARAMETERS: Final = ("symbols", "interval", "token", "lastEventId")
_MAX_PARAMETERS: Final = 1_024
# What is over soon: an EventSource that got such an answer as an error would never ask again.
_OVER_SOON: Final = frozenset({Reason.SHUTDOWN, Reason.STORAGE_ERROR})


class EventStreams:
    """Gives each request for a stream a session, where its page may have one."""

    def __init__(self, clients: Clients, cors: Cors, credentials: Credentials) -> None:
        self._clients = clients
        self._cors = cors
        self._credentials = credentials

    def take(self, stream: EventStream) -> None:
        """Answer the request of `stream`, and serve it where that succeeds."""
        client = EventStreamClient(stream, self._credentials)
        if (why_not := self._why_not(stream)) is not None:
            client.refuse_by(failure(CommandError(Reason.NOT_PERMITTED, why_not)))
            self._clients.take_to_refuse(client)
        elif OVER in (stream.headers.get(b"last-event-id"), _by_parameter(stream.scope["query_string"])):
            # The one way to tell an EventSource that it should not come back, without an error on its page's console.
            stream.answer(HTTPStatus.NO_CONTENT)
            self._clients.take_to_refuse(client)
        else:
            self._clients.take(client)

    def _why_not(self, stream: EventStream) -> str | None:
        """Why the page that asks may not, as a sentence; else its browser is told that it may read the answer."""
        stream.shared_headers = [(b"vary", b"origin"), *self._cors.of_answer(stream.scope)]
        if len(values_of(stream.scope, b"origin")) > 1:
            return "The request has more than one Origin."
        if (origin := self._cors.foreign_origin(stream.scope)) is not None:
            return f"Pages of {shown(origin)} may not read this; the setting allowed_origins says which may."
        return None


class EventStreamClient:
    """A door's `Client` whose only words were its request."""

    def __init__(self, stream: EventStream, credentials: Credentials) -> None:
        self._stream = stream
        self._credentials = credentials

    @property
    def owner(self) -> asyncio.Task[None] | None:
        """The task that serves it."""
        return self._stream.owner

    @owner.setter
    def owner(self, task: asyncio.Task[None] | None) -> None:
        self._stream.owner = task

    @property
    def connection(self) -> Connection:
        """What its session sends by."""
        return self._stream

    @property
    def address(self) -> str:
        """The client's address."""
        return self._stream.address

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy stands between."""
        return self._stream.is_forwarded

    async def greet(self, session: Session) -> bool:
        """Log in, subscribe, and answer the request by what came of it."""
        stream = self._stream
        try:
            wanted = _Wanted(stream.scope["query_string"], stream.headers)
            login = self._credentials.read(lambda name: values_of(stream.scope, name.encode()), wanted.token)
            if login is None:
                raise no_login(" or ?token=")
            if "password" in login:
                # AUTH would also take whoever has nothing but a name on the allowlist.
                await self._credentials.verify(login, address=session.address, door=session.door)
            reply = await session.ask(parse_command({"type": "AUTH", **login}))
            if not isinstance(reply, Failure):
                reply = await session.ask(parse_command(wanted.subscribe()))
        except StockTrackError as error:
            reply = failure(error)
        if isinstance(reply, Failure):
            self.refuse_by(reply)
            return False
        assert isinstance(reply, SubscribeReply)  # noqa: S101 - as its row says
        stream.instance = session.services.rules.instance
        known = _certainly_known(wanted.last_event_id, session.services.board)
        first = first_events(session.take_following(), stream.instance, known)
        stream.begin(notices(map(encode_line, _told_of(reply.missing))) + first)
        await stream.drain()
        return True

    async def receive(self, session: Session) -> None:
        """Nothing is ever received; this returns when nobody listens any more."""
        await self._stream.gone()

    async def answer(self, session: Session, line: bytes) -> None:
        """Nothing is asked."""

    async def refuse(self, line: bytes) -> None:
        """Say why there is no session."""
        self._say_why_not(line)

    def turn_away(self, line: bytes) -> None:
        """Say so and close."""
        self._say_why_not(line)
        self._stream.close()

    async def finish(self) -> None:
        """Deliver what was sent, and wait for the client to close."""
        self._say_why_not(self._stream.unheard)
        await self._stream.finish()

    def refuse_by(self, why: Failure) -> None:
        """Answer the request with a problem, or so that a browser comes back where it should."""
        stream = self._stream
        if why.reason in _OVER_SOON and _is_of_a_browser(stream.headers):
            stream.begin(notices([encode_line(_notice_of(why))], spread_ms=stream.spread_ms))
            return
        headers = {"content-type": PROBLEM_TYPE, **headers_of(why)}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        stream.answer(status_of(why), encoded, problem_of(why).model_dump_json(exclude_none=True).encode())

    def _say_why_not(self, line: bytes) -> None:
        """Answer with the NOTICE that refused the session or ended it, where the request has no answer yet."""
        if line and not self._stream.is_answered and isinstance(why := decode_server_line(line), Notice):
            error = CommandError(why.reason, why.message, retry_after_ms=why.retry_after_ms)
            self.refuse_by(failure(error))


class _Wanted:
    """What a request asks for; `CommandError` with a sentence where that is not clear."""

    def __init__(self, query: bytes, headers: Mapping[bytes, str]) -> None:
        self._symbols: list[str] = []
        fields: dict[str, str] = {}
        for name, value in parameters_of(query, _MAX_PARAMETERS):
            if name not in PARAMETERS:
                raise wrong(no_such(name, PARAMETERS))
            if name == "symbols":
                self._symbols += symbols_in([value])
            elif name in fields:
                raise wrong(stands_twice(name))
            fields[name] = value
        self.token = fields.get("token", "").strip()
        self.last_event_id = headers.get(b"last-event-id", "") or fields.get("lastEventId", "")
        self._interval = fields.get("interval", "").strip()

    def subscribe(self) -> dict[str, Any]:
        """The fields of the SUBSCRIBE."""
        if not self._symbols:
            raise wrong(f"The parameter 'symbols' is missing: {PATH}?symbols=AAPL,TSLA streams two of them.")
        try:
            interval = float(self._interval or 0)
        except ValueError:
            raise wrong(f"The parameter 'interval' is {shown(self._interval)}, which is no number.") from None
        return {"type": "SUBSCRIBE", "symbols": self._symbols, "interval": interval, "save": False}


def _by_parameter(query: bytes) -> str | None:
    """The last event's id, where it is told in the address."""
    ids = [field.partition(b"=")[2] for field in query.split(b"&") if field.startswith(b"lastEventId=")]
    return ids[0].decode("latin-1") if ids else None


def _certainly_known(last_event_id: str, board: Board) -> str:
    """The id of the last event, where a price with it is what the client had; else an empty one.

    Of a price that another board relays the `seq` is the same when this one marks it as stale.
    """
    symbol = last_event_id.split(":", 2)[-1]
    entry = board.entry(symbol)
    return last_event_id if entry is not None and entry.relayed is None else ""


def _is_of_a_browser(headers: Mapping[bytes, str]) -> bool:
    """Whether an EventSource asks, or what is like one: it wants nothing but a stream."""
    accepted = headers.get(b"accept", "")
    return MEDIA_TYPE in accepted and preferred([accepted], ("application/problem+json", MEDIA_TYPE)) == MEDIA_TYPE


def _notice_of(why: Failure) -> Notice:
    return Notice(code=why.code, reason=why.reason, message=why.message, retry_after_ms=why.retry_after_ms)


def _told_of(missing: Iterable[Missing]) -> list[Notice]:
    """Which symbols the stream goes on without, and why: a notice for each reason."""
    by_why: dict[tuple[Reason, str], list[Missing]] = {}
    for each in missing:
        by_why.setdefault((each.reason, each.message or _why_missing(each)), []).append(each)
    return [
        Notice(
            code=group[0].code,
            reason=reason,
            symbols=tuple(each.symbol for each in group),
            message=f"{message} The stream goes on without them.",
            retry_after_ms=group[0].retry_after_ms,
        )
        for (reason, message), group in by_why.items()
    ]


def _why_missing(missing: Missing) -> str:
    match missing.code:
        case Code.NOT_FOUND:
            return "No source has a price of these symbols."
        case Code.TOO_MANY_REQUESTS:
            return "You have asked for too much to have these symbols checked now; ask for them again later."
        case _:
            return "The source of these symbols fails at the moment."
