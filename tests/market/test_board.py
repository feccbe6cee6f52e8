import json
from collections.abc import Sequence

import pytest

from fakes import NOW_MS, CountingWatcher, a_quote, a_watcher
from stocktrack.errors import Reason
from stocktrack.market.board import Basket, Board, Entry
from stocktrack.messages import BoardQuote


def seq(board: Board, symbol: str = "AAPL") -> int:
    quote = board.quote(symbol)
    assert quote is not None
    return quote.seq


def priced(*symbols: str) -> Board:
    board = Board()
    board.put([a_quote(symbol) for symbol in symbols], 0.0)
    return board


def watch(board: Board, *symbols: str, eager: bool = True) -> tuple[Basket, CountingWatcher]:
    watcher = CountingWatcher()
    return board.watch(symbols, watcher, eager=eager), watcher


def told(lines: bytes) -> list[tuple[str, float]]:
    return [(line["symbol"], line["price"]) for line in map(json.loads, lines.splitlines())]


# --- the sequence number ---


def test_the_first_quote_of_a_symbol_has_seq_1() -> None:
    assert seq(priced("AAPL")) == 1


@pytest.mark.parametrize(
    "field",
    [
        *({"price": 101.0}, {"currency": "GBp"}, {"change": 0.5}, {"volume": 7}, {"bid": 99.0}, {"timestamp": NOW_MS}),
        *({"name": "Apple"}, {"market_state": "closed"}, {"delay_seconds": 900}, {"provider": "another"}),
    ],
    ids=lambda field: next(iter(field)),
)
def test_a_change_of_any_field_raises_seq_by_one(field: dict[str, object]) -> None:
    board = priced("AAPL")
    board.put([a_quote("AAPL", **{"price": 100.0, **field})], 1.0)  # type: ignore[arg-type] # fields of a quote
    assert seq(board) == 2


def test_an_equal_answer_renews_received_at_and_nothing_else() -> None:
    board = priced("AAPL")
    before = board.quote("AAPL")
    board.put([a_quote("AAPL", received_at=NOW_MS + 5000)], 5.0)
    after, entry = board.quote("AAPL"), board.entry("AAPL")
    assert before is not None
    assert after is not None
    assert entry is not None
    assert after.received_at == NOW_MS + 5000
    assert after == before.model_copy(update={"received_at": NOW_MS + 5000})
    assert entry.refreshed_at == 5.0
    assert json.loads(entry.line)["received_at"] == NOW_MS + 5000


def test_an_equal_answer_wakes_nobody_and_is_no_change_to_push() -> None:
    board = priced("AAPL")
    basket, watcher = watch(board, "AAPL")
    seen = board.revision
    board.put([a_quote("AAPL", received_at=NOW_MS + 5000)], 5.0)
    assert (watcher.wakes, basket.lines(seen)) == (0, b"")


def test_becoming_stale_and_becoming_fresh_again_raise_seq() -> None:
    board = priced("AAPL")
    board.mark_stale(["AAPL"], Reason.PROVIDER_TIMEOUT)
    assert seq(board) == 2
    board.put([a_quote("AAPL")], 1.0)
    assert seq(board) == 3


def test_the_same_mark_again_changes_nothing_and_another_reason_or_time_does() -> None:
    board = priced("AAPL")
    board.mark_stale(["AAPL"], Reason.PROVIDER_ERROR, NOW_MS + 2000)
    board.mark_stale(["AAPL"], Reason.PROVIDER_ERROR, NOW_MS + 2000)
    assert seq(board) == 2
    board.mark_stale(["AAPL"], Reason.PROVIDER_ERROR, NOW_MS + 6000)
    assert seq(board) == 3
    board.mark_stale(["AAPL"], Reason.PROVIDER_BLOCKED, NOW_MS + 6000)
    assert seq(board) == 4


def test_seq_counts_each_symbol_for_itself() -> None:
    board = priced("AAPL", "MSFT")
    board.put([a_quote("MSFT", 201.0)], 1.0)
    board.put([a_quote("MSFT", 202.0)], 2.0)
    assert (seq(board, "AAPL"), seq(board, "MSFT")) == (1, 3)


def test_a_symbol_twice_in_one_batch_ends_as_the_later_one() -> None:
    board = Board()
    board.put([a_quote("AAPL", 1.0), a_quote("AAPL", 2.0)], 0.0)
    quote = board.quote("AAPL")
    assert quote is not None
    assert (quote.price, quote.seq) == (2.0, 2)


def test_a_jump_in_seq_tells_a_late_reader_that_prices_were_merged() -> None:
    board = priced("AAPL")
    basket, _ = watch(board, "AAPL")
    seen = board.revision
    for price in (101.0, 102.0, 103.0):
        board.put([a_quote("AAPL", price)], 1.0)
    [line] = map(json.loads, basket.lines(seen).splitlines())
    assert (line["price"], line["seq"]) == (103.0, 4)


# --- staleness ---


def test_a_stale_quote_keeps_its_price_and_says_why_and_until_when() -> None:
    board = priced("AAPL")
    board.mark_stale(["AAPL"], Reason.PROVIDER_BLOCKED, NOW_MS + 30_000)
    quote, entry = board.quote("AAPL"), board.entry("AAPL")
    assert quote is not None
    assert entry is not None
    assert (quote.price, quote.stale, quote.stale_reason, quote.retry_at, quote.received_at) == (
        *(100.0, True, Reason.PROVIDER_BLOCKED),
        *(NOW_MS + 30_000, NOW_MS),
    )
    assert json.loads(entry.line)["stale_reason"] == "provider_blocked"


def test_a_new_quote_is_stale_no_longer() -> None:
    board = priced("AAPL")
    board.mark_stale(["AAPL"], Reason.PROVIDER_ERROR, NOW_MS + 2000)
    board.put([a_quote("AAPL")], 1.0)
    quote = board.quote("AAPL")
    assert quote is not None
    assert (quote.stale, quote.stale_reason, quote.retry_at) == (False, None, None)


def test_marking_what_has_no_quote_is_passed_over() -> None:
    board = Board()
    basket, watcher = watch(board, "AAPL")
    board.mark_stale(["AAPL", "MSFT"], Reason.PROVIDER_ERROR)
    assert (board.quote("AAPL"), board.entry("MSFT"), basket.lines(), watcher.wakes) == (None, None, b"", 0)


# --- lines: encoded once, joined once ---


def test_a_line_is_encoded_once_until_the_quote_changes() -> None:
    board = priced("AAPL")
    entry = board.entry("AAPL")
    assert entry is not None
    first = entry.line
    assert entry.line is first
    board.put([a_quote("AAPL", 101.0)], 1.0)
    assert entry.line is not first
    assert json.loads(entry.line)["price"] == 101.0


def test_equal_baskets_are_one_object_and_their_push_is_joined_once() -> None:
    board = priced("AAPL", "MSFT")
    one, _ = watch(board, "AAPL", "MSFT")
    other, _ = watch(board, "AAPL", "MSFT")
    assert one is other
    assert one.lines() is other.lines()
    seen = board.revision
    board.put([a_quote("AAPL", 101.0), a_quote("MSFT", 201.0)], 1.0)
    assert one.lines(seen) is other.lines(seen)


def test_a_joined_push_is_made_anew_when_a_price_changed() -> None:
    board = priced("AAPL")
    basket, _ = watch(board, "AAPL")
    watch(board, "AAPL")
    assert told(basket.lines()) == [("AAPL", 100.0)]
    board.put([a_quote("AAPL", 101.0)], 1.0)
    assert told(basket.lines()) == [("AAPL", 101.0)]


def test_a_joined_push_is_made_anew_when_only_received_at_was_renewed() -> None:
    board = priced("AAPL")
    basket, _ = watch(board, "AAPL")
    watch(board, "AAPL")
    before = basket.lines()
    board.put([a_quote("AAPL", received_at=NOW_MS + 5000)], 1.0)
    assert json.loads(basket.lines())["received_at"] == NOW_MS + 5000
    assert before != basket.lines()


def test_lines_stand_in_the_order_of_the_basket_and_what_has_no_quote_is_left_out() -> None:
    board = priced("AAPL", "MSFT")
    basket, _ = watch(board, "MSFT", "NONE", "AAPL")
    assert [symbol for symbol, _ in told(basket.lines())] == ["MSFT", "AAPL"]


def test_lines_since_a_revision_are_only_of_what_changed_after_it() -> None:
    board = priced("AAPL", "MSFT")
    basket, _ = watch(board, "AAPL", "MSFT")
    seen = board.revision
    board.put([a_quote("MSFT", 201.0)], 1.0)
    assert told(basket.lines(seen)) == [("MSFT", 201.0)]
    assert told(basket.lines()) == [("AAPL", 100.0), ("MSFT", 201.0)]


def test_few_joined_pushes_are_kept_however_many_baskets_ask() -> None:
    symbols = [f"S{number}" for number in range(300)]
    board = priced(*symbols)
    for symbol in symbols:
        basket, _ = watch(board, symbol)
        watch(board, symbol)
        assert told(basket.lines()) == [(symbol, 100.0)]
    assert len(board._joined) <= 64


# --- who is woken ---


def test_an_eager_watcher_is_woken_once_a_batch_however_many_of_its_symbols_changed() -> None:
    board = priced("AAPL", "MSFT")
    _, watcher = watch(board, "AAPL", "MSFT")
    board.put([a_quote("AAPL", 101.0), a_quote("MSFT", 201.0)], 1.0)
    assert watcher.wakes == 1


def test_watchers_of_other_symbols_and_those_that_look_by_themselves_are_not_woken() -> None:
    board = priced("AAPL", "MSFT")
    _, of_another = watch(board, "MSFT")
    _, patient = watch(board, "AAPL", eager=False)
    board.put([a_quote("AAPL", 101.0)], 1.0)
    assert (of_another.wakes, patient.wakes) == (0, 0)


def test_a_watcher_that_watches_anew_is_eager_only_as_it_said_last() -> None:
    board = priced("AAPL")
    basket, watcher = watch(board, "AAPL", eager=True)
    assert board.watch(("AAPL",), watcher, eager=False) is basket
    board.put([a_quote("AAPL", 101.0)], 1.0)
    assert watcher.wakes == 0
    board.unwatch(basket, watcher)
    assert not board.is_watched("AAPL")


# --- demand ---


def test_demand_is_told_at_the_first_watcher_and_at_the_going_of_the_last() -> None:
    board, told_of = Board(), []
    board.on_demand = lambda symbol, is_wanted: told_of.append((symbol, is_wanted))
    one_goes = a_watcher(board, "AAPL", "MSFT")
    other_goes = a_watcher(board, "AAPL")
    assert told_of == [("AAPL", True), ("MSFT", True)]
    one_goes()
    assert told_of[2:] == [("MSFT", False)]
    assert board.watched() == ["AAPL"]
    other_goes()
    assert told_of[3:] == [("AAPL", False)]
    assert board.watched() == []


def test_two_watchers_of_equal_baskets_are_one_demand() -> None:
    board, told_of = Board(), []
    board.on_demand = lambda symbol, is_wanted: told_of.append((symbol, is_wanted))
    one_goes, other_goes = a_watcher(board, "AAPL"), a_watcher(board, "AAPL")
    one_goes()
    assert told_of == [("AAPL", True)]
    other_goes()
    assert told_of == [("AAPL", True), ("AAPL", False)]


def test_unwatching_twice_does_not_take_the_basket_of_others() -> None:
    board = priced("AAPL")
    goes = a_watcher(board, "AAPL")
    goes()
    _, watcher = watch(board, "AAPL")
    goes()
    assert board.is_watched("AAPL")
    board.put([a_quote("AAPL", 101.0)], 1.0)
    assert watcher.wakes == 1


# --- forgetting ---


def test_what_nobody_watches_is_forgotten_when_it_is_old() -> None:
    board = Board()
    board.put([a_quote("OLD")], 0.0)
    board.put([a_quote("NEW")], 10.0)
    board.put([a_quote("WATCHED")], 0.0)
    a_watcher(board, "WATCHED")
    board.forget(before=5.0, keep=100)
    assert [board.quote(symbol) is not None for symbol in ("OLD", "NEW", "WATCHED")] == [False, True, True]


def test_of_too_many_unwatched_quotes_the_oldest_are_forgotten() -> None:
    board = Board()
    for number in range(10):
        board.put([a_quote(f"S{number}")], float(number))
    board.forget(before=-1.0, keep=3)
    assert len(board) == 3
    assert all(board.quote(f"S{number}") is not None for number in (7, 8, 9))


def test_a_symbol_that_was_watched_without_ever_having_a_quote_is_forgotten() -> None:
    board = Board()
    a_watcher(board, "PENDING")()
    board.forget(before=0.0, keep=100)
    assert len(board) == 0


def test_seq_never_falls_when_a_forgotten_symbol_comes_back() -> None:
    board = priced("AAPL")
    for price in (101.0, 102.0):
        board.put([a_quote("AAPL", price)], 0.0)
    highest = seq(board)
    board.forget(before=1.0, keep=0)
    assert board.quote("AAPL") is None
    board.put([a_quote("AAPL", 102.0)], 2.0)
    assert seq(board) > highest


def test_what_was_not_renewed_after_a_moment_is_named_also_where_the_board_has_no_entry() -> None:
    board = Board()
    board.put([a_quote("OLD")], 1.0)
    board.put([a_quote("NEW")], 2.0)
    assert board.not_renewed(["NEW", "NONE", "OLD"], 1.0) == ["NONE", "OLD"]
    assert board.not_renewed(["NEW", "OLD"], 0.5) == []


# --- quotes that another board had before ---


def relayed(symbol: str = "AAPL", price: float = 100.0, *, seq: int, stale: Reason | None = None) -> BoardQuote:
    return BoardQuote.of(a_quote(symbol, price), seq=seq, stale_reason=stale, retry_at=None)


def test_a_relayed_quote_keeps_the_seq_and_the_staleness_of_the_board_it_came_from() -> None:
    board = Board()
    board.put([relayed(seq=41, stale=Reason.PROVIDER_TIMEOUT)], 1.0)
    quote = board.quote("AAPL")
    assert quote is not None
    assert (quote.seq, quote.stale, quote.stale_reason) == (41, True, Reason.PROVIDER_TIMEOUT)


def test_a_relayed_quote_that_is_older_than_the_one_held_is_passed_over() -> None:
    board = Board()
    board.put([relayed(price=101.0, seq=42)], 1.0)
    board.put([relayed(price=100.0, seq=41)], 2.0)
    assert (seq(board), board.quote("AAPL").price) == (42, 101.0)  # type: ignore[union-attr] # it was put


def test_what_a_board_says_of_a_relayed_quote_by_itself_is_pushed_and_does_not_count() -> None:
    board = Board()
    board.put([relayed(seq=41)], 1.0)
    basket, watcher = watch(board, "AAPL")
    board.mark_stale(["AAPL"], Reason.PROVIDER_TIMEOUT)
    assert (seq(board), watcher.wakes) == (41, 1)
    board.put([relayed(seq=41)], 2.0)
    assert (seq(board), watcher.wakes) == (41, 2)
    assert json.loads(basket.lines())["stale"] is False
    board.put([relayed(price=101.0, seq=42)], 3.0)
    assert seq(board) == 42


def test_seq_never_falls_where_another_source_fills_in_for_a_relayed_one() -> None:
    board = Board()
    board.put([relayed(seq=41)], 1.0)
    board.put([a_quote("AAPL", 102.0)], 2.0)
    board.put([a_quote("AAPL", 103.0)], 3.0)
    assert seq(board) == 43
    board.put([relayed(price=104.0, seq=42)], 4.0)
    assert seq(board) == 44
    board.put([relayed(price=105.0, seq=50)], 5.0)
    assert seq(board) == 50


def test_a_board_counts_each_symbol_on_from_the_number_that_it_is_told_when_it_first_hears_of_it() -> None:
    firsts = iter([1000, 2000])
    board = Board(first_seq=lambda: next(firsts))
    board.put([a_quote("AAPL")], 1.0)
    board.put([a_quote("AAPL", 101.0), a_quote("MSFT", 1.0)], 2.0)
    assert (seq(board, "AAPL"), seq(board, "MSFT")) == (1002, 2001)


# --- taps ---


class Recorder:
    def __init__(self) -> None:
        self.batches: list[tuple[list[str], list[str]]] = []

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        self.batches.append(([each.symbol for each in changed], [each.symbol for each in renewed]))


def test_a_tap_takes_each_batch_once_with_what_changed_and_what_was_only_confirmed() -> None:
    board, tap = priced("AAPL", "MSFT"), Recorder()
    board.taps.append(tap)
    board.put([a_quote("AAPL", 101.0), a_quote("MSFT")], 1.0)
    board.mark_stale(["MSFT"], Reason.PROVIDER_TIMEOUT)
    assert tap.batches == [(["AAPL"], ["MSFT"]), (["MSFT"], [])]


# --- what others watch ---


def test_a_basket_of_what_is_watched_follows_that_and_is_no_demand() -> None:
    board = Board()
    demand: list[tuple[str, bool]] = []
    board.on_demand = lambda symbol, is_wanted: demand.append((symbol, is_wanted))
    aapl = board.watch(("AAPL",), CountingWatcher(), eager=True)
    watcher = CountingWatcher()
    followed = board.watch_watched(watcher, most=10)
    board.watch(("MSFT", "AAPL"), CountingWatcher(), eager=True)
    board.put([a_quote("AAPL"), a_quote("MSFT"), a_quote("TSLA")], 0.0)
    assert [symbol for symbol, _ in told(followed.lines())] == ["AAPL", "MSFT"]
    assert watcher.wakes == 1
    board.put([a_quote("TSLA", 301.0)], 1.0)
    assert watcher.wakes == 1  # nobody watches it
    board.unwatch(aapl, next(iter(aapl.watchers)))
    assert [symbol for symbol, _ in told(followed.lines())] == ["AAPL", "MSFT"]
    assert (board.watched(), demand) == (["AAPL", "MSFT"], [("AAPL", True), ("MSFT", True)])


def test_a_symbol_leaves_the_basket_of_what_is_watched_with_its_last_watcher() -> None:
    board = priced("AAPL", "MSFT")
    basket, watcher = watch(board, "AAPL", "MSFT")
    follower = CountingWatcher()
    followed = board.watch_watched(follower, most=10)
    board.unwatch(basket, watcher)
    assert (followed.lines(), board.is_watched("AAPL")) == (b"", False)
    board.forget(before=10.0, keep=0)
    assert len(board) == 0


def test_the_basket_of_what_is_watched_has_no_more_than_it_may_and_the_next_one_moves_up() -> None:
    board = priced("AAPL", "MSFT", "TSLA")
    first, watcher = watch(board, "AAPL")
    watch(board, "MSFT", "TSLA")
    followed = board.watch_watched(CountingWatcher(), most=2)
    assert [symbol for symbol, _ in told(followed.lines())] == ["AAPL", "MSFT"]
    board.unwatch(first, watcher)
    assert [symbol for symbol, _ in told(followed.lines())] == ["MSFT", "TSLA"]


def test_all_followers_have_one_basket_and_the_last_takes_it_along() -> None:
    board = priced("AAPL")
    first, second = CountingWatcher(), CountingWatcher()
    followed = board.watch_watched(first, most=2)
    assert board.watch_watched(second, most=2) is followed
    board.unwatch(followed, first)
    watch(board, "AAPL")
    assert followed.lines() != b""
    board.unwatch(followed, second)
    assert board._watched_baskets == {}


def test_what_was_joined_of_what_is_watched_is_not_kept_for_those_who_come_after_a_symbol() -> None:
    board = priced("AAPL", "MSFT")
    aapl, watcher = watch(board, "AAPL")
    followed = board.watch_watched(CountingWatcher(), most=10)
    assert board.watch_watched(CountingWatcher(), most=10) is followed
    assert [symbol for symbol, _ in told(followed.push())] == ["AAPL"]
    watch(board, "MSFT")
    assert [symbol for symbol, _ in told(followed.push())] == ["AAPL", "MSFT"]
    board.unwatch(aapl, watcher)
    assert [symbol for symbol, _ in told(followed.push())] == ["MSFT"]
