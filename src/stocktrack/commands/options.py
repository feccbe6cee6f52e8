"""The options that several commands share, each stated once.

A command takes a group of options as one parameter, and `spread` makes the options of it that typer sees:

    def sessions(*, call: ServerCall, as_json: AsJson = False) -> None: ...

    app.command()(spread(sessions))
"""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, cast, dataclass_transform

import typer

from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, MAX_PORT

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings
    from stocktrack.terminal.screen_settings import ScreenSettings


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
        """The options as parameters of a function, those of the base class first."""
        return tuple(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(cls, name), annotation=annotation)
            for base in reversed(cls.__mro__)
            for name, annotation in inspect.get_annotations(base).items()
        )


class ServerAddress(OptionGroup):
    """Which server a command is about."""

    host: Annotated[
        str | None, typer.Option(help=f"the server; STOCKTRACK_HOST, else {DEFAULT_HOST}", show_default=False)
    ] = None
    port: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_PORT, help=f"its port; STOCKTRACK_PORT, else {DEFAULT_PORT}", show_default=False),
    ] = None

    def settings(self) -> "ClientSettings":
        """The settings with what else the environment says; `ConfigError` where that is wrong."""
        from stocktrack.client.settings import load_client_settings

        return load_client_settings(host=self.host, port=self.port)


class ServerLogin(ServerAddress):
    """Which server a command calls, as whom, and how securely."""

    user: Annotated[str | None, typer.Option(help="the user; STOCKTRACK_USER, else asked for", show_default=False)] = (
        None
    )
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="encrypt, and check who the server is; STOCKTRACK_TLS")
    ] = None
    ca: Annotated[
        str | None, typer.Option(metavar="FILE", help="trust only these certificates; means --tls; STOCKTRACK_CA")
    ] = None

    def settings(self) -> "ClientSettings":
        """As in `ServerAddress`."""
        from stocktrack.client.settings import load_client_settings

        return load_client_settings(host=self.host, port=self.port, username=self.user, tls=self.tls, ca=self.ca)


class ServerCall(ServerLogin):
    """Which server a command calls, and how long it waits for each answer."""

    timeout: Annotated[float, typer.Option("--timeout", min=0.1, max=3_600, help="seconds to wait for the server")] = (
        10.0
    )


class ScreenOptions(OptionGroup):
    """What a live screen does when an alert fires, and whether it shows money."""

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

    def settings(self) -> "ScreenSettings":
        """The settings with what the environment says; `ConfigError` where that is wrong."""
        from stocktrack.terminal.screen_settings import load_screen_settings

        return load_screen_settings(bell=self.bell, notify=self.notify, holdings=self.holdings)


AsJson = Annotated[bool, typer.Option("--json", help="print the server's reply, one JSON document")]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as typer takes it: the options of an `OptionGroup` stand in the place of the parameter that is one."""
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
            given[name] = group(**{option.name: given.pop(option.name) for option in group.options()})
        command(**given)

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    cast("Any", run).__signature__ = inspect.Signature(parameters)
    return run
