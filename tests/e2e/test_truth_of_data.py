"""What sources tell in odd units, zones and states, through the real yfinance and feedparser to every door."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cli_process
from live_server import PASSWORD, LiveServer, live_server
from patient_http import patient_http
from recorded_yahoo import RecordedYahoo, recorded_yahoo
from stocktrack.clock import RealClock
from stocktrack.providers.rss.provider import SymbolRssProvider
from stocktrack.providers.yahoo.provider import YahooProvider
from yahoo_redirect import send_yahoo_to
from yahoo_stub import Fields, chart, in_envelope, row

AT = 1_712_331_900  # Fri, 05 Apr 2024 15:45:00 GMT
# Shares in a part of a currency, each with the whole one: pence, cents of South Africa, agorot, fils.
IN_PARTS = {"MINE.L": ("GBp", "GBP"), "GOLD.JO": ("ZAc", "ZAR"), "CHIP.TA": ("ILA", "ILS"), "BANK.KW": ("KWF", "KWD")}
ROWS = (
    *(row(symbol, 2850.5, currency=part) for symbol, (part, _) in IN_PARTS.items()),
    row("GRAIN=F", 451.25, currency="USX", quoteType="FUTURE"),
    row("COIN-EUR", 100.0, currency="EUR", quoteType="CRYPTOCURRENCY", regularMarketPreviousClose=125.0,
        regularMarketChange=3.0, regularMarketChangePercent=3.1, regularMarketVolume=5_000_000_000),
    row("^YIELD", 0.0, quoteType="INDEX", regularMarketPreviousClose=0.04, regularMarketChange=-0.04),
    row("OIL=F", -37.63, quoteType="FUTURE", regularMarketPreviousClose=18.27),
    row("LATE", marketState="POSTPOST"),
    row("EARLY", marketState="PREPRE"),
    row("EVENING", marketState="POST", priceHint=4, postMarketPrice=102.5, postMarketTime=AT + 600, preMarketPrice=98.0,
        preMarketTime=AT - 9_000),
    row("NIGHT", marketState="POSTPOST", postMarketPrice=102.5, postMarketTime=AT + 600),
    row("MIDDAY", postMarketPrice=102.5, postMarketTime=AT - 60_000, preMarketPrice=98.0, preMarketTime=AT - 9_000),
    row("TIMELESS", regularMarketTime=None),
    row("HOLLOW", None),
    row("CHARTED", None),
    row("SOUND"),
    row("VENOM"),
)  # fmt: skip
DIVIDENDS = {
    "1707489000": {"amount": 0.358, "date": 1_707_489_000, "currency": "USD"},
    "1699540200": {"amount": 27.1, "date": 1_699_540_200, "currency": "GBp"},
    "1691760600": {"amount": 25.0, "date": 1_691_760_600},
}
FEED = """<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Q&A</title>
<item><title>Ford <F.N> & GM</title><link>http://wire.test/ford's day</link><guid>1</guid>
 <pubDate>Fri, 05 Apr 2024 17:40:00 CEST</pubDate></item>
<item><title>Halted</title><link>http://wire.test/halts</link><guid>2</guid>
 <pubDate>Fri, 05 Apr 2024 15:30:00 GMT</pubDate></item>
<item><title>Resumed</title><link>http://wire.test/halts</link><guid>3</guid>
 <pubDate>Sat, 06 Apr 2024 00:20:00 JST</pubDate></item>
<item><title>Undated</title><link>http://wire.test/4</link><guid>4</guid>
 <pubDate>Fri, 05 Apr 2024 21:00:00 IST</pubDate></item>
</channel></rss>"""


@dataclass
class Scene:
    server: LiveServer
    yahoo: RecordedYahoo
    home: Path

    async def ask(self, kind: str, **fields: Any) -> Fields:
        """The reply to one command."""
        client = await self.server.log_in()
        return await client.ask({"type": kind, **fields})

    async def quotes(self, *symbols: str) -> dict[str, Fields]:
        """The quotes of `symbols`, by symbol."""
        return {quote["symbol"]: quote for quote in (await self.ask("GET", symbols=symbols))["quotes"]}

    async def printed(self, *arguments: str) -> list[list[str]]:
        """What a command of the shell prints into a pipe."""
        return (await cli_process.run(*arguments, home=self.home, port=self.server.port)).rows


def write_answers(folder: Path) -> None:
    """The made up answers, laid out as the local Yahoo reads them."""
    answers: dict[str, Any] = {f"quote/{each['symbol']}": in_envelope("quoteResponse", [each]) for each in ROWS}
    charts = {
        "MINE.L": chart("MINE.L", 2850.5, DIVIDENDS, currency="GBp", regularMarketTime=AT),
        "CHARTED": chart("CHARTED", 7.25),
    }
    answers |= {f"chart/{symbol}": in_envelope("chart", [each]) for symbol, each in charts.items()}
    for symbol, (part, _) in IN_PARTS.items():
        price = {"longName": symbol, "currency": part, "marketCap": 171_030_000_000}
        answers[f"quoteSummary/{symbol}"] = in_envelope("quoteSummary", [{"price": price}])
    for name, answer in answers.items():
        file = folder / "yahoo" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(answer), encoding="utf-8")
    (folder / "rss").mkdir()
    (folder / "rss" / "wire.xml").write_text(FEED, encoding="utf-8")
    (folder / "rss" / "SOUND.xml").write_text(FEED.replace("Q&A", "Sound news | Wire"), encoding="utf-8")


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    write_answers(tmp_path / "answers")
    async with recorded_yahoo(rebase="off", fixtures=tmp_path / "answers") as yahoo:
        send_yahoo_to(yahoo.url, monkeypatch)
        clock = RealClock()
        sources = (
            YahooProvider(timeout_seconds=20, cache_dir=tmp_path / "cache", clock=clock),
            SymbolRssProvider(
                feeds=[f"{yahoo.url}/rss/wire.xml"],
                symbol_feed=f"{yahoo.url}/rss/{{symbol}}.xml",
                headlines_per_feed=50,
                timeout_seconds=20,
                clock=clock,
            ),
        )
        async with live_server(tmp_path / "data", *sources, web=True) as server:
            yield Scene(server, yahoo, tmp_path)


async def test_what_is_counted_in_the_whole_currency_says_so_beside_a_price_in_a_part_of_it(scene: Scene) -> None:
    quotes = await scene.quotes(*IN_PARTS, "GRAIN=F")

    assert {symbol: quote["currency"] for symbol, quote in quotes.items()} == {
        **{symbol: part for symbol, (part, _) in IN_PARTS.items()},
        "GRAIN=F": "USX",
    }
    for symbol, (part, whole) in IN_PARTS.items():
        company = (await scene.ask("INFO", symbol=symbol))["company"]
        assert (company["currency"], company["market_cap"], company["market_cap_currency"]) == (part, 171.03e9, whole)
    assert ["market cap", "171030000000", "GBP"] in await scene.printed("info", "MINE.L")


async def test_a_dividend_is_told_in_its_own_currency_at_every_door(scene: Scene) -> None:
    await scene.quotes("MINE.L")  # the board knows its price in pence
    reply = await scene.ask("DIVIDENDS", symbol="MINE.L")
    async with patient_http(base_url=f"{scene.server.web_url}/api/v1") as http:
        token = (await http.post("login", json={"username": "ann", "password": PASSWORD})).json()["token"]
        rest = (await http.get("dividends/MINE.L", headers={"Authorization": f"Bearer {token}"})).json()

    told = [(each["amount"], each.get("currency")) for each in reply["dividends"]]
    assert told == [(0.358, "USD"), (27.1, "GBp"), (25.0, None)]
    assert "currency" not in reply
    assert rest["dividends"] == reply["dividends"]
    assert [line[1:3] for line in await scene.printed("dividends", "MINE.L")] == [
        ["0.358", "USD"],
        ["27.1", "GBp"],
        ["25", ""],
    ]


async def test_a_change_is_since_the_close_that_stands_beside_it(scene: Scene) -> None:
    coin = (await scene.quotes("COIN-EUR"))["COIN-EUR"]

    assert (coin["previous_close"], coin["change"], coin["change_percent"]) == (125.0, -25.0, -20.0)
    assert (coin["volume"], coin["volume_currency"]) == (5_000_000_000, "EUR")


async def test_prices_at_zero_and_below_are_prices(scene: Scene) -> None:
    quotes = await scene.quotes("^YIELD", "OIL=F")

    assert [(quote["price"], quote["change"]) for quote in quotes.values()] == [(0.0, -0.04), (-37.63, -55.9)]
    assert quotes["^YIELD"]["change_percent"] == -100.0


async def test_the_nights_around_the_extended_hours_are_closed(scene: Scene) -> None:
    quotes = await scene.quotes("LATE", "EARLY", "SOUND")

    assert [quote["market_state"] for quote in quotes.values()] == ["closed", "closed", "open"]


async def test_a_price_after_hours_stands_beside_the_regular_one_and_is_pushed_while_it_moves(scene: Scene) -> None:
    client = await scene.server.log_in()
    told = {
        "extended_price": 102.5,
        "extended_change": 1.0,
        "extended_change_percent": 0.985222,
        "extended_time": (AT + 600) * 1000,
    }

    quotes = await scene.quotes("EVENING", "NIGHT", "MIDDAY")
    await client.ask({"type": "SUBSCRIBE", "symbols": list(quotes), "interval": 0, "save": False})
    pushed = {price["symbol"]: price for price in [await client.receive_until("PRICE") for _ in quotes]}

    def extended(fields: Fields) -> Fields:
        return {name: value for name, value in fields.items() if name.startswith("extended")}

    assert {symbol: quote["price"] for symbol, quote in quotes.items()} == dict.fromkeys(quotes, 101.5)
    assert {symbol: extended(quote) for symbol, quote in quotes.items()} == {
        "EVENING": told,
        "NIGHT": told,
        "MIDDAY": {},
    }
    assert {symbol: extended(price) for symbol, price in pushed.items()} == {"EVENING": told, "NIGHT": {}, "MIDDAY": {}}
    assert {symbol: price.get("price_hint") for symbol, price in pushed.items()} == {
        "EVENING": 4,
        "NIGHT": None,
        "MIDDAY": None,
    }
    assert {symbol: quote["price_hint"] for symbol, quote in quotes.items()} == {"EVENING": 4, "NIGHT": 2, "MIDDAY": 2}


async def test_a_row_without_a_price_is_looked_for_in_the_chart_and_then_unknown(scene: Scene) -> None:
    reply = await scene.ask("SUBSCRIBE", symbols=["SOUND", "CHARTED", "HOLLOW"])
    saved = await scene.ask("MY_STOCKS")

    assert reply["missing"] == [{"symbol": "HOLLOW", "code": 404, "reason": "unknown_symbol"}]
    assert reply["pending"] == []
    assert saved["symbols"] == ["SOUND", "CHARTED"]
    assert [quote["price"] for quote in saved["quotes"]] == [101.5, 7.25]


@pytest.mark.parametrize("status", ["400", "500"])
async def test_one_symbol_that_yahoo_fails_at_is_nobody_elses_trouble(scene: Scene, status: str) -> None:
    await scene.yahoo.fault("quote", status, symbol="VENOM")

    reply = await scene.ask("GET", symbols=[*IN_PARTS, "VENOM", "SOUND", "LATE", "EARLY"])

    assert [quote["symbol"] for quote in reply["quotes"]] == [*IN_PARTS, "SOUND", "LATE", "EARLY"]
    assert reply["missing"] == [{"symbol": "VENOM", "code": 404, "reason": "unknown_symbol"}]


async def test_a_time_that_the_source_does_not_tell_is_told_at_no_door(scene: Scene) -> None:
    quotes = await scene.quotes("TIMELESS", "SOUND")
    async with patient_http(base_url=scene.server.web_url) as http:
        token = (await http.post("/api/v1/login", json={"username": "ann", "password": PASSWORD})).json()["token"]
        rest = await http.get(
            "/api/v1/quotes", params={"symbols": "TIMELESS"}, headers={"Authorization": f"Bearer {token}"}
        )

    assert quotes["SOUND"]["timestamp"] == AT * 1000
    assert "timestamp" not in quotes["TIMELESS"]
    assert "timestamp" not in rest.json()["quotes"][0]
    [line] = await scene.printed("get", "TIMELESS")
    assert (line[0], line[6]) == ("TIMELESS", "")


async def test_headlines_are_told_as_they_are_with_their_own_times(scene: Scene) -> None:
    reply = await scene.ask("NEWS", limit=50)

    assert [(each["title"], each["link"], each.get("published")) for each in reply["articles"]] == [
        ("Ford <F.N> & GM", "http://wire.test/ford's%20day", (AT - 300) * 1000),
        ("Halted", "http://wire.test/halts", (AT - 900) * 1000),
        ("Resumed", "http://wire.test/halts", (AT - 1500) * 1000),
        ("Undated", "http://wire.test/4", None),
    ]
    assert {each["source"] for each in reply["articles"]} == {"Q&A"}
    assert (await scene.printed("news"))[3][:3] == ["Undated", "Q&A", ""]


async def test_news_of_a_symbol_come_from_its_own_feed_where_yahoo_has_none(scene: Scene) -> None:
    reply = await scene.ask("NEWS", symbol="sound", limit=2)
    async with patient_http(base_url=f"{scene.server.web_url}/api/v1") as http:
        token = (await http.post("login", json={"username": "ann", "password": PASSWORD})).json()["token"]
        params = {"symbol": "SOUND", "limit": "2"}
        rest = (await http.get("news", params=params, headers={"Authorization": f"Bearer {token}"})).json()

    assert reply["symbol"] == "SOUND"
    told = [(each["title"], each["source"]) for each in reply["articles"]]
    assert told == [("Ford <F.N> & GM", "Sound news"), ("Halted", "Sound news")]
    assert rest == reply
    assert [row[0] for row in await scene.printed("news", "SOUND", "--limit", "1")] == ["Ford <F.N> & GM"]
    assert (await scene.ask("NEWS", symbol="LATE"))["reason"] == "no_news"
    assert (await scene.ask("NEWS", symbol="NOPE"))["reason"] == "unknown_symbol"
