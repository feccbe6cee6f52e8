"""The contract suite itself: a provider in an outage, one that hangs, and providers that break their promises."""

import ast
import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from house import MODULES
from stocktrack.bars import DAY_MS, Bar, BarInterval, Split
from stocktrack.clock import settle
from stocktrack.errors import CommandError, ProviderError, Reason, SourceUnusable
from stocktrack.providers.base import QUESTION, BarLimit, Errand, QuoteAnswer, Source, SourceBars, StreamSink, Wanted
from stocktrack.providers.registry import SOURCES
from stocktrack.quotes import CompanyInfo, Headline, MarketState, Quote, TradingDay
from stocktrack.testing import (
    BrokenStreamContract,
    CompanyContract,
    HangingContract,
    HistoryContract,
    HoursContract,
    NewsContract,
    NotOfferedContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    StreamContract,
    Subject,
    SymbolNewsContract,
    UnusableContract,
)

# Sources that nobody can be out of order for: one invents its prices, the other reads them from a file.
ASK_NOBODY = {"simulated", "replay"}


class Scripted(Source):
    """A provider of quotes, news and companies whose source does one thing, whatever it is asked."""

    name = "scripted"
    symbols_a_request = 50

    def __init__(self, *, hangs: bool = False) -> None:
        self._hangs = hangs

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def _ask(self) -> None:
        if self._hangs:
            await asyncio.get_running_loop().create_future()
        raise ProviderError(Reason.PROVIDER_ERROR, "Scripted is down.")

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        await self._ask()
        return QuoteAnswer()

    async def news(self) -> Sequence[Headline]:
        await self._ask()
        return []

    async def company(self, symbol: str) -> CompanyInfo | None:
        await self._ask()
        return None


class TestAProviderInAnOutage(OutageContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(Scripted(), known=("AAPL", "MSFT"))


class TestAProviderThatHangs(HangingContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(Scripted(hangs=True), known=("AAPL", "MSFT"))


class Careless(Scripted):
    """A provider that calls everything unknown, repeats its news oldest first, and passes escapes on."""

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        dirty = Quote.model_construct(symbol="AAPL", price=1.0, name="\x1b[2J", received_at=0, provider="other")
        return QuoteAnswer(quotes={"AAPL": dirty}, unknown=frozenset(symbols))

    async def news(self) -> Sequence[Headline]:
        old = Headline(title="old", source="s", published=1)
        return [old, Headline(title="new", source="s", published=2), old]

    async def company(self, symbol: str) -> CompanyInfo | None:
        return CompanyInfo(symbol="OTHER")


@pytest.fixture
def careless() -> Subject:
    return Subject(Careless(), known=("AAPL", "MSFT"))


async def test_a_provider_that_offers_more_than_its_contracts_is_caught(careless: Subject) -> None:
    class OnlyQuotes(ProviderContract, QuoteContract):
        pass

    with pytest.raises(AssertionError):
        await OnlyQuotes().test_it_offers_what_its_contracts_name_and_nothing_else(careless)


async def test_a_symbol_in_two_parts_of_an_answer_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await QuoteContract().test_each_symbol_asked_stands_in_exactly_one_part_of_the_answer(careless)


async def test_a_quote_with_escapes_in_its_name_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError, match="clean_text"):
        await QuoteContract().test_quotes_are_valid_and_say_whose_they_are(careless)


async def test_news_out_of_order_or_twice_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await NewsContract().test_headlines_come_newest_first(careless)
    with pytest.raises(AssertionError):
        await NewsContract().test_no_headline_comes_twice(careless)


async def test_a_company_under_another_symbol_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await CompanyContract().test_a_company_is_valid_and_stands_under_its_symbol(careless)


async def test_an_outage_that_makes_symbols_unknown_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await OutageContract().test_an_outage_makes_no_symbol_unknown(careless)


async def test_an_outage_that_looks_like_an_answer_is_caught(careless: Subject) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await OutageContract().test_an_outage_is_told_as_a_provider_error_that_names_the_source(careless)


# --- what a source serves, streams and tells of hours -----------------------------------------------------------------


class Rules(Source):
    """A source whose rule for symbols is what a test makes it."""

    name = "rules"

    def __init__(self, answers: Iterator[bool] | None = None, *, reads: bool = False) -> None:
        self._answers = answers
        self._reads = reads

    def serves(self, symbol: str) -> bool:
        if self._reads:
            return symbol in {line.strip() for line in Path(__file__).read_text(encoding="utf-8").splitlines()}
        return symbol == "AAPL" if self._answers is None else next(self._answers)


def alternating() -> Iterator[bool]:
    while True:
        yield True
        yield False


@pytest.mark.parametrize(
    ("provider", "complaint"),
    [
        (Rules(), "'MSFT' not in"),
        (Rules(alternating()), "the same each time"),
        (Rules(reads=True), "no cheap rule"),
    ],
    ids=["not true of what it knows", "changing", "reading a file"],
)
async def test_a_rule_for_symbols_that_cannot_be_relied_on_is_caught(provider: Rules, complaint: str) -> None:
    known = ("AAPL", "MSFT") if complaint.startswith("'MSFT'") else ()
    with pytest.raises(AssertionError, match=complaint):
        await ProviderContract().test_it_serves_what_it_knows_and_says_so_without_a_call(Subject(provider, known))


class Streaming(Source):
    """A stream that says so many times that it is up, before its first quote or only after it."""

    name = "streaming"
    stream_places = None

    def __init__(self, *, opens: int = 1, is_late: bool = False) -> None:
        self._opens = opens
        self._is_late = is_late
        self._waiting: asyncio.Queue[None] = asyncio.Queue()

    async def next_prices(self) -> None:
        self._waiting.put_nowait(None)

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        for _ in range(self._opens):
            if not self._is_late:
                sink.opened()
        while True:
            await self._waiting.get()
            sink.publish([Quote(symbol=each, price=1.0, received_at=0, provider="streaming") for each in wanted()])
            if self._is_late:
                sink.opened()


class TestAStream(StreamContract):
    @pytest.fixture
    def subject(self) -> Subject:
        provider = Known()
        return Subject(provider, ("AAPL", "MSFT"), next_prices=provider.next_prices)


class Known(Streaming):
    """A stream that knows two symbols."""

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        await super().stream(lambda: [symbol for symbol in wanted() if symbol in {"AAPL", "MSFT"}], sink)


@pytest.mark.parametrize("provider", [Streaming(opens=0), Streaming(opens=2), Streaming(is_late=True)])
async def test_a_stream_that_does_not_say_once_that_it_is_up_is_caught(provider: Streaming) -> None:
    subject = Subject(provider, ("AAPL",), next_prices=provider.next_prices)
    with pytest.raises(AssertionError):
        await StreamContract().test_the_stream_says_once_that_it_is_up_and_before_its_first_quote(subject)


class Telling(Source):
    """News and hours as a test has them."""

    name = "telling"

    def __init__(self, headlines: Sequence[Headline] = (), day: TradingDay | None = None) -> None:
        self._headlines = headlines
        self._day = day

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        return [] if symbol == "NOSUCHSYMBOL" else self._headlines

    async def trading_day(self, symbol: str) -> TradingDay | None:
        return None if symbol == "NOSUCHSYMBOL" else self._day


NEWER, OLDER = (Headline(title=title, source="s", published=at) for title, at in (("new", 2), ("old", 1)))
REGULAR = TradingDay(pre_starts_at=1, opens_at=2, closes_at=3, post_ends_at=4)


class TestASourceOfNewsAndHours(ProviderContract, SymbolNewsContract, HoursContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(Telling([NEWER, OLDER], REGULAR), ("AAPL", "MSFT"))


@pytest.mark.parametrize("headlines", [[OLDER, NEWER], [NEWER, NEWER], []])
async def test_news_of_a_symbol_out_of_order_or_twice_are_caught(headlines: Sequence[Headline]) -> None:
    subject = Subject(Telling(headlines), ("AAPL",))
    with pytest.raises(AssertionError):
        await SymbolNewsContract().test_headlines_of_a_symbol_are_valid_newest_first_and_come_once(subject)


@pytest.mark.parametrize(
    "day",
    [
        TradingDay(opens_at=3, closes_at=2),
        TradingDay(opens_at=2, closes_at=2),
        TradingDay(pre_starts_at=3, opens_at=2, closes_at=4),
        TradingDay(opens_at=2, closes_at=4, post_ends_at=3),
        None,
    ],
)
async def test_hours_that_are_in_no_order_are_caught(day: TradingDay | None) -> None:
    with pytest.raises(AssertionError):
        await HoursContract().test_the_hours_of_a_market_are_valid_and_in_their_order(
            Subject(Telling(day=day), ("AAPL",))
        )


# --- what a source has and does not give ------------------------------------------------------------------------------


class Planned(Scripted):
    """A source whose plan covers one symbol, and which says of another what a test makes it say."""

    name = "planned"

    def __init__(self, answer: QuoteAnswer) -> None:
        super().__init__()
        self._answer = answer

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        return self._answer


def planned(*, says: str = "The plan of planned has no LSE.", is_unknown: bool = False) -> Subject:
    quote = Quote(symbol="AAPL", price=1.0, received_at=0, provider="planned")
    refused = {} if is_unknown else {"VOD.L": CommandError(Reason.NOT_OFFERED, says)}
    unknown = frozenset({"VOD.L"} if is_unknown else ())
    answer = QuoteAnswer({"AAPL": quote}, unknown, not_offered=refused)
    return Subject(Planned(answer), ("AAPL",), not_offered="VOD.L")


class TestASourceWithAPlan(NotOfferedContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return planned()


@pytest.mark.parametrize("subject", [planned(is_unknown=True), planned(says="No.")], ids=["unknown", "without why"])
async def test_a_plan_that_is_told_as_something_else_is_caught(subject: Subject) -> None:
    with pytest.raises(AssertionError):
        await NotOfferedContract().test_what_is_not_given_to_this_server_is_neither_unknown_nor_failed(subject)


# --- a key that will not do, and a stream that breaks -----------------------------------------------------------------

KEY = "k-4711-secret"


class Keyless(Source):
    """A source with a wrong key: what it says of it is what a test makes it say."""

    name = "keyless"
    stream_places = 50

    def __init__(self, says: str = "keyless refuses its key: correct keyless_api_key.", *, cause: str = "401") -> None:
        self._says = says
        self._cause = cause

    async def start(self) -> None:
        raise SourceUnusable(self._says) from ConnectionError(self._cause)

    async def news(self) -> Sequence[Headline]:
        raise SourceUnusable(self._says) from ConnectionError(self._cause)

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        raise SourceUnusable(self._says)


class Guessing(Keyless):
    """One that answers all the same."""

    async def news(self) -> Sequence[Headline]:
        return []


def keyless(provider: Keyless) -> Subject:
    return Subject(provider, ("AAPL",), remedy="keyless_api_key", secret=KEY)


class TestASourceWithoutAKey(UnusableContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return keyless(Keyless())


@pytest.mark.parametrize("provider", [Keyless("keyless does not work."), Keyless("Correct keyless_api_key.")])
async def test_a_wrong_key_without_a_remedy_or_a_name_is_caught(provider: Keyless) -> None:
    provider.name = "nameless" if "Correct" in provider._says else provider.name
    with pytest.raises(AssertionError):
        await UnusableContract().test_every_call_says_that_it_cannot_be_used_and_what_to_do(keyless(provider))


async def test_a_source_that_answers_without_its_key_is_caught() -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await UnusableContract().test_every_call_says_that_it_cannot_be_used_and_what_to_do(keyless(Guessing()))


async def test_a_key_in_an_error_or_in_its_cause_is_caught() -> None:
    for provider in (Keyless(f"keyless_api_key = {KEY} is wrong."), Keyless(cause=f"GET /news?token={KEY}: 401")):
        with pytest.raises(AssertionError):
            await UnusableContract().test_the_key_stands_in_no_error(keyless(provider))


class Breaking(Source):
    """A stream that ends as a test has it."""

    name = "breaking"
    stream_places = None

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        await settle()
        if self._error is not None:
            raise self._error


class TestAStreamThatBreaks(BrokenStreamContract):
    @pytest.fixture
    def subject(self) -> Subject:
        error = ProviderError(Reason.PROVIDER_ERROR, "The stream of breaking broke off (1011).")
        return Subject(Breaking(error), ("AAPL",), secret=KEY)


@pytest.mark.parametrize(
    "error", [None, ConnectionResetError("reset"), ProviderError(Reason.PROVIDER_ERROR, "It broke.")]
)
async def test_a_stream_that_breaks_without_saying_so_is_caught(error: Exception | None) -> None:
    with pytest.raises((AssertionError, ConnectionResetError, pytest.fail.Exception)):
        await BrokenStreamContract().test_a_stream_that_breaks_is_a_provider_error_that_names_the_source(
            Subject(Breaking(error), ("AAPL",))
        )


class Remembering(Source):
    """A source of bars that are what a test makes them."""

    name = "remembering"
    bar_limits: ClassVar = {BarInterval.DAY: BarLimit()}

    def __init__(self, *bars: Bar, splits: Sequence[Split] | None = None, **told: Any) -> None:
        self._told = replace(SourceBars(self.name, bars), **told)
        self._splits = splits

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        return self._told

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        return self._splits


def a_bar(days_ago: int, low: float = 9.0, **changes: Any) -> Bar:
    return replace(Bar(UNTIL - days_ago * DAY_MS, 10.0, 11.0, low, 10.5, 5), **changes)


UNTIL = 1_712_331_900_000


@pytest.mark.parametrize(
    "provider",
    [
        Remembering(),
        Remembering(a_bar(1), a_bar(2)),
        Remembering(a_bar(2), a_bar(2)),
        Remembering(a_bar(2), a_bar(0)),
        Remembering(a_bar(400)),
        Remembering(a_bar(1, low=10.2)),
        Remembering(a_bar(1, high=math.inf)),
        Remembering(a_bar(1, volume=-1)),
        Remembering(a_bar(1, volume=1.5)),
        Remembering(a_bar(1, live=True)),
        Remembering(a_bar(1, market_state=MarketState.POST)),
        Remembering(a_bar(1), factors=[]),
        Remembering(a_bar(1), factors=[0.0]),
        Remembering(a_bar(1), provider="another"),
        Remembering(a_bar(1), splits=None, dividend_times=[UNTIL + 1]),
    ],
)
async def test_bars_that_cannot_be_are_caught(provider: Remembering) -> None:
    subject = Subject(provider, ("AAPL",), bars_until=UNTIL)
    with pytest.raises(AssertionError):
        await HistoryContract().test_every_interval_that_it_names_has_bars_in_order_that_can_be(subject)


async def test_bars_that_can_be_are_not(subject_of_bars: Subject) -> None:
    contract = HistoryContract()
    await contract.test_every_interval_that_it_names_has_bars_in_order_that_can_be(subject_of_bars)
    await contract.test_with_the_early_and_late_bars_come_the_others_as_they_are_and_unmarked(subject_of_bars)
    await contract.test_splits_come_in_order_and_each_can_be(subject_of_bars)


@pytest.fixture
def subject_of_bars() -> Subject:
    provider = Remembering(a_bar(2), a_bar(1), factors=[0.9, 1.0], zone="America/New_York", splits=[Split(1, 4.0)])
    return Subject(provider, ("AAPL",), bars_until=UNTIL, was_split="AAPL")


@pytest.mark.parametrize("zone", ["Nowhere/At_All", "EST5", ""])
async def test_a_zone_that_there_is_not_is_caught(zone: str) -> None:
    with pytest.raises((AssertionError, LookupError, ValueError)):
        await HistoryContract().test_its_zone_is_one_that_there_is(
            Subject(Remembering(a_bar(1), zone=zone), ("AAPL",), bars_until=UNTIL)
        )


@pytest.mark.parametrize("splits", [None, (), [Split(2, 4.0), Split(1, 4.0)], [Split(1, 0.0)], [Split(1, 1.0)]])
async def test_splits_that_cannot_be_are_caught(splits: Sequence[Split] | None) -> None:
    with pytest.raises(AssertionError):
        await HistoryContract().test_splits_come_in_order_and_each_can_be(
            Subject(Remembering(a_bar(1), splits=splits), ("AAPL",), bars_until=UNTIL, was_split="AAPL")
        )


async def test_bars_that_were_not_asked_for_and_known_unknowns_are_caught() -> None:
    subject = Subject(Remembering(a_bar(1), splits=[Split(1, 4.0)]), ("AAPL",), bars_until=UNTIL)
    with pytest.raises(AssertionError):
        await HistoryContract().test_a_stretch_without_a_bar_is_an_answer_and_no_failure(subject)
    with pytest.raises(AssertionError):
        await HistoryContract().test_an_unknown_symbol_has_neither_bars_nor_splits(subject)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await OutageContract().test_an_outage_has_no_splits_either(subject)


# --- the suite as it is published -------------------------------------------------------------------------------------


def classes_of(test_file: Path) -> list[tuple[str, ...]]:
    """The bases of each class in a test file."""
    tree = ast.parse(test_file.read_text(encoding="utf-8"))
    return [
        tuple(base.id for base in node.bases if isinstance(base, ast.Name))
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_of_ours_is_held_to_the_contract(name: str) -> None:
    files = [
        path
        for path in (Path(__file__).parents[1] / "providers").rglob("test_*.py")
        if f"from stocktrack.providers.{name}" in path.read_text(encoding="utf-8")
    ]
    bases = {base for path in files for each in classes_of(path) for base in each}
    asked = {"ProviderContract"} if name in ASK_NOBODY else {"ProviderContract", "OutageContract", "HangingContract"}
    assert asked <= bases, f"No test of {name} derives from {asked - bases}; docs/providers.md says how."


@pytest.mark.parametrize("module", [module for module in MODULES if module.partition(".")[0] != "testing"])
def test_nothing_but_tests_imports_the_suite(module: str) -> None:
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                imported = [alias.name for alias in node.names]
            case ast.ImportFrom():
                imported = [node.module or ""]
            case _:
                continue
        assert not any(each.startswith("stocktrack.testing") for each in imported)


@pytest.mark.parametrize("missing", ["pytest", "pytest_asyncio"])
def test_without_what_it_needs_the_suite_says_how_to_get_it(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import stocktrack.testing"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert f"stocktrack.testing needs {missing}. Install the extra: pip install '.[testing]'" in done.stderr
