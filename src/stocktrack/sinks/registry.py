"""Addresses to sinks. A sink's module, and the library under it, is imported only when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stocktrack.clock import Clock
from stocktrack.errors import ConfigError, extra_hint
from stocktrack.sinks.base import Sink, shown_address
from stocktrack.sinks.outlet import Outlet


def _redis(url: str, instance: str) -> Sink:
    from stocktrack.sinks.redis import RedisSink

    return RedisSink(url, instance)


def _kafka(url: str, instance: str) -> Sink:
    from stocktrack.sinks.kafka import KafkaSink

    return KafkaSink(url, instance)


def _file(url: str, _instance: str) -> Sink:
    from stocktrack.sinks.files import FileSink

    return FileSink(Path(unquote(urlsplit(url).path)))


SINKS: Mapping[str, Callable[[str, str], Sink]] = {
    "redis": _redis,
    "rediss": _redis,
    "unix": _redis,
    "kafka": _kafka,
    "file": _file,
}
_REDIS = frozenset({"redis", "rediss", "unix"})
# The library that a scheme needs, and the extra that brings it.
_EXTRAS = {**dict.fromkeys(_REDIS, ("redis", "redis")), "kafka": ("aiokafka", "kafka")}


def build_sink(url: str, instance: str) -> Sink:
    """The sink of an address that the settings have checked; `ConfigError` where this server cannot publish there."""
    scheme = urlsplit(url).scheme
    try:
        return SINKS[scheme](url, instance)
    except ImportError as error:
        library, extra = _EXTRAS.get(scheme, ("", ""))
        if (error.name or "").partition(".")[0] != library:
            raise
        needs = f"publish_to = {shown_address(url)!r} needs the library {library}."
        raise ConfigError(f"{needs} {extra_hint(extra)}.") from None


def build_outlets(urls: Sequence[str], instance: str, clock: Clock) -> Sequence[Outlet]:
    """What keeps the sinks of these addresses supplied.

    Redis gets quotes also when their source only confirms them: what is not written again expires there.
    """
    outlets: list[Outlet] = []
    for url in urls:
        outlet = Outlet(build_sink(url, instance), clock, takes_renewals=urlsplit(url).scheme in _REDIS)
        # Two that differ only in what is not shown, as their password, are told apart by a number.
        same = sum(1 for other in outlets if other.name.partition(" ")[0] == outlet.name)
        outlet.name += f" ({same + 1})" if same else ""
        outlets.append(outlet)
    return outlets
