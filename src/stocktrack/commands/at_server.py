"""What a command does at a server with a client of its own, and how it ends."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from stocktrack.commands.options import ServerCall

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.client.settings import ClientSettings


def at_server(
    work: Callable[["StockTrackClient"], Awaitable[int | None]],
    call: ServerCall,
    check: Callable[[], object] = tuple,
    *,
    is_json: bool = False,
) -> None:
    """Check what is asked before the password is asked for, log in, do `work`, and exit with its code, or with 0.

    Where `is_json`, a refusal is printed as the server told it, too.
    """
    from stocktrack.terminal.logging_in import run_logged_in

    async def with_refusal(client: "StockTrackClient") -> int | None:
        from stocktrack.client import CommandFailed
        from stocktrack.terminal.run import write_line
        from stocktrack.terminal.text import safe_json

        try:
            return await work(client)
        except CommandFailed as error:
            write_line(safe_json(error.line.decode()))
            raise

    done = with_refusal if is_json else work
    run_logged_in(call.settings, lambda settings: with_client(settings, done, call.timeout), check=check)


async def with_client(
    settings: "ClientSettings", work: Callable[["StockTrackClient"], Awaitable[int | None]], timeout_seconds: float
) -> int:
    """Log in, do `work`, and return its exit code, or 0."""
    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        return await work(client) or 0


async def take_out_each(names: Sequence[str], take_out: Callable[[str], Awaitable[str]]) -> int:
    """Take each of `names` out and say what ``take_out(name)`` returns; what is not there is said and stops nothing.

    The exit code is that of what was not found, where anything was not.
    """
    from stocktrack.client import NotFound
    from stocktrack.terminal.exit_codes import ExitCode, sentence_of
    from stocktrack.terminal.run import say

    code = ExitCode.DONE
    for name in names:
        try:
            say(await take_out(name))
        except NotFound as error:
            say(sentence_of(error))
            code = ExitCode.NOT_FOUND
    return code
