"""Names to sources. A source's module, and the library under it, is imported only when it is asked for."""

from collections.abc import Callable, Mapping

from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError
from stocktrack.providers.base import Provider


def _simulated(settings: Settings, clock: Clock) -> Provider:
    from stocktrack.providers.simulated import SimulatedProvider

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
    from stocktrack.providers.rss.provider import RssProvider

    return RssProvider(
        feeds=settings.news_feeds,
        headlines_per_feed=settings.max_headlines_per_feed,
        timeout_seconds=settings.provider_timeout_seconds,
        clock=clock,
    )


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


SOURCES: Mapping[str, Callable[[Settings, Clock], Provider]] = {
    "yahoo": _yahoo,
    "finnhub": _finnhub,
    "openalgo": _openalgo,
    "rss": _rss,
    "simulated": _simulated,
}
_INVENTED, _REAL_PRICES = "simulated", frozenset({"yahoo", "finnhub", "openalgo"})


def build_providers(settings: Settings, clock: Clock) -> tuple[Provider, ...]:
    """The sources that the setting `providers` names, in its order; `ConfigError` where they cannot be used."""
    for name in settings.providers:
        if name not in SOURCES:
            raise ConfigError(f"providers = {name!r}: there is no such source; there are {', '.join(SOURCES)}.")
    if _INVENTED in settings.providers and (real := _REAL_PRICES & set(settings.providers)):
        raise ConfigError(
            f"providers = {', '.join(settings.providers)}: invented prices beside those of {', '.join(real)} could be "
            "taken for real ones. Choose one of the two."
        )
    return tuple(SOURCES[name](settings, clock) for name in settings.providers)
