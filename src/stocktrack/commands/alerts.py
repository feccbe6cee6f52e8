"""`stocktrack alert add|list|remove|test`: what a user does with alerts."""

import math
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktrack.commands.at_server import at_server, take_out_each
from stocktrack.commands.help import CommandLine, HelpfulCommand
from stocktrack.commands.one_shot import ask
from stocktrack.commands.options import AsJson, RowOptions, ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.messages import AlertReply, MyAlertsReply

alert_app = CommandLine(help="Be told when a price, a percentage or a volume is passed.", no_args_is_help=True)

_FALL = re.compile(r"-(?=[0-9.])")


class _WithFalls(HelpfulCommand):
    """A command one of whose arguments may be `-3%`, which is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the arguments of the command line."""
        from stocktrack.terminal.alert_request import MINUS

        return super().parse_args(ctx, [_FALL.sub(MINUS, arg, count=1) if _FALL.match(arg) else arg for arg in args])


def _conditions(incomplete: str) -> list[str]:
    from stocktrack.terminal.typed_commands import CONDITIONS

    return [each for each in CONDITIONS if each.startswith(incomplete.lower())]


def _repeats(incomplete: str) -> list[str]:
    from stocktrack.terminal.typed_commands import REPEATS

    return [each for each in REPEATS if each.startswith(incomplete.lower())]


def add_to(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    alert_app.command("add", cls=_WithFalls)(spread(alert_add))
    alert_app.command("list")(spread(alert_list))
    alert_app.command("remove")(spread(alert_remove))
    alert_app.command("test")(spread(alert_test))
    app.add_typer(alert_app, name="alert")


def alert_add(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL")],
    when: Annotated[
        str,
        typer.Argument(
            metavar="WHEN",
            help="above, below, crosses-above, crosses-below, percent-from-close, percent-within or volume-above",
            autocompletion=_conditions,
        ),
    ],
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help="a price such as 280, percent such as -3%, a volume such as 30M"),
    ],
    *,
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--target", metavar="NAME", help="tell this one of the operator's targets too", show_default=False
        ),
    ] = None,
    repeat: Annotated[
        str,
        typer.Option(metavar="HOW", help="once, daily, or every: each time it begins to hold", autocompletion=_repeats),
    ] = "once",
    cooldown: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="with --repeat every: the least time between two; 1m", show_default=False),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="how far back percent-within looks, such as 15m", show_default=False),
    ] = None,
    minutes: Annotated[
        str | None, typer.Option(metavar="N", help="the same as a number of minutes", show_default=False)
    ] = None,
    quiet: Annotated[
        str | None,
        typer.Option(metavar="FROM-TO", help="what happens in these hours is told at their end: 22:00-07:00"),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="of the quiet hours and of daily; this machine's", show_default=False),
    ] = None,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Make an alert, such as: alert add AAPL above 280.

    above and below are told as soon as it is so, also at once; crosses-above and crosses-below when the price passes
    the value from the other side. percent-from-close 5% is a rise since the last close and -3% a fall, percent-within
    the same within some minutes, and volume-above a day's volume. It is told to every session of yours, and to each
    --target.
    """
    from stocktrack.terminal.alert_request import WantedAlert, request_of
    from stocktrack.terminal.run import say
    from stocktrack.terminal.typed_commands import UsageError

    try:
        request = request_of(
            WantedAlert(
                symbol,
                when,
                value,
                targets=targets or (),
                repeat=repeat,
                cooldown=cooldown,
                within=within,
                minutes=minutes,
                quiet=quiet,
                timezone=timezone,
            )
        )
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None
    for remark in request.remarks:
        say(remark)
    ask("ALERT", call, as_json=as_json, show=_show_made, **request.fields)


def alert_list(
    symbol: Annotated[str | None, typer.Argument(metavar="SYMBOL", help="only its alerts", show_default=False)] = None,
    *,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """List your alerts and what they told last."""
    from stocktrack.terminal.alert_text import no_alerts_sentence
    from stocktrack.terminal.run import say

    def remark(reply: "MyAlertsReply") -> None:
        if not reply.alerts:
            say(no_alerts_sentence((symbol or "").upper(), adding="stocktrack alert add"))

    ask("MY_ALERTS", call, rows=rows, remark=remark, symbol=symbol)


def alert_remove(
    alerts: Annotated[list[str], typer.Argument(metavar="ALERT", help="a7 a8, as `stocktrack alert list` names them")],
    *,
    call: ServerCall,
) -> None:
    """Take alerts out."""
    from stocktrack.terminal.alert_request import alert_names
    from stocktrack.terminal.alert_text import removed_sentence
    from stocktrack.terminal.typed_commands import UsageError

    try:
        names = alert_names(alerts)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None

    async def remove(client: "StockTrackClient") -> int:
        async def unalert(name: str) -> str:
            return removed_sentence(await client.unalert(name))

        return await take_out_each(names, unalert)

    at_server(remove, call)


def alert_test(
    named: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="the same as --target", show_default=False)
    ] = None,
    *,
    targets: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME", help="only this one; left out: all there are", show_default=False),
    ] = None,
    call: ServerCall,
) -> None:
    """Send the targets a test, and say which took it."""
    from stocktrack.terminal.alert_request import NO_TARGETS, split_targets

    asked = split_targets([*(named or ()), *(targets or ())])

    async def test(client: "StockTrackClient") -> int:
        from stocktrack.client import TooManyRequests
        from stocktrack.terminal.exit_codes import ExitCode, exit_code_of, sentence_of
        from stocktrack.terminal.run import say
        from stocktrack.terminal.text import safe

        wanted = asked or list((await client.my_alerts()).targets)
        if not wanted:
            say(NO_TARGETS)
            return ExitCode.NOT_FOUND
        code = ExitCode.DONE
        for index, target in enumerate(wanted):
            try:
                reply = await client.test_alert(target)
            except TooManyRequests as error:
                wait = f" Try again in {math.ceil(error.retry_after_ms / 1000)} s." if error.retry_after_ms else ""
                say(f"{sentence_of(error)}{wait} Not tried: {', '.join(safe(each, 64) for each in wanted[index:])}.")
                return exit_code_of(error)
            say(safe(reply.message, 500))
            code = code if reply.delivered else ExitCode.FAILED
        return code

    at_server(test, call)


def _show_made(reply: "AlertReply") -> None:
    """The alert as a sentence for a person, as a row for a program."""
    from stocktrack.terminal.alert_text import made_sentence
    from stocktrack.terminal.run import write_line
    from stocktrack.terminal.text import alert_row, is_screen, tab_separated

    write_line(made_sentence(reply.alert) if is_screen(sys.stdout) else tab_separated(alert_row(reply.alert)))
