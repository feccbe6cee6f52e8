"""Reads what Yahoo's endpoints answer: JSON in, our values out, without any I/O.

An answer is not trusted: what it lacks is left out, text is cleaned, and what cannot be true is refused with a
`ProviderError`. Yahoo says "Not Found" in so many words for a symbol it does not have; nothing else counts as that.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.reading import DAY_MS, MAX_TITLE_CHARS, link, objects, text
from stocktrack.providers.yahoo.payload import (
    ALL_DAY_MS,
    COIN,
    MAY_BE_NEGATIVE,
    NothingThere,
    epoch_seconds,
    garbled,
    market_time,
    module_of,
    number_in,
    only_result,
    period_of,
    positive_in,
    price_hint,
    section_of,
    without_float32_noise,
    zone_of_chart,
)
from stocktrack.quotes import (
    CompanyInfo,
    Dividend,
    Headline,
    MarketState,
    Match,
    Quote,
    TradingDay,
    change_since,
    major_currency,
    normalise_symbol,
)

MAX_SUMMARY_CHARS = 2000
# What the v7 endpoint is asked for, a third of a full row; it adds some fields that it always sends.
QUOTE_FIELDS = (
    *("symbol", "quoteType", "shortName", "longName", "currency", "exchange", "fullExchangeName", "marketState"),
    *("regularMarketPrice", "regularMarketTime", "regularMarketChange", "regularMarketChangePercent"),
    *("regularMarketPreviousClose", "regularMarketOpen", "regularMarketDayHigh", "regularMarketDayLow"),
    *("regularMarketVolume", "bid", "ask", "priceHint", "exchangeDataDelayedBy"),
    *("preMarketPrice", "preMarketTime", "postMarketPrice", "postMarketTime"),
    *("fiftyTwoWeekLow", "fiftyTwoWeekHigh", "marketCap", "trailingPE"),
)
COMPANY_FIELDS = (
    *("symbol", "quoteType", "shortName", "longName", "currency", "exchange", "fullExchangeName", "priceHint"),
    *("marketCap", "fiftyTwoWeekLow", "fiftyTwoWeekHigh", "trailingPE"),
)
_MARKET_STATES = {
    "REGULAR": MarketState.OPEN,
    "PRE": MarketState.PRE,
    "POST": MarketState.POST,
    # The night after the late trading and before the early one: nothing is traded.
    "PREPRE": MarketState.CLOSED,
    "POSTPOST": MarketState.CLOSED,
    "CLOSED": MarketState.CLOSED,
}
# A time further ahead of our clock than clocks differ is no time.
_MAX_AHEAD_MS = 300_000


@dataclass(frozen=True, slots=True)
class QuoteRows:
    """What one v7 answer said of the symbols it was asked; each stands in exactly one of the three.

    What it means that a symbol was left out, or has a row without a price, a chart has to say.
    """

    quotes: Mapping[str, Quote]
    left_out: tuple[str, ...]
    priceless: tuple[str, ...]


def read_quotes(payload: Any, symbols: Sequence[str], received_at: int) -> QuoteRows:
    """The rows of a v7 quote answer; `ProviderError` where it is none. Rows come in any order and may be left out."""
    rows = _rows(payload)
    quotes: dict[str, Quote] = {}
    for symbol in symbols:
        row = rows.get(symbol)
        if row is not None:
            state = _MARKET_STATES.get(str(row.get("marketState")), MarketState.UNKNOWN)
            quote = _quote(symbol, row, state, received_at)
            if quote is not None:
                quotes[symbol] = quote
    left_out = tuple(symbol for symbol in symbols if symbol not in rows)
    return QuoteRows(quotes, left_out, tuple(symbol for symbol in symbols if symbol in rows and symbol not in quotes))


def read_chart_quote(payload: Any, symbol: str, received_at: int) -> Quote | None:
    """The quote in the head of a chart of one day; None where Yahoo has no such symbol.

    `NothingThere` where the chart holds no price at all, another `ProviderError` where it lacks what it should have.
    """
    chart = only_result(payload, "chart")
    if chart is None:
        return None
    meta = section_of(chart, "meta")
    if meta.get("regularMarketPrice") is None and not chart.get("timestamp"):
        return None  # a name without a price and without one trade on record
    previous_close = meta.get("previousClose")
    if previous_close is None:
        # The close before the chart begins; of a chart of one day that is the previous one.
        previous_close = meta.get("chartPreviousClose")
    row = {
        **meta,
        "quoteType": meta.get("instrumentType"),
        "exchange": meta.get("exchangeName"),
        "regularMarketPreviousClose": previous_close,
    }
    quote = _quote(symbol, row, _state_by_hours(meta, received_at), received_at)
    if quote is None:
        kind = ProviderError if any(positive_in(close) for close in _closes(chart)) else NothingThere
        raise kind(Reason.PROVIDER_ERROR, f"Yahoo gave no usable price for {symbol}.")
    return quote


def read_company(payload: Any, symbol: str) -> CompanyInfo | None:
    """The company or fund of a quoteSummary answer; None where Yahoo has none.

    Only companies have an `assetProfile` with a sector; a coin has a description there, an index nothing.
    """
    summary = only_result(payload, "quoteSummary")
    if summary is None:
        return None
    profile, price = module_of(summary, "assetProfile"), module_of(summary, "price")
    detail, kind = module_of(summary, "summaryDetail"), module_of(summary, "quoteType")
    if not (profile or price or detail or kind):
        raise garbled("holds nothing on the company")
    employees = positive_in(profile.get("fullTimeEmployees"))
    currency = text(price.get("currency"), detail.get("currency"))
    market_cap = positive_in(price.get("marketCap")) or positive_in(detail.get("marketCap"))
    low, high = _year_range(detail, str(price.get("quoteType") or kind.get("quoteType")))
    return CompanyInfo(
        symbol=symbol,
        name=text(price.get("longName"), price.get("shortName"), kind.get("longName"), kind.get("shortName")),
        sector=text(profile.get("sector")),
        industry=text(profile.get("industry")),
        website=link(profile.get("website")),
        country=text(profile.get("country")),
        employees=int(employees) if employees is not None else None,
        exchange=text(price.get("exchangeName"), price.get("exchange"), kind.get("exchange")),
        currency=currency,
        market_cap=market_cap,
        # Yahoo multiplies the shares by the price in pounds, also where it gives the price in pence.
        market_cap_currency=major_currency(currency) if market_cap is not None else None,
        summary=text(profile.get("longBusinessSummary"), profile.get("description"), max_chars=MAX_SUMMARY_CHARS),
        fifty_two_week_low=low,
        fifty_two_week_high=high,
        trailing_pe=positive_in(detail.get("trailingPE")),
    )


def read_company_row(payload: Any, symbol: str) -> CompanyInfo | None:
    """What a v7 row tells of the company or fund; None where it tells no market value, as of an index."""
    row = _rows(payload).get(symbol, {})
    currency, market_cap = text(row.get("currency")), positive_in(row.get("marketCap"))
    if market_cap is None:
        return None
    low, high = _year_range(row, str(row.get("quoteType")))
    return CompanyInfo(
        symbol=symbol,
        name=text(row.get("longName"), row.get("shortName")),
        exchange=text(row.get("fullExchangeName"), row.get("exchange")),
        currency=currency,
        market_cap=market_cap,
        market_cap_currency=major_currency(currency),
        fifty_two_week_low=low,
        fifty_two_week_high=high,
        trailing_pe=positive_in(row.get("trailingPE")),
    )


def read_trading_day(payload: Any) -> TradingDay | None:
    """The hours of the market in the head of a chart; None where Yahoo has no such symbol, or tells no hours of it."""
    chart = only_result(payload, "chart")
    return None if chart is None else trading_day_in(section_of(chart, "meta"))


def trading_day_in(meta: Mapping[str, Any]) -> TradingDay | None:
    """The hours of the market in the head of a chart; None where it tells none.

    Of what is traded day and night, such as coins, currencies and futures, Yahoo says 00:00 to 23:59, weekends and
    breaks or not: these are no hours. Early and late hours that are empty, or lie elsewhere, are left out.
    """
    opens_at, closes_at = period_of(meta, "regular")
    if opens_at is None or closes_at is None or not 0 < closes_at - opens_at < ALL_DAY_MS:
        return None
    (pre_starts_at, _), (_, post_ends_at) = period_of(meta, "pre"), period_of(meta, "post")
    is_early = pre_starts_at is not None and 0 < opens_at - pre_starts_at < ALL_DAY_MS
    is_late = post_ends_at is not None and 0 < post_ends_at - closes_at < ALL_DAY_MS
    return TradingDay(
        pre_starts_at=pre_starts_at if is_early else None,
        opens_at=opens_at,
        closes_at=closes_at,
        post_ends_at=post_ends_at if is_late else None,
    )


def read_dividends(payload: Any) -> list[Dividend] | None:
    """The dividends among a chart's events, newest first; None where Yahoo has no such symbol.

    A dividend's time is the opening of its ex-date, so the date is that of the exchange's own zone.
    """
    chart = only_result(payload, "chart")
    if chart is None:
        return None
    zone = zone_of_chart(section_of(chart, "meta"))
    events = chart.get("events")
    paid = events.get("dividends") if isinstance(events, dict) else None
    entries = [entry for entry in paid.values() if isinstance(entry, dict)] if isinstance(paid, dict) else []
    dividends = []
    for entry in entries:
        seconds, amount = epoch_seconds(entry.get("date")), positive_in(entry.get("amount"))
        if seconds is not None and amount is not None:
            ex_date = datetime.fromtimestamp(seconds, zone).date()
            amount = without_float32_noise(amount, range(2, 7))
            # Its own currency, never that of the chart: a share in pence may pay dollars.
            dividends.append(Dividend(date=ex_date, amount=amount, currency=text(entry.get("currency"))))
    if entries and not dividends:
        raise garbled("holds dividends without dates or amounts")
    return sorted(dividends, key=lambda dividend: dividend.date, reverse=True)


def read_matches(payload: Any, limit: int) -> list[Match]:
    """At most `limit` symbols of a search answer, in Yahoo's order, the best first."""
    found = payload.get("quotes") if isinstance(payload, dict) else None
    if not isinstance(found, list):
        raise garbled("holds no list of matches")
    matches: dict[str, Match] = {}
    for entry in found:
        # Companies that are not listed come without a symbol.
        if isinstance(entry, dict) and isinstance(entry.get("symbol"), str):
            try:
                symbol = normalise_symbol(entry["symbol"])
            except ValueError:
                continue  # nobody could ask for it
            name = text(entry.get("longname"), entry.get("shortname"))
            exchange = text(entry.get("exchDisp"), entry.get("exchange"))
            matches.setdefault(symbol, Match(symbol=symbol, name=name, exchange=exchange))
    return list(matches.values())[:limit]


def read_headlines(payload: Any, symbol: str, now_ms: int) -> list[Headline]:
    """The headlines of `symbol`, the newest first and then those without a time.

    They are those of the news endpoint (entries with a `content`) or of a search (with a `publisher`), which finds
    other symbols' too: what says of itself which symbols it is of is left out where `symbol` is none of them.
    """
    headlines: dict[str, Headline] = {}
    for entry in _news_entries(payload):
        told = entry if (content := entry.get("content")) is None else content
        if not isinstance(told, dict) or entry.get("ad") or not _is_of(told, symbol):
            continue
        title = text(told.get("title"), max_chars=MAX_TITLE_CHARS)
        if title is None:
            continue
        published = _published(told, now_ms)
        publisher = text(module_of(told, "provider").get("displayName"), told.get("publisher"))
        links = (module_of(told, name).get("url") for name in ("canonicalUrl", "clickThroughUrl"))
        found = next((each for url in (*links, told.get("link")) if (each := link(url)) is not None), None)
        headline = Headline(title=title, source=publisher or "Yahoo Finance", link=found, published=published)
        mark = told.get("id") or told.get("uuid")
        headlines.setdefault(mark if isinstance(mark, str) else headline.model_dump_json(), headline)
    return sorted(headlines.values(), key=lambda each: (each.published is None, -(each.published or 0)))


def _news_entries(payload: Any) -> Sequence[Mapping[str, Any]]:
    fields = payload if isinstance(payload, dict) else {}
    is_search = "news" in fields
    found = fields["news"] if is_search else module_of(section_of(fields, "data"), "tickerStream").get("stream")
    if found is None:
        return []
    if not isinstance(found, list):
        raise garbled("holds no list of headlines")
    return objects(found)


def _is_of(told: Mapping[str, Any], symbol: str) -> bool:
    related = told.get("relatedTickers")
    return not isinstance(related, list) or not related or symbol in related


def _published(told: Mapping[str, Any], now_ms: int) -> int | None:
    """When an article was published; None where that is not told, or lies more than a day ahead."""
    published = market_time(told.get("providerPublishTime"))
    if published is None and isinstance(date := told.get("pubDate"), str):
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(date)
            published = round(moment.timestamp() * 1000) if moment.tzinfo is not None else None
    return published if published is None or 0 < published <= now_ms + DAY_MS else None


def _rows(payload: Any) -> Mapping[str, Mapping[str, Any]]:
    """The rows of a v7 answer by their symbols; `ProviderError` where it is none."""
    section = section_of(payload, "quoteResponse")
    result = section.get("result")
    if section.get("error") is not None or not isinstance(result, list):
        raise garbled("holds no list of quotes")
    return {row["symbol"]: row for row in result if isinstance(row, dict) and isinstance(row.get("symbol"), str)}


def _quote(symbol: str, row: Mapping[str, Any], state: MarketState, received_at: int) -> Quote | None:
    """The quote of a v7 row, or of a chart's head under the same names; None where there is no price.

    The price is the regular market's also before and after hours: change, day range and time belong to that one.
    """
    kind, hint = str(row.get("quoteType")), price_hint(row)
    money = partial(_money, row, kind)
    price = money("regularMarketPrice", may_be_zero=kind in MAY_BE_NEGATIVE)
    if price is None:
        return None
    given_change = number_in(row.get("regularMarketChange"))
    # Where Yahoo does not know a close, a bid, an opening or a day's range it writes 0. A close at zero is believed
    # where Yahoo counts the change from it.
    is_zero_meant = kind in MAY_BE_NEGATIVE and price != 0 and given_change == number_in(row.get("regularMarketPrice"))
    previous_close = money("regularMarketPreviousClose", may_be_zero=is_zero_meant)
    change: float | None
    change_percent: float | None
    if previous_close is not None:
        change, change_percent = change_since(previous_close, price)
    elif kind == COIN:
        change = change_percent = None  # Yahoo's is that of 24 hours
    else:
        change, change_percent = given_change, number_in(row.get("regularMarketChangePercent"))
    currency = text(row.get("currency"))
    volume, delay_minutes = number_in(row.get("regularMarketVolume")), number_in(row.get("exchangeDataDelayedBy"))
    timestamp = market_time(row.get("regularMarketTime"))
    extended, extended_time = _extended(row, kind, state, timestamp, received_at)
    extended_change, extended_change_percent = change_since(price, extended) if extended is not None else (None, None)
    low, high = _year_range(row, kind)
    market_cap = positive_in(row.get("marketCap"))
    return Quote(
        symbol=symbol,
        price=price,
        currency=currency,
        change=change,
        change_percent=change_percent,
        previous_close=previous_close,
        open=money("regularMarketOpen"),
        high=money("regularMarketDayHigh"),
        low=money("regularMarketDayLow"),
        volume=int(volume) if volume is not None and volume >= 0 else None,
        # Yahoo counts what is paid for a coin in 24 hours, not the coins.
        volume_currency=currency if kind == COIN and volume is not None and volume >= 0 else None,
        bid=money("bid"),
        ask=money("ask"),
        name=text(row.get("shortName"), row.get("longName")),
        exchange=text(row.get("fullExchangeName"), row.get("exchange")),
        market_state=state,
        timestamp=timestamp,
        received_at=received_at,
        provider="yahoo",
        delay_seconds=int(delay_minutes * 60) if delay_minutes is not None and delay_minutes >= 0 else None,
        extended_price=extended,
        extended_change=extended_change,
        extended_change_percent=extended_change_percent,
        extended_time=extended_time,
        fifty_two_week_low=low,
        fifty_two_week_high=high,
        market_cap=market_cap,
        market_cap_currency=major_currency(currency) if market_cap is not None else None,
        trailing_pe=positive_in(row.get("trailingPE")),
        price_hint=hint,
    )


def _extended(
    row: Mapping[str, Any], kind: str, state: MarketState, timestamp: int | None, received_at: int
) -> tuple[float | None, int | None]:
    """The last price outside the regular hours and its time: of the early and the late one that a row has, the newer.

    In an open market there is none, and none is older than the regular price: what a row may still have is the
    morning's. The night keeps the evening's, which is the last price there is. Of a price without a time the state
    says whether it is the newer one.
    """
    if state is MarketState.OPEN:
        return None, None
    named = "pre" if state is MarketState.PRE else None if state is MarketState.UNKNOWN else "post"
    found: list[tuple[float, float, int | None]] = []
    for name in ("pre", "post"):
        price, at = _money(row, kind, f"{name}MarketPrice"), market_time(row.get(f"{name}MarketTime"))
        if at is not None and at > received_at + _MAX_AHEAD_MS:
            at = None
        is_older = at is not None and timestamp is not None and at < timestamp
        if price is not None and not is_older and (at is not None or name == named):
            found.append((math.inf if at is None else at, price, at))
    if not found:
        return None, None
    _, newest, its_time = max(found, key=lambda each: each[0])
    return newest, its_time


def _year_range(fields: Mapping[str, Any], kind: str) -> tuple[float | None, float | None]:
    """The lowest and the highest price of a year; neither where the two contradict each other."""
    low, high = _money(fields, kind, "fiftyTwoWeekLow"), _money(fields, kind, "fiftyTwoWeekHigh")
    return (None, None) if low is not None and high is not None and low > high else (low, high)


def _money(fields: Mapping[str, Any], kind: str, name: str, *, may_be_zero: bool = False) -> float | None:
    """A price, without the noise of float32; zero and below only where what is priced may be there."""
    value = number_in(fields.get(name))
    if value is None or (value < 0 and kind not in MAY_BE_NEGATIVE) or (value == 0 and not may_be_zero):
        return None
    hint = price_hint(fields)
    return without_float32_noise(value, (2 if hint is None else hint,))


def _state_by_hours(meta: Mapping[str, Any], now_ms: int) -> MarketState:
    """The state of the market by the trading hours in a chart's head, which has no state of its own."""
    if meta.get("instrumentType") == COIN:
        return MarketState.OPEN  # the hours say 00:00 to 23:59
    names = {"regular": MarketState.OPEN, "pre": MarketState.PRE, "post": MarketState.POST}
    for name, state in names.items():
        begins, ends = period_of(meta, name)
        if begins is None or ends is None:
            return MarketState.UNKNOWN
        if begins <= now_ms < ends:
            return state
    return MarketState.CLOSED


def _closes(chart: Mapping[str, Any]) -> Sequence[Any]:
    """The closing prices of a chart's bars, as they come."""
    quote = module_of(chart, "indicators").get("quote")
    closes = quote[0].get("close") if isinstance(quote, list) and quote and isinstance(quote[0], dict) else None
    return closes if isinstance(closes, list) else ()
