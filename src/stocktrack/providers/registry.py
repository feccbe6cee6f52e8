"""Names to sources. A source's module, and the library under it, is imported only when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError, extra_hint
from stocktrack.providers.base import Capability, Provider, capabilities_of
from stocktrack.providers.installed import InstalledSources


def _simulated(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.simulated.provider import SimulatedProvider

    return SimulatedProvider(
        interval_seconds=settings.simulated_interval_seconds, seed=settings.simulated_seed, clock=clock
    )


def _yahoo(settings: Settings, clock: Clock) -> Provider:
    timeout_seconds, cache_dir = settings.provider_timeout_seconds, settings.data_dir / "yfinance"
    if settings.yahoo_stream:
        from stocktrack.providers.yahoo.stream import StreamingYahooProvider

        return StreamingYahooProvider(
            timeout_seconds=timeout_seconds, cache_dir=cache_dir, clock=clock, stream_url=settings.yahoo_stream_url
        )
    from stocktrack.providers.yahoo.provider import YahooProvider

    return YahooProvider(timeout_seconds=timeout_seconds, cache_dir=cache_dir, clock=clock)


def _rss(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.rss.provider import RssProvider, SymbolRssProvider

    arguments: dict[str, Any] = {
        "feeds": settings.news_feeds,
        "headlines_per_feed": settings.max_headlines_per_feed,
        "timeout_seconds": settings.provider_timeout_seconds,
        "clock": clock,
    }
    if settings.symbol_news_feed is None:
        return RssProvider(**arguments)
    return SymbolRssProvider(symbol_feed=settings.symbol_news_feed, **arguments)


def _finnhub(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.finnhub.provider import FinnhubProvider

    return FinnhubProvider(
        key=settings.finnhub_api_key,
        key_file=settings.finnhub_api_key_file,
        rest_url=settings.finnhub_rest_url,
        ws_url=settings.finnhub_ws_url,
        timeout_seconds=settings.provider_timeout_seconds,
        clock=clock,
    )


def _redis(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.redis.provider import RedisProvider

    return RedisProvider(*settings.redis_url, timeout_seconds=settings.provider_timeout_seconds, clock=clock)


def _openalgo(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.openalgo.provider import OpenAlgoProvider

    return OpenAlgoProvider(
        url=settings.openalgo_url,
        rest_url=settings.openalgo_rest_url,
        api_key=settings.openalgo_api_key,
        api_key_file=settings.openalgo_api_key_file,
        timeout_seconds=settings.provider_timeout_seconds,
        clock=clock,
    )


def _kafka(settings: Settings, clock: Clock) -> Provider:
    try:
        from stocktrack.providers.kafka.provider import KafkaProvider
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "aiokafka":
            raise
        raise ConfigError(f"The source kafka needs the library aiokafka. {extra_hint('kafka')}.") from None

    return KafkaProvider(url=settings.kafka_url, clock=clock)


def _replay(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.replay import ReplayProvider

    return ReplayProvider(settings.replay_file, speed=settings.replay_speed, loops=settings.replay_loop, clock=clock)


SOURCES: Mapping[str, Callable[[Settings, Clock], Provider]] = {
    "yahoo": _yahoo,
    "finnhub": _finnhub,
    "openalgo": _openalgo,
    "redis": _redis,
    "kafka": _kafka,
    "rss": _rss,
    "simulated": _simulated,
    "replay": _replay,
}
# What is no price of this moment, and what it is.
_NOT_LIVE: Mapping[str, str] = {"simulated": "invented", "replay": "recorded"}
_PRICES = frozenset({Capability.QUOTES, Capability.STREAM})


def build_providers(
    settings: Settings, clock: Clock, warn: Callable[[str], object] = lambda _: None
) -> tuple[Provider, ...]:
    """The sources that the setting `providers` names, in its order; `ConfigError` where they cannot be used.

    Ours are tried first, then those of the installed packages. What is no error is told to `warn`, as a sentence.
    """
    installed = InstalledSources()
    for name in settings.providers:
        if name not in SOURCES and name not in installed.names:
            raise ConfigError(_no_such_source(name, installed.names))
        if name in SOURCES and name in installed.names:
            warn(f"providers = {name!r} is StockTrack's own source; {installed.packages(name)} offers another one.")
    for name in settings.sources:
        if name in SOURCES:
            warn(
                f"sources.{name} is ignored: {name} is StockTrack's own source, whose settings have names of their own."
            )
        elif name not in settings.providers:
            warn(f"sources.{name} is ignored: providers does not name {name}.")
    providers = tuple(
        SOURCES[name](settings, clock) if name in SOURCES else installed.build(name, settings, clock)
        for name in settings.providers
    )
    priced = [each.name for each in providers if _PRICES & capabilities_of(each)]
    for name in priced:
        others = [other for other in priced if other != name]
        if name in _NOT_LIVE and others:
            raise ConfigError(
                f"providers = {', '.join(settings.providers)}: {_NOT_LIVE[name]} prices beside those of "
                f"{', '.join(others)} could be taken for real ones. Choose one of the two."
            )
    return providers


def _no_such_source(name: str, installed: Sequence[str]) -> str:
    near = get_close_matches(name.lower(), [*SOURCES, *installed], n=1)
    meant = f"did you mean {near[0]}? There" if near else "there"
    others = f", and of installed packages {', '.join(installed)}" if installed else ""
    return (
        f"providers = {name!r}: there is no such source; {meant} are {', '.join(SOURCES)}{others}. "
        "A source that others wrote has to be installed where StockTrack is."
    )
