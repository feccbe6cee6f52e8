"""`stocktrack say`: a word to the others, from a shell."""

from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from stocktrack.commands.options import AsJson, ServerCall, spread


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(spread(say))


def say(
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="what to say, of at most 500 characters")],
    *,
    symbol: Annotated[
        str | None,
        typer.Option(metavar="AAPL", help="only to those who watch it; left out: to all", show_default=False),
    ] = None,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Say something to the others who are logged in.

    The operator may have switched it off.
    """
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.client.wire import command_of, expect
    from stocktrack.messages import SayReply
    from stocktrack.terminal.run import run_to_exit, write_line
    from stocktrack.terminal.run import say as tell
    from stocktrack.terminal.text import said_to

    if not "".join(text).strip():
        raise typer.BadParameter("There is nothing to say.")

    def begin() -> Coroutine[Any, Any, int]:
        # Told before the password is asked for: what is wrong here stays wrong.
        command = command_of("SAY", text=" ".join(text), symbol=symbol)
        settings = ask_for_credentials(call.settings())

        async def at_server() -> int:
            async with settings.client(timeout_seconds=call.timeout, reconnect=False) as client:
                answer = await client.request(command)
            reply = expect(SayReply, answer, client.address)
            if as_json:
                write_line(answer.line.decode())
            else:
                tell(said_to(reply))
            return 0

        return at_server()

    run_to_exit(begin)
