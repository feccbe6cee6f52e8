import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from cli_process import run
from scripted_server import NOW_MS, Script, ScriptedServer, ScriptedSession, a_quote, market
from stocktrack.bars import Adjust, Bar, BarInterval, HistoryRange
from stocktrack.commands.history import AdjustWord, IntervalWord, RangeWord
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import Command, Get, GetReply, History, HistoryReply, Missing
from stocktrack.wire.lines import failure
from terminal import program_environment

CSV = (
    "time,open,high,low,close,volume\n"
    "1712151000000,168.79,170.68,168.58,169.65,47691700\n"
    "1712237400000,170.29,171.92,168.82,168.82,53704400\n"
    "1712323800000,169.59,170.39,168.95,169.58,42055200\n"
)


def a_server(bars: tuple[Bar, ...], *, asked: list[Command] | None = None, **quote: Any) -> ScriptedServer:
    """A server with these bars of AAPL, in pages of two, and a quote with these fields."""

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        while True:
            command = await session.command()
            if asked is not None:
                asked.append(command)
            if isinstance(command, Get):
                session.send(GetReply(id=command.id, quotes=(a_quote("AAPL").model_copy(update=quote),)))
            elif isinstance(command, History):
                left = [bar for bar in bars if not isinstance(command.start, int) or bar.time >= command.start]
                session.send(
                    HistoryReply(
                        id=command.id,
                        symbol="AAPL",
                        interval=command.asked_interval,
                        adjust=command.adjust,
                        timezone="America/New_York",
                        provider="scripted",
                        bars=tuple(left[:2]),
                        more=len(left) > 2,
                    )
                )

    return ScriptedServer(script)


def refusing(reason: Reason, message: str) -> Script:
    """A server that has no history, nor a quote."""

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        while True:
            command = await session.command()
            missing = (Missing(symbol="AAPL", code=reason.code, reason=reason),)
            session.send(failure(CommandError(reason, message), command, missing if type(command) is Get else None))

    return script


BARS = tuple(
    Bar(time=NOW_MS - (60 - minute) * 60_000, open=189, high=190, low=188.5, close=189 + minute / 100, volume=10)
    for minute in range(60)
)


def test_the_words_of_the_options_are_those_of_the_protocol() -> None:
    assert list(get_args(RangeWord)) == [each.value for each in HistoryRange]
    assert list(get_args(IntervalWord)) == [each.value for each in BarInterval]
    assert list(get_args(AdjustWord)) == [each.value for each in Adjust]


# --- history --------------------------------------------------------------------------------------------------------


async def test_history_is_a_tab_separated_row_a_bar_in_a_pipe(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("history", "aapl", home=tmp_path, port=server.port)

    assert done.rows[0] == ["2024-04-03T13:30:00Z", "168.79", "170.68", "168.58", "169.65", "47691700", "", ""]
    assert done.rows[2][-1] == "live"
    assert (done.code, done.err) == (0, "")


async def test_csv_is_plain_data(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("history", "AAPL", "--csv", home=tmp_path, port=server.port)

    assert (done.code, done.out.decode(), done.err) == (0, CSV, "")


async def test_on_a_terminal_it_is_a_table_in_the_exchanges_time_and_a_sentence_beside_it(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run(
            *("history", "AAPL", "--interval", "1h", "--range", "5d"),
            home=tmp_path,
            port=server.port,
            FORCE_COLOR="1",
            NO_COLOR="1",
            COLUMNS="100",
        )

    lines = done.out.decode().splitlines()
    assert lines[0].split() == ["Time", "Open", "High", "Low", "Close", "%", "Volume"]
    assert lines[1].split()[0] == "2024-04-03T09:30-04:00"
    assert done.err == (
        "stocktrack: AAPL: 3 bars of 1h from scripted, in USD, corrected for splits; times of America/New_York.\n"
    )


async def test_json_is_one_reply_of_the_wire_with_its_pages_joined(tmp_path: Path) -> None:
    asked: list[Command] = []
    async with a_server(BARS[:5], asked=asked) as server:
        done = await run("history", "AAPL", "--range", "1d", "--json", home=tmp_path, port=server.port)

    reply = json.loads(done.out)
    assert (reply["type"], reply["code"], reply["more"]) == ("HISTORY", 200, False)
    assert [bar["time"] for bar in reply["bars"]] == [bar.time for bar in BARS[:5]]
    assert done.out.count(b"\n") == 1
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ((), {"range": None, "interval": None, "adjust": "splits", "prepost": False}),
        (
            ("--range", "1Y", "--interval", "1WK", "--adjust", "all"),
            {"range": "1y", "interval": "1wk", "adjust": "all"},
        ),
        (("--range", "1d", "--prepost"), {"range": "1d", "prepost": True}),
        (
            ("--start", "2024-02-09T09:30-05:00", "--end", "1707500000000"),
            {"start": 1707489000000, "end": 1707500000000},
        ),
    ],
)
async def test_its_options_are_the_fields_of_the_command(
    tmp_path: Path, arguments: tuple[str, ...], fields: dict[str, Any]
) -> None:
    asked: list[Command] = []
    async with a_server(BARS[:1], asked=asked) as server:
        done = await run("history", "AAPL", *arguments, home=tmp_path, port=server.port)

    assert done.code == 0
    assert {name: getattr(asked[0], name) for name in fields} == fields


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--range", "2y"), "'1d', '5d', '1mo'"),
        (("--interval", "7m"), "'1m', '2m'"),
        (("--csv", "--json"), "--csv or --json, not both"),
        (("--range", "1d", "--start", "2024-02-09"), "--range or --start, not both"),
        (("--end", "2024-02-09"), "--end needs a --start"),
        (("--start", "2024-02-09T09:30"), "has no time zone"),
        (("--start", "yesterday"), "must be epoch milliseconds or a date such as 2024-02-09"),
    ],
)
async def test_wrong_use_is_told_before_anything_is_sent_and_exits_2(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    async with ScriptedServer(market) as server:
        done = await run("history", "AAPL", *arguments, home=tmp_path, port=server.port)
        assert server.sessions == []

    assert done.code == 2
    assert told in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.err).split())


@pytest.mark.parametrize("command", ["history", "chart"])
@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        (Reason.RANGE_LIMIT, "Yahoo has no 1-minute bars older than 30 days: ask for the interval 2m.", 2),
        (Reason.UNKNOWN_SYMBOL, "No source knows AAPL.", 3),
        (Reason.NO_HISTORY, "There are no bars of AAPL on 2024-04-06: nothing was traded, or nobody kept it.", 3),
        (Reason.PROVIDER_TIMEOUT, "Yahoo does not answer.", 5),
        (Reason.RATE_LIMITED, "Slow down.", 5),
    ],
)
async def test_what_cannot_be_had_is_a_sentence_and_an_exit_code(
    tmp_path: Path, command: str, reason: Reason, message: str, code: int
) -> None:
    async with ScriptedServer(refusing(reason, message)) as server:
        done = await run(command, "AAPL", home=tmp_path, port=server.port)

    assert (done.code, done.out, done.err) == (code, b"", f"stocktrack: {message}\n")


async def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    async with a_server(BARS) as server:
        # `true` reads nothing at all.
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m stocktrack history AAPL --csv | true",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=program_environment(tmp_path, server.port),
        )
        done = await process.communicate()

    assert done == (b"", b"")


# --- chart ----------------------------------------------------------------------------------------------------------


async def test_a_chart_in_a_pipe_is_80_columns_of_text_without_escapes(tmp_path: Path) -> None:
    async with a_server(BARS, previous_close=188.0) as server:
        done = await run("chart", "AAPL", home=tmp_path, port=server.port)

    lines = done.out.decode().splitlines()
    assert lines[0] == "AAPL  189.45 USD  Apple Inc."
    assert max(map(len, lines)) == 80
    assert any("\u2801" <= letter <= "\u28ff" for letter in done.out.decode())
    assert "prev. close 188.00" in done.out.decode()
    assert b"\x1b" not in done.out
    assert (done.code, done.err) == (0, "")


async def test_columns_says_how_wide_it_is(tmp_path: Path) -> None:
    async with a_server(BARS) as server:
        done = await run("chart", "AAPL", home=tmp_path, port=server.port, COLUMNS="43", LINES="15")

    lines = done.out.decode().splitlines()
    assert (max(map(len, lines)), len(lines)) == (43, 14)


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"LC_ALL": "C"}, {"LANG": "C"}, {"PYTHONIOENCODING": "ascii"}])
async def test_a_dumb_terminal_and_a_locale_without_utf_8_get_ascii(tmp_path: Path, variables: dict[str, str]) -> None:
    async with a_server(BARS, name="Société") as server:
        done = await run("chart", "AAPL", "--candles", home=tmp_path, port=server.port, stdin=None, **variables)

    plot = "\n".join(done.out.decode(errors="replace").splitlines()[1:])
    assert plot.isascii()
    assert "+--" in plot


async def test_no_color_has_no_escape_and_forced_colours_have(tmp_path: Path) -> None:
    async with a_server(BARS) as server:
        plain = await run("chart", "AAPL", home=tmp_path, port=server.port, FORCE_COLOR="1", NO_COLOR="1")
        coloured = await run("chart", "AAPL", home=tmp_path, port=server.port, FORCE_COLOR="1")

    assert b"\x1b" not in plain.out
    assert b"\x1b[32m" in coloured.out


async def test_without_a_quote_there_is_a_chart_without_the_previous_close(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        for _ in range(2):
            command = await session.command()
            if isinstance(command, Get):
                session.send(failure(CommandError(Reason.PROVIDER_ERROR, "No."), command))
            elif isinstance(command, History):
                session.send(
                    HistoryReply(
                        id=command.id,
                        symbol="AAPL",
                        interval=BarInterval.ONE_MINUTE,
                        adjust=Adjust.SPLITS,
                        timezone="America/New_York",
                        provider="scripted",
                        bars=BARS,
                    )
                )

    async with ScriptedServer(script) as server:
        done = await run("chart", "AAPL", home=tmp_path, port=server.port)

    assert done.out.decode().splitlines()[0] == "AAPL  189.59"
    assert "prev. close" not in done.out.decode()
    assert (done.code, done.err) == (0, "")


async def test_a_reply_without_bars_is_no_chart(tmp_path: Path) -> None:
    async with a_server(()) as server:
        done = await run("chart", "AAPL", home=tmp_path, port=server.port)

    assert (done.code, done.out, done.err) == (3, b"", "stocktrack: There are no bars of 'AAPL'.\n")


@pytest.mark.parametrize("arguments", [("--range", "1y", "--candles"), ("--range", "MAX"), ("--prepost",)])
async def test_its_options_are_what_is_asked_for(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    asked: list[Command] = []
    async with a_server(BARS, asked=asked) as server:
        done = await run("chart", "AAPL", *arguments, home=tmp_path, port=server.port)

    command = next(each for each in asked if isinstance(each, History))
    assert command.range == (arguments[1].lower() if arguments[0] == "--range" else "1d")
    assert command.prepost is ("--prepost" in arguments)
    assert ("candles" in done.out.decode()) is ("--candles" in arguments)


@pytest.mark.parametrize(("columns", "lines"), [("29", "24"), ("80", "8")])
async def test_where_there_is_no_room_it_is_a_sentence(tmp_path: Path, columns: str, lines: str) -> None:
    async with a_server(BARS) as server:
        done = await run("chart", "AAPL", home=tmp_path, port=server.port, COLUMNS=columns, LINES=lines)

    assert done.out.decode().startswith("AAPL 189.45 USD. A chart takes 30 columns and 9 rows;")
    assert done.code == 0


async def test_drawing_a_chart_imports_nothing_heavy(tmp_path: Path) -> None:
    async with a_server(BARS) as server:
        done = await run("chart", "AAPL", home=tmp_path, port=server.port, PYTHONPROFILEIMPORTTIME="1")

    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "stocktrack.terminal.chart" in imported
    assert not {"pandas", "numpy", "rich", "prompt_toolkit", "sqlalchemy", "fastapi", "yfinance"} & imported
