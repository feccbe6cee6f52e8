"""The options that several commands share, each stated once.

A command takes a group of options as one parameter, and `spread` makes the options of it that typer sees:

    def sessions(*, call: ServerCall, as_json: AsJson = False) -> None: ...

    app.command()(spread(sessions))
"""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, dataclass_transform

import typer

from stocktrack.commands.completion import board_columns, board_orders, currencies, row_fields
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, MAX_PORT

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings
    from stocktrack.terminal.logging_in import PrivateServer
    from stocktrack.terminal.screen_settings import ScreenSettings


def _connection(*names: str, **fields: Any) -> Any:
    """An option that the help of a command lists below the command's own."""
    return typer.Option(*names, rich_help_panel="Connection", **fields)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class OptionGroup:
    """A class whose attributes, each annotated and with a default, are options of a command.

    To the type checker it is a dataclass; a real one would take longer to make than all the commands together.
    """

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    @classmethod
    @functools.cache
    def options(cls) -> tuple[inspect.Parameter, ...]:
        """The options as parameters of a function, those of the base class first; a subclass may restate one."""
        annotations: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            annotations |= inspect.get_annotations(base)
        return tuple(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(cls, name), annotation=annotation)
            for name, annotation in annotations.items()
        )


class ServerAddress(OptionGroup):
    """Which server a command is about."""

    host: Annotated[
        str | None,
        _connection(help=f"the server; STOCKTRACK_HOST, else {DEFAULT_HOST}", show_default=False),
    ] = None
    port: Annotated[
        int | None,
        _connection(
            min=1,
            max=MAX_PORT,
            help=f"its port; STOCKTRACK_PORT, else {DEFAULT_PORT}",
            show_default=False,
        ),
    ] = None

    def settings(self) -> "ClientSettings":
        """The settings with what else the environment says; `ConfigError` where that is wrong."""
        from stocktrack.client.settings import load_client_settings

        return load_client_settings(host=self.host, port=self.port)


class ServerLogin(ServerAddress):
    """Which server a command calls, as whom, and how securely."""

    user: Annotated[
        str | None,
        _connection(help="the user; STOCKTRACK_USER, else asked for", show_default=False),
    ] = None
    tls: Annotated[
        bool | None,
        _connection("--tls/--no-tls", help="encrypt, and check who the server is; STOCKTRACK_TLS"),
    ] = None
    ca: Annotated[
        str | None,
        _connection(metavar="FILE", help="trust only these certificates; means --tls; STOCKTRACK_CA"),
    ] = None

    def settings(self) -> "ClientSettings":
        """As in `ServerAddress`."""
        from stocktrack.client.settings import load_client_settings

        return load_client_settings(host=self.host, port=self.port, username=self.user, tls=self.tls, ca=self.ca)


class ServerCall(ServerLogin):
    """Which server a command calls, and how long it waits for each answer.

    Where there is none, a command that was handed a `private_server` does its work at that.
    """

    timeout: Annotated[
        float,
        _connection("--timeout", min=0.1, max=3_600, help="seconds to wait for the server"),
    ] = 10.0

    @property
    def private_server(self) -> "PrivateServer | None":
        """What `spread` was handed under this name."""
        return self.__dict__.get("private_server")


class ScreenOptions(OptionGroup):
    """What a live screen does when an alert fires, and what its board shows."""

    bell: Annotated[
        bool | None, typer.Option("--bell/--no-bell", help="ring when an alert fires; STOCKTRACK_BELL, else yes")
    ] = None
    notify: Annotated[
        bool | None,
        typer.Option("--notify/--no-notify", help="notify the desktop of it as well; STOCKTRACK_NOTIFY, else yes"),
    ] = None
    holdings: Annotated[
        bool | None,
        typer.Option("--holdings/--no-holdings", help="show what you hold on the board; STOCKTRACK_HOLDINGS, else yes"),
    ] = None

    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="columns of the board, as name,price,age; STOCKTRACK_COLUMNS",
            show_default=False,
            autocompletion=board_columns,
        ),
    ] = None
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="ORDER",
            help="name, price, change, percent, volume or age; -percent turns it round; STOCKTRACK_SORT",
            show_default=False,
            autocompletion=board_orders,
        ),
    ] = None
    currency: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="show all prices on the board in it, as EUR; STOCKTRACK_CURRENCY",
            show_default=False,
            autocompletion=currencies,
        ),
    ] = None
    mouse: Annotated[
        bool | None,
        typer.Option("--mouse/--no-mouse", help="wheel and clicks on the board; STOCKTRACK_MOUSE, else yes"),
    ] = None

    def settings(self) -> "ScreenSettings":
        """The settings with what the environment says; `ConfigError` where that is wrong, or wrong use of a flag."""
        from stocktrack.terminal.screen_settings import WrongFlagError, load_screen_settings

        try:
            return load_screen_settings(
                bell=self.bell,
                notify=self.notify,
                holdings=self.holdings,
                mouse=self.mouse,
                columns=self.columns,
                sort=self.sort,
                currency=self.currency,
            )
        except WrongFlagError as error:
            from stocktrack.terminal.exit_codes import ExitCode
            from stocktrack.terminal.run import say

            say(str(error))
            raise typer.Exit(ExitCode.USAGE) from None


def _form_option(help_text: str, forms: str = "table|tsv|csv|json") -> Any:
    """The option for the form of an answer."""
    return typer.Option("--format", metavar=forms, help=help_text, case_sensitive=False, show_default=False)


class _RowForm(OptionGroup):
    form: Annotated[
        Literal["table", "tsv", "csv", "json"] | None,
        _form_option("[default: a table on a terminal, else tsv]"),
    ] = None


class _QuoteForm(OptionGroup):
    form: Annotated[
        Literal["table", "tsv", "csv", "json", "beancount", "ledger"] | None,
        _form_option(
            "the last two: price directives of accounting [default: a table on a terminal, else tsv]",
            "table|tsv|csv|json|beancount|ledger",
        ),
    ] = None


class _RowFields(OptionGroup):
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="only these, in this order; a wrong one lists them all",
            show_default=False,
            autocompletion=row_fields,
        ),
    ] = None
    header: Annotated[bool, typer.Option("--header", help="with the names of the fields above")] = False
    as_json: Annotated[bool, typer.Option("--json", help="print the server's reply, one JSON document")] = False


class RowOptions(_RowFields, _RowForm):
    """In which form a command prints the rows of its answer, and which fields of them."""


class ListedOptions(RowOptions):
    """The same of what a command reads itself, and asks no server."""

    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False


class PriceLineOptions(_RowFields, _RowForm):
    """The same of prices that come one after the other."""

    form: Annotated[
        Literal["table", "tsv", "csv", "json"] | None,
        _form_option("[default: the board on a terminal, which is its table, else tsv]"),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", "--jsonl", help="print the protocol's lines: PRICE, and NOTICE of alerts")
    ] = False


class QuoteOptions(_RowFields, _QuoteForm):
    """The same of prices, which plain text accounting reads as well."""


AsJson = Annotated[bool, typer.Option("--json", help="print the server's reply, one JSON document")]


def spread(command: Callable[..., None], **handed: object) -> Callable[..., None]:
    """`command` as typer takes it: the options of an `OptionGroup` stand in the place of the parameter that is one.

    What is `handed` on becomes an attribute of each group.
    """
    groups: dict[str, type[OptionGroup]] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        kind = parameter.annotation
        if inspect.isclass(kind) and issubclass(kind, OptionGroup):
            groups[parameter.name] = kind
            parameters += kind.options()
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{option.name: given.pop(option.name) for option in group.options()}, **handed)
        command(**given)

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    cast("Any", run).__signature__ = inspect.Signature(parameters)
    return run
