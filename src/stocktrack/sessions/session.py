"""One client's session: takes commands in the order in which they come, answers each, and pushes prices; no sockets.

`ask` answers a command with a reply. `receive` is the codec before it: a line in, lines out. A session speaks without
being asked only through its connection: HELLO, prices, heartbeats and notices.
"""

from typing import Protocol, assert_never

import structlog

from stocktrack.accounts.identity import Identity, LoginEnd
from stocktrack.errors import Code, CommandError, Reason, SessionEnd, StockTrackError, StorageError
from stocktrack.market.events import Event, FeedEvent
from stocktrack.messages import (
    COMMANDS,
    Command,
    Failure,
    GetReply,
    Heartbeat,
    Hello,
    Limits,
    MyStocksReply,
    Notice,
    Reply,
    Revoke,
    SetListReply,
    SubscribeReply,
    Who,
)
from stocktrack.scopes import Scope
from stocktrack.sessions.answering import AllMissingError
from stocktrack.sessions.bucket import Bucket, Quota, quota
from stocktrack.sessions.budgets import whose_budget
from stocktrack.sessions.contracts import Services
from stocktrack.sessions.every_answer import ANSWERS
from stocktrack.sessions.life import PERMISSIONS, TRANSITIONS, SessionState, Step
from stocktrack.storage.store import UserRow
from stocktrack.subscriptions import Subscription
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import BadLine, decode_line, encode_line, failure

log = structlog.get_logger()

MAX_BAD_LINES = 20
MAX_WRONG_LOGINS = 3
# Before the login: longer than any AUTH, and what fraction of a user's bytes a second. To parse a line of 4 KB takes
# some 0.4 ms, and there may be 2,000 strangers.
MAX_STRANGER_LINE_BYTES = 4_096
STRANGER_BYTES_FRACTION = 1 / 64
# So many of the longest lines may come at once.
BURST_LINES = 4
# How much of a login's time may be the server's: a busy database is waited for half as long, a password's hash less.
MAX_KEPT_WAITING_SECONDS = 60.0


class Companion(Protocol):
    """What a dialect does for a session beside its commands."""

    @property
    def failure(self) -> BaseException | None:
        """What ended a task of it, where that was a mistake of ours."""
        ...

    def close(self) -> None:
        """End all of it: the session has ended."""
        ...


class Session:
    """One client. `end` is how anybody else ends it; `closed` is for the door, when the client is gone."""

    __slots__ = (
        *("_auth_began", "_bad_lines", "_bytes", "_commands", "_farewell", "_following", "_kept_waiting_seconds"),
        *("_open_commands", "_wrong_logins"),
        *("address", "connection", "door", "identity", "name", "opened_at", "services", "state", "subscription"),
        *("_companion", "asked_at", "is_forwarded"),
    )

    def __init__(
        self,
        services: Services,
        connection: Connection,
        *,
        name: str,
        address: str,
        door: str,
        is_forwarded: bool = False,
    ) -> None:
        self.services = services
        self.connection = connection
        self.name = name
        self.address = address
        self.door = door
        self.is_forwarded = is_forwarded  # by a proxy, so that it is nobody on this machine
        self.opened_at = self.asked_at = services.clock.monotonic()
        self.state = SessionState.GREETED
        self.identity: Identity | None = None
        self.subscription = Subscription(
            services.board,
            connection,
            services.clock,
            services.metronome,
            interval_seconds=services.rules.push_interval_seconds,
            name=name,
        )
        self._companion: Companion | None = None
        self._bad_lines = 0  # in a row
        self._commands = Bucket(services.rules.command_burst, self.opened_at)
        self._bytes = self._full_of_bytes()
        self._farewell: SessionEnd | None = None
        self._following = b""
        self._wrong_logins = 0
        self._open_commands = 0
        self._auth_began: float | None = None  # while an AUTH is under way
        self._kept_waiting_seconds = 0.0  # by those AUTHs that are answered

    @property
    def is_open(self) -> bool:
        """Whether more commands are taken."""
        return self.state is not SessionState.ENDED

    @property
    def is_asking(self) -> bool:
        """Whether a command is open."""
        return self._open_commands > 0

    @property
    def max_line_bytes(self) -> int:
        """How long the next line may be."""
        most = self.services.rules.max_line_bytes
        return min(most, MAX_STRANGER_LINE_BYTES) if self.state is SessionState.GREETED else most

    @property
    def username(self) -> str | None:
        """The name of the user who is logged in; None before that."""
        return None if self.identity is None else self.identity.name

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the session is pushed."""
        return self.subscription.symbols

    @property
    def failure(self) -> BaseException | None:
        """What ended a task of the session, where that was a mistake of ours: the client waits for nothing."""
        return self.subscription.failure or (self._companion.failure if self._companion is not None else None)

    @property
    def auth(self) -> tuple[str, ...]:
        """The ways in which the client can log in."""
        rules = self.services.rules
        return rules.auth_if_forwarded if self.is_forwarded else rules.auth

    # --- commands ------------------------------------------------------------------------------------------------

    async def ask(self, command: Command) -> Reply:
        """The reply to a command, which is a `Failure` where it failed; nothing is raised.

        Where the session was ended by somebody else while the command was open, it is the failure that says so.
        """
        self._bad_lines = 0
        self._open_commands += 1
        began = self.asked_at = self.services.clock.monotonic()
        try:
            await self._check_permitted(command)
            if command.type == "AUTH":
                self._auth_began = began
            reply = await ANSWERS[type(command)](self, command)
        except StockTrackError as error:
            self.services.trail.failed(error)
            reply = failure(error, command, error.missing if isinstance(error, AllMissingError) else None)
        except Exception:
            log.exception("a command failed unexpectedly", session=self.name, command=command.type)
            reply = failure(
                CommandError(Reason.INTERNAL_ERROR, "The server failed to do this; its log says why."), command
            )
        finally:
            self._open_commands -= 1
            self._auth_began = None
        seconds = self.services.clock.monotonic() - began
        if command.type == "AUTH":
            self._kept_waiting_seconds += seconds
        self.services.observe(command.type, seconds)
        if _is_over_budget(reply):
            self._tell_refused("upstream")
        return reply if self._farewell is None else failure(self._farewell, command)

    def seconds_until_turn(self, message_bytes: int) -> float:
        """How long the door has to wait before it has a message of so many bytes looked at, and reads on.

        The client is slowed down and loses nothing. Both what it costs to read a message and what it costs to answer
        one are counted here, before anything is known of the message, and before a login as after it.
        """
        rules, now = self.services.rules, self.services.clock.monotonic()
        fraction = STRANGER_BYTES_FRACTION if self.state is SessionState.GREETED else 1.0
        return max(
            self._commands.owe(1, per_second=rules.commands_per_second, burst=rules.command_burst, now=now),
            self._bytes.owe(
                message_bytes,
                per_second=rules.bytes_per_second * fraction,
                burst=BURST_LINES * self.max_line_bytes,
                now=now,
            ),
        )

    def take_turn(self) -> None:
        """Count a command of a door that can't slow its client down; `CommandError` where there were too many."""
        rules, now = self.services.rules, self.services.clock.monotonic()
        wait_seconds = self._commands.take(1, per_second=rules.commands_per_second, burst=rules.command_burst, now=now)
        if wait_seconds > 0:
            self._tell_refused("commands")
            raise CommandError(
                Reason.RATE_LIMITED,
                f"More than {rules.commands_per_second:g} commands a second; this one was not run.",
                retry_after_ms=max(1, round(wait_seconds * 1000)),
            )

    def quotas(self) -> tuple[Quota, ...]:
        """What is left of the session's commands, and of what its user may have the sources asked."""
        rules, now = self.services.rules, self.services.clock.monotonic()
        per_second, burst = rules.commands_per_second, rules.command_burst
        level = self._commands.level(per_second=per_second, burst=burst, now=now)
        per_minute, upstream_burst = rules.user_upstream_requests_per_minute, rules.user_upstream_burst
        left = self.services.budgets.left(
            whose_budget(self.username, self.address), per_minute=per_minute, burst=upstream_burst
        )
        return (
            quota("commands", level, per_second=per_second, burst=burst),
            quota("sources", left, per_second=per_minute / 60, burst=upstream_burst),
        )

    async def receive(self, line: bytes) -> bytes:
        """The answer to a line, to be sent in one piece and before anything else is awaited.

        It is the reply, and after it what the command has begun: the first prices of a subscription. It is empty where
        the session was ended by somebody else meanwhile: nothing follows the farewell. After it the door looks whether
        the session `is_open`.
        """
        try:
            command = decode_line(line.strip())
        except BadLine as error:
            why = self.count_bad_line()
            return encode_line(failure(error)) + (farewell(why) if why is not None else b"")
        reply = await self.ask(command)
        if self._farewell is not None:
            return b""
        encoded = encode_line(reply)
        if len(encoded) > self.services.rules.max_reply_bytes:
            # Replies that can be long come in pages; this one is a mistake of ours, which may not break the client.
            log.error("a reply is too long", session=self.name, command=command.type, bytes=len(encoded))
            too_long = f"The reply would have {len(encoded)} bytes, which is too long."
            encoded = encode_line(failure(CommandError(Reason.INTERNAL_ERROR, too_long), command))
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
    def login(self) -> Identity:
        """Who is logged in."""
        assert self.identity is not None  # noqa: S101 - the permissions let nobody in here before AUTH
        return self.identity

    @property
    def user(self) -> str:
        """The name of the user who is logged in."""
        return self.login.name

    async def check_login(self) -> None:
        """Return where the login still counts; else the session ends, and this is the `CommandError` that says so."""
        identity = self.login
        self._check_counts(identity, await self.services.authenticator.user(identity.name))

    async def log_in(self, identity: Identity) -> None:
        """Make the session the user's; `CommandError` where it ended meanwhile, or where the user has too many."""
        await self.services.admit(self, identity.name)
        # From its being counted on nothing is awaited: whoever closes it counts it down by its user.
        self.identity = identity
        self._move(Step.LOGGED_IN)
        self._bytes = self._full_of_bytes()

    def renew(self, identity: Identity) -> None:
        """Go on as this identity of the same user."""
        self.identity = identity

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

    def pay(self, requests: int) -> float:
        """Take so many requests to the sources out of the user's budget, or return the seconds to wait for them."""
        rules = self.services.rules
        return self.services.budgets.pay(
            whose_budget(self.username, self.address),
            requests,
            per_minute=rules.user_upstream_requests_per_minute,
            burst=rules.user_upstream_burst,
        )

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
                auth=self.auth,
                limits=Limits(
                    max_line_bytes=rules.max_line_bytes,
                    max_reply_bytes=rules.max_reply_bytes,
                    max_symbols=rules.max_symbols,
                ),
                heartbeat_seconds=rules.heartbeat_seconds,
                features=("chat",) if rules.chat else None,
            )
        )

    def welcome_guest(self) -> SessionEnd | None:
        """Let the client have prices without a login; nothing can be saved for it. The door decides who is a guest.

        Where there are too many of them, why the session has ended.
        """
        try:
            self.services.admit_guest(self)
        except SessionEnd as why:
            self._end(why.reason)
            return why
        self._move(Step.WELCOMED)
        self._bytes = self._full_of_bytes()
        return None

    def accompany(self, companion: "Companion") -> None:
        """Have what a dialect does beside the commands end with the session."""
        self._companion = companion

    def line_too_long(self) -> bytes:
        """The answer to a line over the limit; the door closes, since the tail would run as another command."""
        before = " before the login" if self.state is SessionState.GREETED else ""
        too_long = f"The line is longer than {self.max_line_bytes} bytes, the most{before}; the session ends."
        self._end("line too long")
        return encode_line(failure(CommandError(Reason.LINE_TOO_LONG, too_long)))

    def line_cut_off(self) -> bytes:
        """The answer to an input that ended in the middle of a line, which is not run."""
        return encode_line(
            failure(CommandError(Reason.MALFORMED_JSON, "The input ended in the middle of a line; it was not run."))
        )

    def closed(self) -> None:
        """The client is gone: stop everything that was done for it."""
        self._end("the connection closed")

    def login_seconds(self, now: float) -> float:
        """How long the client takes for its login: what the server takes to answer an AUTH is not the client's time.

        That holds for a minute in all, so that nobody is without a login for ever.
        """
        under_way = now - self._auth_began if self._auth_began is not None else 0.0
        return now - self.opened_at - min(self._kept_waiting_seconds + under_way, MAX_KEPT_WAITING_SECONDS)

    # --- what others do with a session -----------------------------------------------------------------------------

    def end(self, why: SessionEnd) -> None:
        """End the session from outside: a NOTICE that says why, then nothing more."""
        if not self.is_open:
            return
        self._end(why.reason)
        self._farewell = why
        self.connection.send(farewell(why))
        self.connection.end()

    def end_with_login(self, why: LoginEnd) -> None:
        """End the session from outside, because its login counts no longer."""
        if self.is_open:
            self._tell_login_ended(why)
            self.end(SessionEnd(Reason.NOT_AUTHENTICATED, why.sentence))

    def notify(self, line: bytes) -> None:
        """Hand the client a line that it did not ask for."""
        if self.is_open:
            self.connection.send(line)

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
        row = COMMANDS[command.type]
        if row.who not in PERMISSIONS[self.state]:
            raise self._refusal(command)
        identity = self.identity
        if identity is None or row.who is Who.ANYBODY:
            return
        if row.scope is Scope.FULL and identity.scope is Scope.READ and not _ends_itself(command, identity):
            raise CommandError(
                Reason.NOT_PERMITTED, f"{command.type} needs more than this session's token may do: it is for reading."
            )
        try:
            user = await self.services.authenticator.user(identity.name)
        except StorageError:
            if row.who is not Who.GUESTS:
                raise
            return  # prices go on without the database, as those that are pushed do
        self._check_counts(identity, user)
        if row.who is Who.ADMINS and not (user is not None and user.is_admin):
            raise CommandError(Reason.NOT_PERMITTED, f"{command.type} is for administrators.")

    def _check_counts(self, identity: Identity, user: UserRow | None) -> None:
        """End the session where its login counts no longer, which the reply says, and the NOTICE after it."""
        why = identity.why_ended(user, self.services.clock.now_ms())
        if why is None:
            return
        # A session of REST, whose commands run side by side, may have become another one meanwhile: that one stays.
        if self.is_open and self.identity is identity:
            self._tell_login_ended(why)
            self._end(Reason.NOT_AUTHENTICATED)
            self._following = farewell(SessionEnd(Reason.NOT_AUTHENTICATED, why.sentence))
        raise CommandError(Reason.NOT_AUTHENTICATED, why.sentence)

    def _refusal(self, command: Command) -> CommandError:
        if not self.is_open:
            return CommandError(Reason.NOT_AUTHENTICATED, "The session has ended; connect again.")
        if command.type == "AUTH":
            return CommandError(
                Reason.ALREADY_AUTHENTICATED, f"This session is logged in as {self.username}; LOGOUT and connect again."
            )
        return CommandError(Reason.NOT_AUTHENTICATED, f"{command.type} needs a login: send AUTH first.")

    def _tell_login_ended(self, why: LoginEnd) -> None:
        self.services.trail.session_ended(
            why, address=self.address, door=self.door, user=self.username, session=self.name
        )

    def _tell_refused(self, limit: str) -> None:
        self.services.trail.refused(
            Reason.RATE_LIMITED, address=self.address, door=self.door, limit=limit, user=self.username
        )

    def _full_of_bytes(self) -> Bucket:
        return Bucket(BURST_LINES * self.max_line_bytes, self.services.clock.monotonic())

    def _end(self, why: str) -> None:
        if self.is_open:
            self.subscription.close()
            if self._companion is not None:
                self._companion.close()
            self._following = b""
            self._move(Step.ENDED, why)

    def _move(self, step: Step, why: str = "") -> None:
        self.state = TRANSITIONS[self.state, step]
        log.debug("session", session=self.name, user=self.username, state=self.state.value, why=str(why) or step.value)


def _ends_itself(command: Command, identity: Identity) -> bool:
    """Whether a command ends the token that the session was opened with: whoever has it may always give it up."""
    token = identity.token
    return isinstance(command, Revoke) and token is not None and command.token_id == token.token_id is not None


_NAMES_MISSING = (Failure, GetReply, SubscribeReply, SetListReply, MyStocksReply)


def _is_over_budget(reply: Reply) -> bool:
    """Whether the sources were not asked for some of it, because the user has no request left."""
    if isinstance(reply, Failure) and reply.reason is Reason.RATE_LIMITED:
        return reply.type != "SAY"  # which asks nobody, and has a limit of its own
    missing = reply.missing if isinstance(reply, _NAMES_MISSING) else None
    return any(each.reason is Reason.RATE_LIMITED for each in missing or ())


def last_word(why: SessionEnd) -> Notice:
    """The NOTICE that ends a session, or refuses one."""
    return Notice(code=why.code, reason=why.reason, message=why.message, retry_after_ms=why.retry_after_ms)


def farewell(why: SessionEnd) -> bytes:
    """The line of `last_word`."""
    return encode_line(last_word(why))
