import asyncio
import gc

import pytest

from scripted_server import NOW_MS, a_price
from stocktrack.client.errors import Unavailable
from stocktrack.client.prices import PriceBook, PriceStream
from stocktrack.clock import ManualClock, settle
from stocktrack.messages import Price
from stocktrack.quotes import MarketState


def a_book(*symbols: str) -> PriceBook:
    book = PriceBook()
    book.begin("run-1")
    book.subscribe(symbols or ("AAPL", "MSFT"))
    return book


async def unread(stream: PriceStream) -> list[Price]:
    """What a stream hands out without waiting."""
    prices: list[Price] = []

    async def read() -> None:
        async for price in stream:
            prices.append(price)  # noqa: PERF401 - what was read must outlive the cancelling

    task = asyncio.create_task(read())
    await settle()
    task.cancel()
    await asyncio.wait((task,))
    return prices


async def test_a_reader_that_keeps_up_gets_every_price_in_order() -> None:
    book = a_book()
    stream = book.stream()
    for seq in range(1, 4):
        book.put(a_price(seq=seq))
        assert await anext(stream) == a_price(seq=seq)


def test_whoever_asks_for_every_price_gets_those_that_a_reader_would_not_see() -> None:
    seen: list[Price] = []
    book = PriceBook(seen.append)
    book.begin("run-1")
    book.subscribe(["AAPL"])
    for price in (a_price(seq=3), a_price(seq=4), a_price(seq=2), a_price("MSFT", seq=1)):
        book.put(price)

    assert seen == [a_price(seq=3), a_price(seq=4), a_price(seq=2)]


async def test_a_reader_that_is_behind_gets_the_newest_of_each_symbol_and_seq_shows_the_jump() -> None:
    book = a_book()
    stream = book.stream()
    for seq in range(1, 1_000):
        book.put(a_price("AAPL", seq=seq))
        book.put(a_price("MSFT", seq=seq))
    assert await unread(stream) == [a_price("AAPL", seq=999), a_price("MSFT", seq=999)]


async def test_what_an_open_market_leaves_behind_does_not_linger_in_a_price() -> None:
    book = a_book()
    evening = a_price(seq=1).model_copy(update={"market_state": MarketState.POST, "extended_price": 190.5})
    book.put(evening)
    book.put(a_price(seq=2))
    assert (await anext(book.stream())).extended_price is None


async def test_a_symbol_that_changes_all_the_time_does_not_keep_the_others_waiting() -> None:
    book = a_book()
    stream = book.stream()
    seen = []
    for seq in range(1, 7):
        book.put(a_price("AAPL", seq=seq))
        if seq == 1:
            book.put(a_price("MSFT", seq=1))
        book.put(a_price("AAPL", seq=seq + 1))
        seen.append((await anext(stream)).symbol)
    assert seen[:2] == ["AAPL", "MSFT"]


async def test_each_of_several_readers_gets_all_prices_at_its_own_pace() -> None:
    book = a_book()
    quick, slow = book.stream(), book.stream()
    book.put(a_price(seq=1))
    assert await anext(quick) == a_price(seq=1)
    book.put(a_price(seq=2))
    assert await anext(quick) == a_price(seq=2)
    assert await unread(slow) == [a_price(seq=2)]


async def test_two_tasks_may_share_one_stream_and_neither_is_forgotten() -> None:
    book = a_book()
    stream = book.stream()
    readers = [asyncio.create_task(anext(stream)) for _ in range(2)]
    await settle()
    book.put(a_price("AAPL"))
    await settle()
    book.put(a_price("MSFT"))
    assert {price.symbol for price in await asyncio.gather(*readers)} == {"AAPL", "MSFT"}


async def test_a_reader_that_comes_late_begins_with_the_newest_known_prices() -> None:
    book = a_book()
    book.put(a_price("AAPL", seq=1))
    book.put(a_price("AAPL", seq=2))
    assert await unread(book.stream()) == [a_price("AAPL", seq=2)]


async def test_an_unsubscribed_symbol_is_taken_back_from_the_readers_and_forgotten() -> None:
    book = a_book()
    stream = book.stream()
    book.put(a_price("AAPL"))
    book.put(a_price("MSFT"))
    book.subscribe(["MSFT"])
    book.put(a_price("AAPL", seq=2))
    assert await unread(stream) == [a_price("MSFT")]
    assert await unread(book.stream()) == [a_price("MSFT")]
    assert book.symbols == ("MSFT",)


async def test_prices_that_nobody_asked_for_take_no_memory() -> None:
    book = a_book("AAPL")
    stream = book.stream()
    for number in range(1_000):
        book.put(a_price(f"S{number:04}"))
    assert await unread(stream) == []
    assert await unread(book.stream()) == []


@pytest.mark.parametrize(
    ("price", "is_taken"),
    [
        (a_price(seq=8), False),
        (a_price(seq=9), True),  # pushed again as it is
        (a_price(seq=9, at=-5), True),
        (a_price(seq=10), True),
        (a_price(seq=10, timestamp=NOW_MS - 1), False),
        (a_price(seq=10, timestamp=None), True),
    ],
)
async def test_within_a_run_of_the_server_neither_seq_nor_the_markets_time_falls(price: Price, is_taken: bool) -> None:
    book = a_book()
    book.put(a_price(seq=9))
    stream = book.stream()
    await anext(stream)
    book.begin("run-1")
    book.put(price)
    assert await unread(stream) == ([price] if is_taken else [])


@pytest.mark.parametrize(
    ("price", "is_taken"),
    [
        (a_price(seq=1, at=1), True),
        (a_price(seq=1, at=0), True),
        (a_price(seq=1, at=-1), False),  # the same price as it was fetched before
        (a_price(seq=100, at=1, timestamp=NOW_MS - 1), False),
        (a_price(seq=1, at=50, timestamp=NOW_MS + 1), True),
        (a_price(seq=1, at=1, timestamp=None), True),
        (a_price(seq=1, at=-1, timestamp=None), False),
    ],
)
async def test_after_a_restart_seq_begins_anew_but_time_goes_on(price: Price, is_taken: bool) -> None:
    book = a_book()
    book.put(a_price(seq=9))
    stream = book.stream()
    await anext(stream)
    book.begin("run-2")
    book.put(price)
    assert await unread(stream) == ([price] if is_taken else [])


async def test_after_a_restart_the_new_seq_counts_from_the_first_price_that_was_taken() -> None:
    book = a_book()
    book.put(a_price(seq=900))
    book.begin("run-2")
    stream = book.stream()
    assert await unread(stream) == [a_price(seq=900)]
    book.put(a_price(seq=2, at=1))
    book.put(a_price(seq=1, at=2))
    assert await unread(stream) == [a_price(seq=2, at=1)]


async def test_one_price_from_the_future_does_not_mute_a_symbol() -> None:
    book = a_book()
    stream = book.stream()
    book.put(a_price(seq=1, timestamp=NOW_MS * 1_000))
    book.put(a_price(seq=2, at=60_000, timestamp=NOW_MS + 50_000))
    assert await unread(stream) == [a_price(seq=2, at=60_000, timestamp=NOW_MS + 50_000)]


async def test_a_stream_ends_once_everything_is_read() -> None:
    book = a_book()
    stream, waiting = book.stream(), asyncio.create_task(anext(book.stream(), None))
    await settle()
    book.put(a_price())
    assert await waiting == a_price()
    book.end(None)
    assert [price async for price in stream] == [a_price()]
    assert [price async for price in book.stream()] == [a_price()]


async def test_a_stream_that_ended_with_an_error_raises_a_new_one_for_each_reader() -> None:
    book = a_book()
    streams = [book.stream(), book.stream()]
    book.end(Unavailable("The server is gone."))
    errors = []
    for stream in [*streams, streams[0], book.stream()]:
        with pytest.raises(Unavailable, match="gone") as caught:
            await anext(stream)
        errors.append(caught.value)
    assert len(set(map(id, errors))) == 4


async def test_a_reader_that_let_go_is_fed_no_more() -> None:
    book = a_book()
    stream = book.stream()
    kept = book.stream()
    del stream
    gc.collect()
    assert len(book._streams) == 1
    book.put(a_price())
    assert await unread(kept) == [a_price()]


async def test_a_reader_with_a_pause_gets_the_first_price_at_once_and_then_the_newest_in_rounds() -> None:
    book, clock, seen = a_book(), ManualClock(), []
    stream = book.stream(pause_seconds=0.25, clock=clock)

    async def read() -> None:
        async for price in stream:
            seen.append((price.symbol, price.seq))  # noqa: PERF401 - what was read must outlive the cancelling

    reading = asyncio.create_task(read())
    await clock.advance(0)
    book.put(a_price("AAPL", seq=1))
    await clock.advance(0)
    assert seen == [("AAPL", 1)]
    for seq in range(2, 12):
        book.put(a_price("AAPL", seq=seq))
        book.put(a_price("MSFT", seq=seq))
        await clock.advance(0.02)
    assert seen == [("AAPL", 1)]
    await clock.advance(0.06)
    assert seen == [("AAPL", 1), ("AAPL", 11), ("MSFT", 11)]
    await clock.advance(10)
    book.put(a_price("MSFT", seq=12))
    await clock.advance(0)
    assert seen[3:] == [("MSFT", 12)], "after a quiet time nothing waits"
    reading.cancel()
    await asyncio.wait((reading,))


async def test_a_reader_that_comes_back_late_within_the_pause_waits_for_its_rest() -> None:
    book, clock = a_book(), ManualClock()
    stream = book.stream(pause_seconds=0.25, clock=clock)
    book.put(a_price(seq=1))
    assert (await anext(stream)).seq == 1
    book.put(a_price(seq=2))
    reading = asyncio.ensure_future(anext(stream))
    await clock.advance(0.24)
    book.put(a_price(seq=3))
    assert not reading.done()
    await clock.advance(0.02)
    assert (await reading).seq == 3


async def test_what_is_unsubscribed_during_a_pause_is_not_handed_out_after_it() -> None:
    book, clock = a_book(), ManualClock()
    stream = book.stream(pause_seconds=0.25, clock=clock)
    book.put(a_price("AAPL", seq=1))
    await anext(stream)
    reading = asyncio.ensure_future(anext(stream))
    book.put(a_price("AAPL", seq=2))
    await clock.advance(0.1)
    book.subscribe(["MSFT"])
    await clock.advance(1)
    assert not reading.done()
    book.put(a_price("MSFT", seq=1))
    assert await reading == a_price("MSFT", seq=1)


async def test_the_end_of_a_stream_ends_its_pause_and_nothing_unread_is_lost() -> None:
    book, clock = a_book(), ManualClock()
    stream = book.stream(pause_seconds=3_600, clock=clock)
    book.put(a_price("AAPL", seq=1))
    await anext(stream)
    reading = asyncio.ensure_future(anext(stream))
    book.put(a_price("AAPL", seq=2))
    book.put(a_price("MSFT", seq=1))
    await clock.advance(0.1)
    assert not reading.done()
    book.end(None)
    assert [await reading, *[price async for price in stream]] == [a_price("AAPL", seq=2), a_price("MSFT", seq=1)]


async def test_whoever_asks_for_every_price_gets_them_all_while_a_reader_pauses() -> None:
    seen: list[Price] = []
    book, clock = PriceBook(seen.append), ManualClock()
    book.begin("run-1")
    book.subscribe(["AAPL"])
    stream = book.stream(pause_seconds=0.25, clock=clock)
    for seq in (1, 2, 3):
        book.put(a_price(seq=seq))
    assert [price.seq for price in seen] == [1, 2, 3]
    assert (await anext(stream)).seq == 3
