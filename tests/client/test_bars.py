import importlib
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from scripted_server import ScriptedServer, ScriptedSession, a_hello
from stocktrack.bars import Adjust, Bar, BarInterval, HistoryRange
from stocktrack.client import BadRequest, Bars, NotFound, StockTrackClient
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import Command, History, HistoryReply, Ping, PingReply
from stocktrack.wire.lines import failure

OPENED_MS = 1_709_908_200_000  # Friday 8 March 2024, 09:30 in New York; the clocks changed that weekend
MONDAY_MS = 1_710_163_800_000  # Monday 11 March 2024, 09:30 there


def a_bar(time: int = OPENED_MS, close: float = 170.5, volume: int | None = 1_000, **fields: Any) -> Bar:
    return Bar(time=time, open=170.0, high=171.0, low=169.5, close=close, volume=volume, **fields)


def a_reply(command: Command, *bars: Bar, **fields: Any) -> HistoryReply:
    told: dict[str, Any] = {"timezone": "America/New_York", "currency": "USD", "provider": "yahoo"} | fields
    return HistoryReply(
        id=command.id, symbol="AAPL", interval=BarInterval.DAY, adjust=Adjust.SPLITS, bars=bars or (a_bar(),), **told
    )


def answering(*replies: Callable[[History], HistoryReply]) -> tuple[Callable[[ScriptedSession], Any], list[History]]:
    """A script that answers each HISTORY by the next of `replies`, the last one again; and what was asked."""
    asked: list[History] = []

    async def script(session: ScriptedSession) -> None:
        session.send(a_hello())
        while True:
            command = await session.expect(History)
            session.send(replies[min(len(asked), len(replies) - 1)](command))
            asked.append(command)

    return script, asked


def bars_of(*bars: Bar, **fields: Any) -> Bars:
    return Bars.of(a_reply(Ping(), *bars, **fields))


async def test_history_is_a_sequence_of_bars_that_says_what_they_are_of() -> None:
    script, asked = answering(lambda command: a_reply(command, a_bar(), a_bar(MONDAY_MS, 172.75, live=True)))
    async with ScriptedServer(script) as server, StockTrackClient(port=server.port) as client:
        bars = await client.history("aapl", range="1y")

    assert (asked[0].symbol, asked[0].range, asked[0].interval) == ("AAPL", HistoryRange.YEAR, None)
    assert [bar.close for bar in bars] == [170.5, 172.75]
    assert (len(bars), bars[-1].live, bars[:1]) == (2, True, (a_bar(),))
    assert (bars.symbol, bars.interval, bars.adjust, bars.currency) == ("AAPL", "1d", "splits", "USD")
    assert (bars.timezone, bars.provider, bars.stale) == ("America/New_York", "yahoo", False)
    assert repr(bars) == "<Bars of AAPL: 2 of 1d from yahoo>"


async def test_the_bars_of_several_pages_are_one_sequence_and_each_keeps_its_provider() -> None:
    script, asked = answering(
        lambda command: a_reply(command, a_bar(), more=True),
        lambda command: a_reply(command, a_bar(MONDAY_MS), provider="recorded"),
    )
    async with ScriptedServer(script) as server, StockTrackClient(port=server.port) as client:
        bars = await client.history("AAPL", range=HistoryRange.DAY, interval="1m", prepost=True)

    assert [(bar.time, bar.provider or bars.provider) for bar in bars] == [
        (OPENED_MS, "yahoo"),
        (MONDAY_MS, "recorded"),
    ]
    assert (asked[1].range, asked[1].start, asked[1].interval) == (None, OPENED_MS + 1, BarInterval.DAY)
    assert asked[1].prepost


class Int64:
    """As `numpy.int64`, which is no int."""

    def __index__(self) -> int:
        return OPENED_MS


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (OPENED_MS, OPENED_MS),
        (str(OPENED_MS), OPENED_MS),
        (date(2024, 3, 8), date(2024, 3, 8)),
        ("2024-03-08", date(2024, 3, 8)),
        (datetime(2024, 3, 8, 14, 30, tzinfo=UTC), OPENED_MS),
        (datetime(2024, 3, 8, 9, 30, tzinfo=timezone(timedelta(hours=-5))), OPENED_MS),
        ("2024-03-08T09:30-05:00", OPENED_MS),
        ("2024-03-08T14:30:00Z", OPENED_MS),
        (-1, -1),
        (Int64(), OPENED_MS),
    ],
)
async def test_a_start_is_taken_as_people_write_it(given: Int64 | int | str | date, sent: int | date) -> None:
    script, asked = answering(a_reply)
    async with ScriptedServer(script) as server, StockTrackClient(port=server.port) as client:
        await client.history("AAPL", start=given, end=given)

    assert (asked[0].start, asked[0].end, asked[0].range) == (sent, sent, None)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"range": "2y"}, "the field 'range' must be one of 1d, 5d,"),
        ({"interval": "7m"}, "the field 'interval' must be one of 1m, 2m,"),
        ({"adjust": "some"}, "the field 'adjust' must be one of none, splits, all."),
        ({"start": "soon"}, "the field 'start' must be epoch milliseconds or a date such as 2024-02-09, of the years"),
        ({"start": "9" * 30}, "the field 'start' must be epoch milliseconds"),
        ({"start": True}, "the field 'start' must be epoch milliseconds"),
        ({"start": datetime(2024, 3, 8)}, "2024-03-08T00:00:00 has no time zone"),  # noqa: DTZ001 - that is the mistake
        ({"start": "2024-03-08", "end": "2024-03-08T09:30"}, "'end': 2024-03-08T09:30:00 has no time zone"),
        ({"range": "1d", "start": 0}, "there are both 'range' and 'start'"),
        ({"end": 0}, "there is an 'end' without a 'start'"),
        ({"prepost": "yes"}, "the field 'prepost' must be true or false."),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_it_is_sent(fields: dict[str, Any], told: str) -> None:
    script, asked = answering(a_reply)
    async with ScriptedServer(script) as server, StockTrackClient(port=server.port) as client:
        with pytest.raises(BadRequest) as raised:
            await client.history("AAPL", **fields)

    assert told in str(raised.value)
    assert raised.value.reason is Reason.INVALID_COMMAND
    assert asked == []


async def test_no_history_is_an_error_and_the_client_goes_on() -> None:
    async def script(session: ScriptedSession) -> None:
        session.send(a_hello())
        command = await session.expect(History)
        session.send(failure(CommandError(Reason.NO_HISTORY, "There are no bars of AAPL."), command))
        session.send(PingReply(id=(await session.expect(Ping)).id, timestamp=1))

    async with ScriptedServer(script) as server, StockTrackClient(port=server.port) as client:
        with pytest.raises(NotFound, match=r"There are no bars of AAPL\."):
            await client.history("AAPL")
        assert (await client.ping()).timestamp == 1


def test_a_data_frame_has_aware_times_of_the_exchange_and_leaves_unknown_volumes_open() -> None:
    pandas = pytest.importorskip("pandas")
    frame = bars_of(a_bar(), a_bar(MONDAY_MS, 172.75, volume=None)).to_pandas()

    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert frame.index.name == "time"
    # The same hour of the day on both sides of the change of the clocks.
    assert [str(time) for time in frame.index] == ["2024-03-08 09:30:00-05:00", "2024-03-11 09:30:00-04:00"]
    assert str(frame.index.tz) == "America/New_York"
    assert frame["close"].tolist() == [170.5, 172.75]
    assert frame["volume"].iloc[0] == 1_000
    assert frame["volume"].iloc[1] is pandas.NA
    assert frame.attrs["symbol"] == "AAPL"


def test_a_data_frame_of_no_bars_has_its_columns_and_its_zone() -> None:
    pytest.importorskip("pandas")
    frame = Bars.of(a_reply(Ping()).model_copy(update={"bars": ()})).to_pandas()

    assert (len(frame), list(frame.columns)[:1], str(frame.index.tz)) == (0, ["open"], "America/New_York")


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert bars_of(timezone="Mars/Olympus").zone is UTC
    assert bars_of(timezone="../etc/passwd").zone is UTC


def test_without_pandas_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'stocktrack-server\[pandas\]'"):
        bars_of().to_pandas()


def test_bars_are_had_and_read_without_importing_pandas() -> None:
    program = (
        "import sys; from stocktrack.client import Bars; from stocktrack.messages import HistoryReply;"
        "reply = HistoryReply(symbol='A', interval='1d', adjust='splits', timezone='UTC', provider='p', bars=[]);"
        "list(Bars.of(reply)); print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert "stocktrack.client.bars" in done.stdout.split()
    assert not {"pandas", "numpy"} & set(done.stdout.split())
