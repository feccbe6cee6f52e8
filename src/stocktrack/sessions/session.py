"""One client's session: takes commands in the order in which they come, answers each, and pushes prices; no sockets.

`ask` answers a command with a reply. `receive` is the codec before it: a line in, lines out. A session speaks without
being asked only through its connection: HELLO, prices, heartbeats and notices.
"""

from typing import assert_never

import structlog

from stocktrack.errors import Code, CommandError, Reason, SessionEnd, StockTrackError
from stocktrack.market.events import Event, FeedEvent
from stocktrack.messages import COMMANDS, MAX_REPLY_BYTES, Command, Heartbeat, Hello, Limits, Notice, Reply, Who
from stocktrack.sessions.answers import ANSWERS, AllMissingError
from stocktrack.sessions.bucket import Bucket
from stocktrack.sessions.contracts import Services
from stocktrack.sessions.life import PERMISSIONS, TRANSITIONS, SessionState, Step
from stocktrack.subscriptions import Subscription
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import BadLine, decode_line, encode_line, failure

log = structlog.get_logger()

MAX_BAD_LINES = 20
MAX_WRONG_LOGINS = 3


class Session:
    """One client. `end` is how anybody else ends it; `closed` is for the door, when the client is gone."""

    __slots__ = (
        *("_bad_lines", "_commands", "_farewell", "_following", "_wrong_logins"),
        *("address", "connection", "door", "has_token", "name", "opened_at", "services", "state"),
        *("subscription", "username"),
    )

    def __init__(self, services: Services, connection: Connection, *, name: str, address: str, door: str) -> None:
        self.services = services
        self.connection = connection
        self.name = name
        self.address = address
        self.door = door
        self.opened_at = services.clock.monotonic()
        self.state = SessionState.GREETED
        self.username: str | None = None
        self.has_token = False  # whether it was a token that opened the session
        self.subscription = Subscription(
            services.board,
            connection,
            services.clock,
            interval_seconds=services.rules.push_interval_seconds,
            name=name,
        )
        self._bad_lines = 0  # in a row
        self._commands = Bucket(services.rules.command_burst, self.opened_at)
        self._farewell: SessionEnd | None = None
        self._following = b""
        self._wrong_logins = 0

    @property
    def is_open(self) -> bool:
        """Whether more commands are taken."""
        return self.state is not SessionState.ENDED

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the session is pushed."""
        return self.subscription.symbols

    # --- commands ------------------------------------------------------------------------------------------------

    async def ask(self, command: Command) -> Reply:
        """The reply to a command, which is a `Failure` where it failed; nothing is raised.

        Where the session was ended by somebody else while the command was open, it is the failure that says so.
        """
        self._bad_lines = 0
        began = self.services.clock.monotonic()
        try:
            self._take_turn(began)
            await self._check_permitted(command)
            reply = await ANSWERS[type(command)](self, command)
        except StockTrackError as error:
            self.services.trail.failed(error)
            reply = failure(error, command, error.missing if isinstance(error, AllMissingError) else None)
        except Exception:
            log.exception("a command failed unexpectedly", session=self.name, command=command.type)
            reply = failure(
                CommandError(Reason.INTERNAL_ERROR, "The server failed to do this; its log says why."), command
            )
        self.services.observe(command.type, self.services.clock.monotonic() - began)
        return reply if self._farewell is None else failure(self._farewell, command)

    async def receive(self, line: bytes) -> bytes:
        """The answer to a line, to be sent in one piece and before anything else is awaited.

        It is the reply, and after it what the command has begun: the first prices of a subscription. It is empty where
        the session was ended by somebody else meanwhile: nothing follows the farewell. After it the door looks whether
        the session `is_open`.
        """
        try:
            command = decode_line(line)
        except BadLine as error:
            why = self.count_bad_line()
            return encode_line(failure(error)) + (farewell(why) if why is not None else b"")
        reply = await self.ask(command)
        if self._farewell is not None:
            return b""
        encoded = encode_line(reply)
        if len(encoded) > MAX_REPLY_BYTES:
            too_large = f"The reply would have {len(encoded)} bytes, over {MAX_REPLY_BYTES}; ask for fewer symbols."
            encoded = encode_line(failure(CommandError(Reason.SYMBOL_LIMIT, too_large), command))
        return encoded + self.take_following()

    def take_following(self) -> bytes:
        """The lines that are to be sent right after the last reply, once: the first prices of a subscription."""
        following, self._following = self._following, b""
        return following

    def count_bad_line(self) -> SessionEnd | None:
        """Note that the client sent what is no command; where it was one too many, why the session has ended."""
        self._bad_lines += 1
        if self._bad_lines < MAX_BAD_LINES:
            return None
        why = SessionEnd(Reason.TOO_MANY_ERRORS, f"{MAX_BAD_LINES} bad lines in a row: the session ends.")
        self._end(why.reason)
        return why

    # --- what answers do with a session: `contracts.Asker` ---------------------------------------------------------

    @property
    def user(self) -> str:
        """The name of the user who is logged in."""
        assert self.username is not None  # noqa: S101 - the permissions let nobody in here before AUTH
        return self.username

    def log_in(self, username: str, *, by_token: bool) -> None:
        """Make the session the user's; `CommandError` where it ended meanwhile, or where the user has too many."""
        if not self.is_open:
            raise CommandError(Reason.NOT_AUTHENTICATED, "The session ended during the login.")
        self.services.admit(self, username)
        self.username = username
        self.has_token = by_token
        self._move(Step.LOGGED_IN)

    def count_wrong_login(self) -> bool:
        """Note that a login was wrong, and say whether it was one too many, which ends the session."""
        self._wrong_logins += 1
        if self._wrong_logins < MAX_WRONG_LOGINS:
            return False
        self._end("three wrong logins")
        return True

    def log_out(self) -> None:
        """End the session at its own wish."""
        self._end("logged out")

    def follow_with(self, prices: bytes) -> None:
        """Have these lines sent right after the reply."""
        self._following = prices

    # --- what a door does with a session ---------------------------------------------------------------------------

    def hello(self) -> bytes:
        """The line that a session begins with."""
        rules = self.services.rules
        return encode_line(
            Hello(
                server=rules.server,
                instance=rules.instance,
                auth=rules.auth,
                limits=Limits(max_line_bytes=rules.max_line_bytes, max_symbols=rules.max_symbols),
                heartbeat_seconds=rules.heartbeat_seconds,
            )
        )

    def welcome_guest(self) -> None:
        """Let the client have prices without a login; nothing can be saved for it. The door decides who is a guest."""
        self._move(Step.WELCOMED)

    def line_too_long(self) -> bytes:
        """The answer to a line over the limit; the door closes, since the tail would run as another command."""
        self._end("line too long")
        limit = self.services.rules.max_line_bytes
        return encode_line(
            failure(CommandError(Reason.LINE_TOO_LONG, f"The line is longer than {limit} bytes; the session ends."))
        )

    def line_cut_off(self) -> bytes:
        """The answer to an input that ended in the middle of a line, which is not run."""
        return encode_line(
            failure(CommandError(Reason.MALFORMED_JSON, "The input ended in the middle of a line; it was not run."))
        )

    def closed(self) -> None:
        """The client is gone: stop everything that was done for it."""
        self._end("the connection closed")

    # --- what others do with a session -----------------------------------------------------------------------------

    def end(self, why: SessionEnd) -> None:
        """End the session from outside: a NOTICE that says why, then nothing more."""
        if not self.is_open:
            return
        self._end(why.reason)
        self._farewell = why
        self.connection.send(farewell(why))
        self.connection.end()

    def heartbeat(self) -> None:
        """Show a quiet client that the server is there."""
        self.connection.send(encode_line(Heartbeat(timestamp=self.services.clock.now_ms())))

    def tell(self, event: FeedEvent) -> tuple[str, ...]:
        """Tell the client what happened to symbols that it is pushed; returns the symbols that were dropped."""
        symbols = tuple(symbol for symbol in self.symbols if symbol in event.symbols)
        if not symbols or not self.is_open:
            return ()
        dropped: tuple[str, ...] = ()
        match event.event:
            case Event.OUTAGE:
                error = event.error or CommandError(Reason.PROVIDER_ERROR, "The source failed.")
                notice = Notice(
                    code=error.code,
                    reason=error.reason,
                    symbols=symbols,
                    message=f"{error.message} Prices stay as they were, marked stale.",
                    retry_after_ms=error.retry_after_ms,
                )
            case Event.RESTORED:
                message = "The source answers again."
                notice = Notice(code=Code.CONTINUE, reason=Reason.PROVIDER_RESTORED, symbols=symbols, message=message)
            case Event.UNKNOWN:
                message = "No source knows these symbols; they are pushed and saved no longer."
                notice = Notice(code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL, symbols=symbols, message=message)
                dropped = self.subscription.remove(symbols)
            case _:
                assert_never(event.event)
        self.connection.send(encode_line(notice))
        return dropped

    # --- rules -----------------------------------------------------------------------------------------------------

    async def _check_permitted(self, command: Command) -> None:
        who = COMMANDS[command.type].who
        if who not in PERMISSIONS[self.state]:
            raise self._refusal(command)
        if who is Who.ADMINS and not await self.services.authenticator.is_admin(self.user):
            raise CommandError(Reason.NOT_PERMITTED, f"{command.type} is for administrators.")

    def _refusal(self, command: Command) -> CommandError:
        if not self.is_open:
            return CommandError(Reason.NOT_AUTHENTICATED, "The session has ended; connect again.")
        if command.type == "AUTH":
            return CommandError(
                Reason.ALREADY_AUTHENTICATED, f"This session is logged in as {self.username}; LOGOUT and connect again."
            )
        return CommandError(Reason.NOT_AUTHENTICATED, f"{command.type} needs a login: send AUTH first.")

    def _take_turn(self, now: float) -> None:
        rules = self.services.rules
        wait_seconds = self._commands.take(1, per_second=rules.commands_per_second, burst=rules.command_burst, now=now)
        if wait_seconds > 0:
            self.services.trail.refused(
                Reason.RATE_LIMITED, address=self.address, door=self.door, limit="commands", user=self.username
            )
            raise CommandError(
                Reason.RATE_LIMITED,
                f"More than {rules.commands_per_second:g} commands a second; this one was not run.",
                retry_after_ms=max(1, round(wait_seconds * 1000)),
            )

    def _end(self, why: str) -> None:
        if self.is_open:
            self.subscription.close()
            self._following = b""
            self._move(Step.ENDED, why)

    def _move(self, step: Step, why: str = "") -> None:
        self.state = TRANSITIONS[self.state, step]
        log.debug("session", session=self.name, user=self.username, state=self.state.value, why=str(why) or step.value)


def last_word(why: SessionEnd) -> Notice:
    """The NOTICE that ends a session, or refuses one."""
    return Notice(code=why.code, reason=why.reason, message=why.message, retry_after_ms=why.retry_after_ms)


def farewell(why: SessionEnd) -> bytes:
    """The line of `last_word`."""
    return encode_line(last_word(why))
