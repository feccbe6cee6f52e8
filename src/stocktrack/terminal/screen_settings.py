"""What a person wants of the terminal's screen: bell, notifications, money, and the columns and order of the board."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from stocktrack.errors import ConfigError
from stocktrack.system.setting_sources import ClientVariable
from stocktrack.terminal.board_choice import Order, columns_of, currency_of, order_of

_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})

Choice = TypeVar("Choice")


class Notify(StrEnum):
    """By which escape sequence a terminal is asked to notify the desktop."""

    AUTO = "auto"  # the one that this terminal knows
    OSC9 = "osc9"
    OSC777 = "osc777"
    OFF = "off"


class WrongFlagError(ConfigError):
    """What a flag says is wrong."""


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """Whether alerts ring the bell, how they notify the desktop, and what the board shows.

    Columns and order are None where nobody says them: then they are what the board remembers.
    """

    bell: bool = True
    notify: Notify = Notify.AUTO
    holdings: bool = True
    mouse: bool = True
    columns: tuple[str, ...] | None = None
    order: Order | None = None
    currency: str | None = None  # in which the board shows all money; None: each in its own


def load_screen_settings(
    *,
    bell: bool | None = None,
    notify: bool | None = None,
    holdings: bool | None = None,
    mouse: bool | None = None,
    columns: str | None = None,
    sort: str | None = None,
    currency: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ScreenSettings:
    """The settings from flags (None where not given) and the environment; `ConfigError` where one is wrong.

    Of a wrong flag it is a `WrongFlagError`.
    """
    wanted = _notify(environment)
    if notify is not None:
        wanted = (Notify.AUTO if wanted is Notify.OFF else wanted) if notify else Notify.OFF
    return ScreenSettings(
        bell=_switch(bell, ClientVariable.BELL, environment),
        notify=wanted,
        holdings=_switch(holdings, ClientVariable.HOLDINGS, environment),
        mouse=_switch(mouse, ClientVariable.MOUSE, environment),
        columns=_chosen(columns, "--columns", ClientVariable.COLUMNS, columns_of, environment),
        order=_chosen(sort, "--sort", ClientVariable.SORT, order_of, environment),
        currency=_chosen(currency, "--currency", ClientVariable.CURRENCY, currency_of, environment),
    )


def _chosen(
    given: str | None,
    flag: str,
    variable: ClientVariable,
    read: Callable[[str], Choice],
    environment: Mapping[str, str],
) -> Choice | None:
    if given is not None:
        try:
            return read(given)
        except ValueError as error:
            raise WrongFlagError(f"{flag} {given}: {error}.") from None
    if not (text := environment.get(variable, "").strip()):
        return None
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"{variable} = {text!r}: {error}.") from None


def _switch(flag: bool | None, variable: ClientVariable, environment: Mapping[str, str]) -> bool:
    text = environment.get(variable, "").lower()
    if text not in {"", *_ON, *_OFF}:
        raise ConfigError(f"{variable} = {text!r}: it is true or false.")
    return text not in _OFF if flag is None else flag


def _notify(environment: Mapping[str, str]) -> Notify:
    text = environment.get(ClientVariable.NOTIFY, "").lower()
    if text in _OFF:
        return Notify.OFF
    if text in {"", *_ON}:
        return Notify.AUTO
    if text not in set(Notify):
        raise ConfigError(f"{ClientVariable.NOTIFY} = {text!r}: it is auto, osc9, osc777 or off.")
    return Notify(text)
