"""What a person wants of the terminal's screen: its bell, the desktop's notifications, and money on the board."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stocktrack.errors import ConfigError
from stocktrack.system.setting_sources import ClientVariable

_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})


class Notify(StrEnum):
    """By which escape sequence a terminal is asked to notify the desktop."""

    AUTO = "auto"  # the one that this terminal knows
    OSC9 = "osc9"
    OSC777 = "osc777"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """Whether alerts ring the bell, how they notify the desktop, and whether the board shows holdings."""

    bell: bool = True
    notify: Notify = Notify.AUTO
    holdings: bool = True


def load_screen_settings(
    *,
    bell: bool | None = None,
    notify: bool | None = None,
    holdings: bool | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ScreenSettings:
    """The settings from flags (None where not given) and the environment; `ConfigError` where one is wrong."""
    wanted = _notify(environment)
    if notify is not None:
        wanted = (Notify.AUTO if wanted is Notify.OFF else wanted) if notify else Notify.OFF
    return ScreenSettings(
        bell=_switch(bell, ClientVariable.BELL, environment),
        notify=wanted,
        holdings=_switch(holdings, ClientVariable.HOLDINGS, environment),
    )


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
