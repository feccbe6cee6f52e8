"""Sources that others wrote: found among the installed packages by their entry points, and checked before use.

`docs/providers.md` says how one is written. Its package is imported only where the setting `providers` names it.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError, SourceUnusable
from stocktrack.providers.base import CAPABILITIES, Budget, Capability, Provider

GROUP = "stocktrack.providers"


def _is_count(value: Any, *, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_budget(value: Any) -> bool:
    limits = (value.requests_per_minute, value.requests_per_second) if isinstance(value, Budget) else (0,)
    return all(limit is None or _is_count(limit) for limit in limits)


# What every source has, beside its capabilities; each with what it has to be.
_MEMBERS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str), "a text"),
    "is_free": (lambda value: isinstance(value, bool), "True or False"),
    "budget": (_is_budget, "a Budget of whole numbers above zero"),
    "serves": (callable, "a method"),
    "start": (callable, "a coroutine method"),
    "close": (callable, "a coroutine method"),
}
# What is no method of what the capabilities take.
_FIGURES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "symbols_a_request": (_is_count, "a whole number above zero"),
    "stream_places": (lambda value: value is None or _is_count(value, least=0), "a whole number, or None"),
}
_METHOD: tuple[Callable[[Any], bool], str] = (callable, "a coroutine method")
_ABSENT: Any = object()


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


def _member(made: object, name: str) -> Any:
    """What `made` has under this name, or `_ABSENT`; `_UnfitError` where looking fails."""
    try:
        return getattr(made, name, _ABSENT)
    except Exception as error:
        raise _UnfitError(f"its {name} failed: {_told(error)}") from error


def _check_value(name: str, value: Any, rule: tuple[Callable[[Any], bool], str]) -> None:
    is_right, what = rule
    if not is_right(value):
        raise _UnfitError(f"its {name} is {value!r}, and has to be {what}.")


def _check(made: object, name: str) -> None:
    """`_UnfitError` where what was made is no source of this name."""
    has = {member: _member(made, member) for member in _MEMBERS}
    if missing := [member for member, value in has.items() if value is _ABSENT]:
        raise _UnfitError(f"its {type(made).__name__} is no source: it lacks {', '.join(missing)}.")
    for member, value in has.items():
        _check_value(member, value, _MEMBERS[member])
    if has["name"] != name:
        raise _UnfitError(f"it calls itself {has['name']!r}: its `name` has to be that of its entry point.")
    _check_rule(made)
    # Each is looked at, also where the first is there.
    offered = [capability for capability, members in CAPABILITIES.items() if _offers(made, capability, members)]
    if not offered:
        raise _UnfitError(f"it offers nothing: it has none of {', '.join(map(str, CAPABILITIES))}.")


def _offers(made: object, capability: Capability, members: Collection[str]) -> bool:
    """Whether it has a capability; `_UnfitError` where it has a part of it, or something else under such a name."""
    has = {member: value for member in members if (value := _member(made, member)) is not _ABSENT}
    if has and len(has) < len(members):
        lacks = ", ".join(sorted(set(members) - set(has)))
        raise _UnfitError(f"it has {', '.join(has)} and lacks {lacks}: {capability} takes both.")
    for member, value in has.items():
        _check_value(member, value, _FIGURES.get(member, _METHOD))
    return bool(has)
