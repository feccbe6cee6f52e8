"""How a command comes to a login: the server is called before a person is asked, and a wrong password may be corrected.

Who is asked is a person at a terminal; what a flag, a variable, a file or a stored token says is taken as it is, once.
Where nobody named a server and none is at the usual address, a command that can starts a private one.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, NoReturn, TypeAlias, TypeVar

from stocktrack.client.errors import NotAuthorised, NothingListens
from stocktrack.client.settings import (
    ClientSettings,
    CredentialsMissingError,
    ask_for_credentials,
    ask_for_password,
    has_to_ask,
    is_person_there,
)
from stocktrack.errors import Reason
from stocktrack.terminal.exit_codes import ExitCode, sentence_of
from stocktrack.terminal.run import exit_with, on_termination, say

MOST_TRIES = 3
_LOOK_SECONDS = 1.0  # at this machine's own address

Result = TypeVar("Result")
# What starts a server in this very process, for the client in it alone, in place of one that is not at the address; and
# ends it. The client wing is handed it from above.
PrivateServer: TypeAlias = Callable[[str], AbstractAsyncContextManager[ClientSettings]]


def run_logged_in(
    load: Callable[[], ClientSettings],
    work: Callable[[ClientSettings], Coroutine[Any, Any, int]],
    *,
    check: Callable[[], object] = tuple,
    needs_password: bool = False,
    private_server: PrivateServer | None = None,
) -> NoReturn:
    """Do `work` with the settings that `load` returns and what a person adds to them, and exit with its code.

    `check` raises what is wrong with the command itself, which is told before anybody is asked for anything. Where
    nothing listens at the usual address, and nobody named another one, the work is done at a `private_server`.
    """

    def run() -> int:
        check()
        given = load()
        try:
            return _logged_in_where_it_is(given, work, needs_password=needs_password)
        except NothingListens as error:
            if not given.is_default:
                raise
            if private_server is None:
                error.add_note("`stocktrack watch AAPL` works without a server.")
                raise
        return asyncio.run(_at_private_server(private_server, given, work))

    exit_with(run)


def _logged_in_where_it_is(
    given: ClientSettings, work: Callable[[ClientSettings], Coroutine[Any, Any, Result]], *, needs_password: bool
) -> Result:
    """As `logged_in`; where there is nothing to log in with and no server either, that is what is told."""
    try:
        return logged_in(given, work, needs_password=needs_password)
    except CredentialsMissingError:
        if not _is_there(given):
            asyncio.run(_call(given))
        raise


def logged_in(
    given: ClientSettings,
    work: Callable[[ClientSettings], Coroutine[Any, Any, Result]],
    *,
    needs_password: bool = False,
) -> Result:
    """What `work` returns, with `given` and what a person adds to it; a wrong password is asked for again.

    Where a stored token is refused, a person is asked for the password instead. To be called outside of an event loop:
    in one Ctrl-C would wait for the answer.
    """
    is_asked = has_to_ask(given, needs_password=needs_password)
    ask = ask_for_password if needs_password else ask_for_credentials
    if is_asked:
        asyncio.run(_call(given))
    left = MOST_TRIES
    while True:
        settings = ask(given)
        try:
            return asyncio.run(work(settings))
        except NotAuthorised as error:
            is_stored = settings.token is not None and given.token is None
            left -= 0 if is_stored else 1
            can_ask = is_person_there() if is_stored else is_asked
            if not (can_ask and left and error.reason is Reason.BAD_CREDENTIALS):
                raise
            if is_stored:
                told = f"{given.address} does not take your stored token any more; `stocktrack login` stores a new one."
                say(f"{told} Your password does as well:")
                ask, is_asked = ask_for_password, True
            else:
                say(f"{sentence_of(error)} Try again.")
            given = replace(given, username=settings.username)


async def _call(settings: ClientSettings) -> None:
    """Call the server without a login; the errors of the client library where it is not there, or is another."""
    stranger = replace(settings, username=None, password=None, token=None)
    async with stranger.client(reconnect=False):
        pass


def _is_there(settings: ClientSettings) -> bool:
    """Whether anything listens at the address, be it a server or not; True where that cannot be said at once."""
    try:
        socket.create_connection((settings.host, settings.port), timeout=_LOOK_SECONDS).close()
    except TimeoutError:
        return True
    except OSError:  # refused, or there is no such machine
        return False
    return True


async def _at_private_server(
    private_server: PrivateServer, given: ClientSettings, work: Callable[[ClientSettings], Coroutine[Any, Any, int]]
) -> int:
    """What `work` returns at a private server, which is closed in order whatever ends the work."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    is_terminated = False

    def terminate() -> None:
        nonlocal is_terminated
        is_terminated = True
        task.cancel()

    try:
        with on_termination(terminate):
            async with private_server(given.address) as settings:
                return await work(settings)
    except asyncio.CancelledError:
        if is_terminated:
            return ExitCode.TERMINATED
        raise
