"""What a command does at a server with a client of its own, and how it ends."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from stocktrack.commands.options import ServerCall

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient


def at_server(
    work: Callable[["StockTrackClient"], Awaitable[int | None]], call: ServerCall, check: Callable[[], object] = tuple
) -> None:
    """Check what is asked before the password is asked for, log in, do `work`, and exit with its code, or with 0."""
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.terminal.run import run_to_exit

    def begin() -> Coroutine[Any, Any, int]:
        check()
        settings = ask_for_credentials(call.settings())

        async def with_client() -> int:
            async with settings.client(timeout_seconds=call.timeout, reconnect=False) as client:
                return await work(client) or 0

        return with_client()

    run_to_exit(begin)


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
