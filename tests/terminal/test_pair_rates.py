import asyncio
from collections.abc import Collection

from scripted_server import NOW_MS, a_price
from stocktrack.client import State, StateChange, Unavailable
from stocktrack.client.errors import error_of
from stocktrack.clock import ManualClock, end, settle
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import BoardQuote, Missing, SubscribeReply
from stocktrack.quotes import MarketState
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.pair_rates import AGAIN_SECONDS, LOOK_SECONDS, PairRates
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.wire.lines import failure


class Asked:
    """A server that knows some pairs, and what it was asked."""

    def __init__(self, *known: str) -> None:
        self.state = State.CONNECTED
        self.known = known
        self.questions: list[list[str]] = []
        self.intervals: set[float | None] = set()
        self.errors: list[Exception] = []

    async def subscribe(self, symbols: list[str], *, interval: float | None, save: bool) -> SubscribeReply:
        assert not save
        self.questions.append(symbols)
        self.intervals.add(interval)
        if self.errors:
            raise self.errors.pop(0)
        found = tuple(symbol for symbol in symbols if symbol in self.known)
        if not found:
            raise error_of(failure(CommandError(Reason.UNKNOWN_SYMBOL, "No.")))
        missing = tuple(
            Missing(symbol=symbol, code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)
            for symbol in symbols
            if symbol not in found
        )
        return SubscribeReply(
            subscribed=found, already=(), pending=(), missing=missing, symbols=found, interval=interval or 0.0
        )


def a_board(currency: str | None, prices: dict[str, tuple[float, str | None]]) -> BoardView:
    view = BoardView("here", settings=ScreenSettings(currency=currency))
    view.show(prices)
    for symbol, (price, its_currency) in prices.items():
        view.put(a_price(symbol, price=price).model_copy(update={"currency": its_currency, "change": 1.0}))
    return view


def drawn(view: BoardView, later_ms: int = 60_000) -> list[str]:
    return ["".join(text for _, text in line) for line in view.lines(100, 12, NOW_MS + later_ms)]


def put_rate(view: BoardView, symbol: str, rate: float, currency: str, *, seq: int = 1, stale: bool = False) -> None:
    view.put(a_price(symbol, price=rate, seq=seq).model_copy(update={"currency": currency, "stale": stale}))


async def look(client: Asked, view: BoardView, seconds: float = 5, *, interval: float | None = None) -> None:
    clock = ManualClock()
    running = asyncio.create_task(PairRates(client, view, interval=interval, clock=clock).run())
    for _ in range(round(seconds / LOOK_SECONDS)):
        await settle()
        await clock.advance(LOOK_SECONDS)
    await settle()
    await end(running)


def asked(client: Asked) -> Collection[str]:
    return {symbol for question in client.questions for symbol in question}


async def test_pairs_are_asked_for_together_and_convert_the_rows() -> None:
    client = Asked("USDEUR=X", "GBPEUR=X")
    view = a_board(
        "EUR", {"AAPL": (100.0, "USD"), "MSFT": (50.0, "USD"), "VOD.L": (80.0, "GBp"), "SAP.DE": (9.0, "EUR")}
    )
    await look(client, view, interval=2.0)

    assert client.questions == [["GBPEUR=X", "USDEUR=X"]]
    assert client.intervals == {2.0}
    put_rate(view, "USDEUR=X", 0.8, "EUR")
    put_rate(view, "GBPEUR=X", 1.25, "EUR")

    lines = drawn(view)
    assert "Price EUR" in lines[1]
    assert [line.split()[:3] for line in lines[2:6]] == [
        ["AAPL", "80.00", "+0.80"],
        ["MSFT", "40.00", "+0.80"],
        ["VOD.L", "1.00", "+0.01"],
        ["SAP.DE", "9.00", "+1.00"],
    ]
    assert "Not in EUR" not in "".join(lines)
    assert "4 symbols" in lines[0]


async def test_what_is_not_known_is_asked_the_other_way_round_and_then_in_the_other_writing() -> None:
    client = Asked("EURUSD=X", "OANDA:CHF_EUR")
    view = a_board("EUR", {"AAPL": (100.0, "USD"), "NESN.SW": (90.0, "CHF")})
    await look(client, view)
    put_rate(view, "EURUSD=X", 1.25, "USD")
    put_rate(view, "OANDA:CHF_EUR", 1.1, "EUR")

    assert client.questions[0] == ["CHFEUR=X", "USDEUR=X"]
    assert client.questions[1] == ["EURCHF=X", "EURUSD=X"]
    assert [line.split()[1] for line in drawn(view)[2:4]] == ["80.00", "99.00"]


async def test_the_last_way_goes_over_the_dollar() -> None:
    client = Asked("USDJPY=X", "EURUSD=X")
    view = a_board("EUR", {"7203.T": (3_000.0, "JPY")})
    await look(client, view)
    put_rate(view, "USDJPY=X", 150.0, "JPY")
    put_rate(view, "EURUSD=X", 1.25, "USD")

    assert drawn(view)[2].split()[1] == "16.00"


async def test_a_pair_that_is_a_row_already_serves_at_once() -> None:
    client = Asked("EURUSD=X")
    view = a_board("EUR", {"EURUSD=X": (1.25, "USD"), "AAPL": (100.0, "USD")})
    await look(client, view)

    lines = drawn(view)
    assert lines[2].split()[:3] == ["EURUSD=X", "1.25", "USD"]
    assert lines[3].split()[1] == "80.00"


async def test_what_has_no_rate_is_named_once_it_was_looked_for_and_asked_for_again_later() -> None:
    client = Asked("USDEUR=X")
    view = a_board(
        "EUR", {"AAPL": (100.0, "USD"), "SE.ST": (90.0, "SEK"), "ODD": (1.0, None), "^GSPC": (5_000.0, "USD")}
    )
    assert "Not in EUR: ODD (no currency)." in "".join(drawn(view))
    await look(client, view)
    put_rate(view, "USDEUR=X", 0.8, "EUR")

    lines = drawn(view)
    assert lines[3].split()[1:3] == ["90.00", "SEK"]
    assert lines[5].split()[1:3] == ["5,000.00", "pts"]
    assert "Not in EUR: SE.ST (SEK: no rate), ODD (no currency)." in "".join(lines)

    client.known = ("USDEUR=X", "SEKEUR=X")
    client.questions.clear()
    await look(client, view, AGAIN_SECONDS + 5)
    put_rate(view, "SEKEUR=X", 0.1, "EUR")
    assert "SEKEUR=X" in asked(client)
    assert drawn(view)[3].split()[1] == "9.00"


async def test_a_rate_that_grows_stale_leaves_the_prices_in_their_own_currency() -> None:
    client, view = Asked("USDEUR=X"), a_board("EUR", {"AAPL": (100.0, "USD")})
    await look(client, view)
    put_rate(view, "USDEUR=X", 0.8, "EUR")
    assert drawn(view)[2].split()[1] == "80.00"

    put_rate(view, "USDEUR=X", 0.8, "EUR", seq=2, stale=True)
    assert drawn(view)[2].split()[1:3] == ["100.00", "USD"]
    assert "Not in EUR: AAPL (USD: stale rate)." in "".join(drawn(view))

    put_rate(view, "USDEUR=X", 0.9, "EUR", seq=3)
    assert drawn(view)[2].split()[1] == "90.00"


async def test_a_lost_connection_is_waited_for_and_a_failure_tried_again() -> None:
    client, view = Asked("USDEUR=X"), a_board("EUR", {"AAPL": (100.0, "USD")})
    client.state = State.RECONNECTING
    await look(client, view)
    assert client.questions == []

    client.state = State.CONNECTED
    client.errors = [Unavailable("No answer in time.")]
    await look(client, view, 30)
    assert client.questions[:2] == [["USDEUR=X"], ["USDEUR=X"]]


async def test_what_is_restored_after_a_loss_is_told_without_the_pairs() -> None:
    view = a_board("EUR", {"AAPL": (100.0, "USD")})
    await look(Asked("EURUSD=X"), view)
    missing = Missing(symbol="EURUSD=X", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)

    change = StateChange(State.CONNECTED, subscribed=("AAPL", "EURUSD=X"), missing=(missing,))
    assert view.without_rates(change) == StateChange(State.CONNECTED, subscribed=("AAPL",))
    assert a_board(None, {}).without_rates(change) == change


async def test_a_board_of_no_currency_asks_for_nothing() -> None:
    client, view = Asked("USDEUR=X"), a_board(None, {"AAPL": (100.0, "USD")})
    await look(client, view)

    assert client.questions == []
    assert drawn(view)[1].split()[:3] == ["Symbol", "Price", "Cur"]


async def test_prices_after_hours_and_ranges_are_converted_too_and_their_decimals_stay() -> None:
    view = a_board("EUR", {"AAPL": (100.0, "USD"), "DOGE-USD": (0.17852, "USD")})
    evening = {"market_state": MarketState.POST, "extended_price": 101.0, "extended_change": 1.0}
    view.put(a_price("AAPL", price=100.0, seq=2).model_copy(update={**evening, "extended_time": NOW_MS + 1}))
    hint = {"price_hint": 5, "change": 0.001}
    view.put(a_price("DOGE-USD", price=0.17852, seq=2).model_copy(update=hint))
    quote = BoardQuote(
        symbol="AAPL", price=100.0, currency="USD", low=90.0, high=110.0, received_at=NOW_MS, provider="x", seq=1
    )
    view.put_quotes([quote])
    await look(Asked("EURUSD=X"), view)
    put_rate(view, "EURUSD=X", 1.25, "USD")

    line = "".join(text for _, text in view.lines(140, 12, NOW_MS)[2])
    assert "post 80.80 +0.80" in line
    assert "72.00\N{EN DASH}88.00" in line
    assert drawn(view)[3].split()[1:3] == ["0.14282", "+0.00080"]
    put_rate(view, "EURUSD=X", 1.0, "USD", seq=2)
    assert drawn(view)[3].split()[1] == "0.17852"


async def test_rows_are_sorted_by_what_is_seen() -> None:
    view = a_board("EUR", {"YEN": (3_000.0, "JPY"), "USA": (100.0, "USD")})
    view.order_by("price")
    await look(Asked("USDEUR=X", "JPYEUR=X"), view)
    put_rate(view, "USDEUR=X", 0.8, "EUR")
    put_rate(view, "JPYEUR=X", 0.006, "EUR")

    assert [line.split()[0] for line in drawn(view)[2:4]] == ["USA", "YEN"]
