"""Sources that others wrote: found among the installed packages by their entry points, and checked before use.

`docs/providers.md` says how one is written. Its package is imported only where the setting `providers` names it.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError, SourceUnusable
from stocktrack.providers.base import CAPABILITIES, Budget, Provider

GROUP = "stocktrack.providers"

# What every source has, beside its capabilities; each with what it has to be.
_MEMBERS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str), "a text"),
    "is_free": (lambda value: isinstance(value, bool), "True or False"),
    "budget": (lambda value: isinstance(value, Budget), "a Budget"),
    "serves": (callable, "a method"),
    "start": (callable, "a coroutine method"),
    "close": (callable, "a coroutine method"),
}


class InstalledSources:
    """The sources that the installed packages offer, as they were found at the first look; by their names."""

    def __init__(self) -> None:
        self._offers: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=GROUP):
            self._offers.setdefault(entry.name, []).append(entry)

    @property
    def names(self) -> tuple[str, ...]:
        """What can stand in the setting `providers`."""
        return tuple(sorted(self._offers))

    def packages(self, name: str) -> str:
        """Who offers the source of this name."""
        return " and ".join(sorted(_package(entry) for entry in self._offers[name]))

    def build(self, name: str, settings: Settings, clock: Clock) -> Provider:
        """The source of this name; `ConfigError` says what is wrong with it, and whose it is."""
        entry, *others = self._offers[name]
        if others:
            raise ConfigError(f"providers = {name!r}: {self.packages(name)} offer this source. Uninstall all but one.")
        try:
            provider = _made(entry, settings, clock)
            _check(provider, name)
        except _UnfitError as error:
            raise ConfigError(f"providers = {name!r}: {_package(entry)} offers this source, and {error}") from error
        return provider


class _UnfitError(Exception):
    """Why what a package offers cannot be used; goes on where a sentence has begun."""


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _made(entry: EntryPoint, settings: Settings, clock: Clock) -> Provider:
    """What the entry point makes of the settings, whatever it is."""
    try:
        make = entry.load()
    except (Exception, SystemExit) as error:
        raise _UnfitError(f"{entry.value} cannot be imported: {_told(error)}") from error
    if not callable(make):
        raise _UnfitError(f"{entry.value} is no function and no class: it has to take (settings, clock).")
    try:
        made: Provider = make(settings, clock)
    except ConfigError:
        raise
    except SourceUnusable as error:
        raise _UnfitError(f"it cannot be used: {error.message}") from error
    except (Exception, SystemExit) as error:
        raise _UnfitError(f"{entry.value}(settings, clock) failed: {_told(error)}") from error
    return made


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text.removesuffix('.')}." if text else f"{type(error).__name__}."


def _check_rule(made: Any) -> None:
    """`_UnfitError` where its rule for symbols fails or is none: the market asks it for each symbol of each command."""
    try:
        says = made.serves("AAPL")
    except Exception as error:
        raise _UnfitError(f"its serves('AAPL') failed: {_told(error)}") from error
    if inspect.iscoroutine(says):
        says.close()
        raise _UnfitError("its serves is a coroutine, and has to be a plain method: it is asked without waiting.")
    if not isinstance(says, bool):
        raise _UnfitError(f"its serves('AAPL') is {says!r}, and has to be True or False.")


def _check(made: object, name: str) -> None:
    """`_UnfitError` where what was made is no source of this name."""
    if missing := [member for member in _MEMBERS if not hasattr(made, member)]:
        raise _UnfitError(f"its {type(made).__name__} is no source: it lacks {', '.join(missing)}.")
    for member, (is_right, what) in _MEMBERS.items():
        value = getattr(made, member)
        if not is_right(value):
            raise _UnfitError(f"its {member} is {value!r}, and has to be {what}.")
    if (called := getattr(made, "name", None)) != name:
        raise _UnfitError(f"it calls itself {called!r}: its `name` has to be that of its entry point.")
    _check_rule(made)
    offered = []
    for capability, members in CAPABILITIES.items():
        has = [member for member in members if hasattr(made, member)]
        if has and len(has) < len(members):
            lacks = ", ".join(sorted(set(members) - set(has)))
            raise _UnfitError(f"it has {', '.join(has)} and lacks {lacks}: {capability} takes both.")
        if has:
            offered.append(capability)
    if not offered:
        raise _UnfitError(f"it offers nothing: it has none of {', '.join(map(str, CAPABILITIES))}.")
