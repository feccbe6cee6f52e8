import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.testing import capture_logs

from fake_sink import FakeSink
from live_server import until
from sink_quotes import a_quote, put
from stocktrack.clock import ManualClock, settle
from stocktrack.market.board import Board
from stocktrack.messages import SinkState
from stocktrack.sinks import outlet
from stocktrack.sinks.base import shown_address
from stocktrack.sinks.outlet import Outlet
from stocktrack.sinks.publisher import Publisher


class NoJitter(random.Random):
    def random(self) -> float:
        return 0.5


class House:
    """A board whose changes go to fakes, on a clock that the test moves."""

    def __init__(self, sinks: Sequence[FakeSink], *, takes_renewals: bool = False) -> None:
        self.clock = ManualClock()
        self.board = Board()
        self.outlets = [Outlet(sink, self.clock, takes_renewals=takes_renewals, rng=NoJitter()) for sink in sinks]
        self.publisher = Publisher(self.outlets, self.clock)
        self.board.taps.append(self.publisher)


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
async def house(sink: FakeSink) -> AsyncIterator[House]:
    house = House([sink])
    house.publisher.start()
    await settle()
    yield house
    await house.publisher.supervisor.close()


async def test_every_change_reaches_the_sink_and_a_confirmation_does_not(house: House, sink: FakeSink) -> None:
    put(house.board, "AAPL", 1.0, 2.0, 2.0)
    put(house.board, "MSFT", 5.0)
    await settle()

    assert sink.taken == [("AAPL", 1), ("AAPL", 2), ("MSFT", 1)]
    [info] = house.publisher.infos()
    assert (info.sink, info.state, info.written, info.waiting, info.failures) == ("fake://sink", SinkState.OK, 3, 0, 0)
    assert info.last_success_at == house.clock.now_ms()
    assert (info.reason, info.retry_at) == (None, None)


async def test_of_several_changes_in_one_message_of_a_source_each_comes(house: House, sink: FakeSink) -> None:
    house.board.put([a_quote("AAPL", 1.0), a_quote("MSFT", 5.0), a_quote("AAPL", 2.0)], 0.0)
    await settle()

    assert sink.taken == [("AAPL", 1), ("MSFT", 1), ("AAPL", 2)]


async def test_a_sink_whose_prices_expire_gets_confirmations_too() -> None:
    sink = FakeSink()
    house = House([sink], takes_renewals=True)
    house.publisher.start()
    put(house.board, "AAPL", 1.0)
    await settle()
    put(house.board, "AAPL", 1.0)
    await settle()
    await house.publisher.supervisor.close()

    assert sink.taken == [("AAPL", 1), ("AAPL", 1)]


async def test_what_changes_while_it_writes_goes_into_the_next_write_together(house: House, sink: FakeSink) -> None:
    for n in range(1050):
        put(house.board, f"S{n}", 1.0)
    await settle()

    assert sink.batches == [500, 500, 50]


async def test_a_sink_that_is_down_is_tried_later_and_later_and_told_of_once(sink: FakeSink) -> None:
    sink.refuses_to_open = "Nobody is there."
    house = House([sink])
    with capture_logs() as log:
        house.publisher.start()
        await settle()
        put(house.board, "AAPL", 1.0)
        [info] = house.publisher.infos()
        assert (info.state, info.reason, info.waiting) == (SinkState.FAILING, "Nobody is there.", 1)
        assert info.retry_at == house.clock.now_ms() + 1000
        tries = []
        for _ in range(7):
            before, waited = sink.opened, 0
            while sink.opened == before:
                await house.clock.advance(1)
                waited += 1
            tries.append(waited)
        sink.refuses_to_open = None
        await house.clock.advance(60)

    assert tries == [1, 2, 4, 8, 16, 32, 60]
    assert sink.taken == [("AAPL", 1)]
    assert house.publisher.infos()[0].failures == 8
    assert [(each["event"], each.get("why")) for each in log] == [
        ("sink is down", "Nobody is there."),
        ("sink is back", None),
    ]
    await house.publisher.supervisor.close()


async def test_what_was_refused_is_written_again_in_its_order(house: House, sink: FakeSink) -> None:
    sink.refuses = "It is full."
    put(house.board, "AAPL", 1.0)
    await settle()
    put(house.board, "AAPL", 2.0)
    sink.refuses = None
    await house.clock.advance(1)

    assert sink.taken == [("AAPL", 1), ("AAPL", 2)]
    assert sink.opened == 2


async def test_a_sink_that_opens_and_refuses_every_write_is_not_told_to_be_back(house: House, sink: FakeSink) -> None:
    sink.refuses = "It is full."
    with capture_logs() as log:
        put(house.board, "AAPL", 1.0)
        await house.clock.advance(600)

    assert [each["event"] for each in log] == ["sink is down"]
    assert sink.opened > 5


async def test_a_write_that_hangs_is_given_up_and_made_again(
    house: House, sink: FakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "WRITE_SECONDS", 0.01)
    sink.hangs = True
    put(house.board, "AAPL", 1.0)
    await until(lambda: house.publisher.infos()[0].state is SinkState.FAILING)
    [info] = house.publisher.infos()
    sink.hangs = False
    await house.clock.advance(1)

    assert info.reason == "It did not take 1 prices within 0.01 s."
    assert sink.taken == [("AAPL", 1)]


async def test_a_failure_after_a_steady_while_is_a_first_one(house: House, sink: FakeSink) -> None:
    sink.refuses = "It is full."
    put(house.board, "AAPL", 1.0)
    await house.clock.advance(20)
    sink.refuses = None
    await house.clock.advance(60)
    put(house.board, "AAPL", 2.0)
    await settle()
    sink.refuses = "It is full again."
    put(house.board, "AAPL", 3.0)
    await settle()

    assert house.publisher.infos()[0].retry_at == house.clock.now_ms() + 1000


async def test_a_sink_that_breaks_unexpectedly_is_a_bug_in_the_log_and_loses_nothing(
    house: House, sink: FakeSink
) -> None:
    sink.breaks = RuntimeError("a bug")
    with capture_logs() as log:
        put(house.board, "AAPL", 1.0)
        await settle()
        [info] = house.publisher.infos()
        sink.breaks = None
        await house.clock.advance(2)

    assert (info.state, info.reason) == (SinkState.FAILING, "It failed unexpectedly; the server's log says why.")
    assert "a task failed unexpectedly and is started again" in [each["event"] for each in log]
    assert sink.taken == [("AAPL", 1)]


async def test_one_sink_that_hangs_holds_up_no_other() -> None:
    hung, well = FakeSink("fake://hung"), FakeSink("fake://well")
    hung.hangs = True
    house = House([hung, well])
    house.publisher.start()
    put(house.board, "AAPL", 1.0, 2.0)
    await settle()
    await house.publisher.supervisor.close()

    assert (hung.taken, well.taken) == ([], [("AAPL", 1), ("AAPL", 2)])


async def test_closing_writes_what_waits_and_takes_nothing_more(house: House, sink: FakeSink) -> None:
    put(house.board, "AAPL", 1.0)
    await house.publisher.close()
    put(house.board, "AAPL", 2.0)
    await settle()

    assert sink.taken == [("AAPL", 1)]
    assert sink.closed == 1


async def test_a_sink_that_hangs_holds_up_no_closing_and_what_is_lost_is_told(house: House, sink: FakeSink) -> None:
    sink.hangs = sink.hangs_at_close = True
    put(house.board, "AAPL", 1.0)
    await settle()
    with capture_logs() as log:
        closing = house.publisher.close()
        task = asyncio.ensure_future(closing)
        await house.clock.advance(1)

    assert task.done()
    assert [(each["event"], each.get("waiting")) for each in log] == [
        ("a sink took too long to close and was given up", None),
        ("what waited for a sink is lost", 1),
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://ann:SeCrEt@host:6379/3?protocol=2", "redis://host:6379/3"),
        ("rediss://:SeCrEt%40@[::1]:6380", "rediss://[::1]:6380"),
        ("unix:///run/redis.sock?password=SeCrEt", "unix:///run/redis.sock"),
        ("kafka://host:9092/quotes", "kafka://host:9092/quotes"),
        ("file:///var/lib/ticks.csv", "file:///var/lib/ticks.csv"),
    ],
)
def test_an_address_is_shown_without_a_password(url: str, shown: str) -> None:
    assert shown_address(url) == shown
