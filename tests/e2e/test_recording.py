"""A real recorder at a real server: what it writes, what it survives, and that a replay is what was recorded."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from live_server import PASSWORD
from patience import PATIENCE_SECONDS
from recorded import no_bad_row
from server_process import STOCKTRACK, ServerProcess, environment, run_stocktrack, server_process
from stocktrack.messages import Price
from stocktrack.recording.reading import files_of, rows_of
from stocktrack.recording.rows import Hole, Row
from stocktrack.wire.lines import encode_line
from terminal import Terminal

SYMBOLS = ("AAPL", "TSLA", "^GSPC", "EURUSD=X")
FAST = {"STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.05"}


def rows(path: Path) -> list[Row]:
    return [row for each in files_of(path) for row in rows_of(each, no_bad_row)]


def prices(path: Path) -> list[Price]:
    return [row for row in rows(path) if isinstance(row, Price)]


@contextlib.asynccontextmanager
async def recorder(home: Path, server: ServerProcess, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`stocktrack record ARGUMENTS` while it runs."""
    process = await asyncio.create_subprocess_exec(
        *(*STOCKTRACK, "record", *arguments),
        env=environment(home, STOCKTRACK_PORT=str(server.port), STOCKTRACK_USER="ann", STOCKTRACK_PASSWORD=PASSWORD),
        cwd=home,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def finished(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """How it ended, and what it said."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, err = await process.communicate()
    assert "Traceback" not in err.decode(), err.decode()
    return process.returncode, err.decode()


async def logged(path: Path, text: str) -> None:
    """Return when the log beside a recording has a line with `text`."""
    log = path.with_name(f"{path.name}.log")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (log.exists() and text in log.read_text()):
            await asyncio.to_thread(os.sched_yield)


async def recorded(path: Path, is_there: Callable[[list[Row]], bool]) -> None:
    """Return when the rows of a recording that goes on are such."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_there(list(rows_of(path, lambda _: None))):
            await asyncio.to_thread(os.sched_yield)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    home = tmp_path / "server"
    home.mkdir()
    await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())
    async with server_process(home, **FAST) as running:
        yield running


@pytest.mark.parametrize(("suffix", "speed"), [("csv", "10"), ("jsonl", "max"), ("parquet", "max")])
async def test_a_replay_is_to_the_last_byte_what_was_recorded(
    tmp_path: Path, server: ServerProcess, suffix: str, speed: str
) -> None:
    first, again = tmp_path / f"first.{suffix}", tmp_path / f"again.{suffix}"
    async with recorder(tmp_path, server, *SYMBOLS, "--out", str(first), "--seconds", "1.5") as process:
        assert (await finished(process))[0] == 0
    settings = {"STOCKTRACK_REPLAY_FILE": str(first), "STOCKTRACK_REPLAY_SPEED": speed}
    home = tmp_path / "replay"
    home.mkdir()
    await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())
    async with server_process(home, STOCKTRACK_PROVIDERS="replay", **settings) as replaying:
        async with recorder(tmp_path, replaying, *SYMBOLS, "--out", str(again)) as process:
            await replaying.logged("the replay has ended; the last prices stay")
            process.send_signal(signal.SIGTERM)
            assert (await finished(process))[0] == 143
        client = await replaying.log_in()
        reply = await client.ask({"type": "GET", "symbols": ["AAPL", "NOPE"]})
        await client.close()

    recorded = prices(first)
    assert len(recorded) > 40
    assert {price.symbol for price in recorded} == set(SYMBOLS)
    assert [encode_line(price) for price in prices(again)] == [encode_line(price) for price in recorded]
    last = [price for price in recorded if price.symbol == "AAPL"][-1]
    [quote] = reply["quotes"]
    assert (quote["price"], quote["seq"], quote["stale"]) == (last.price, last.seq, False)
    assert [each["reason"] for each in reply["missing"]] == ["unknown_symbol"]


async def test_symbols_come_and_go_by_a_file_and_by_lines(tmp_path: Path, server: ServerProcess) -> None:
    listed, out = tmp_path / "mine.txt", tmp_path / "ticks.csv"
    listed.write_text("AAPL\n")
    async with recorder(tmp_path, server, "--symbols-file", str(listed), "--out", str(out)) as process:
        await logged(out, "added: AAPL")
        assert process.stdin is not None
        process.stdin.write(b"+NVDA\nno symbol!\n+NOPE\n")
        await logged(out, "added: NVDA")
        await logged(out, "NOPE: unknown symbol")
        listed.write_text("AAPL\nMSFT # and this\n")
        await logged(out, "added: MSFT")
        process.stdin.write(b"-AAPL\n")
        await logged(out, "removed: AAPL")
        process.stdin.close()
        listed.unlink()
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"The last list of it stays" not in (line := await process.stderr.readline()):
                assert line
        process.send_signal(signal.SIGINT)
        code, said = await finished(process)

    assert code == 130
    assert "rows written" in said
    assert {price.symbol for price in prices(out)} == {"AAPL", "NVDA", "MSFT"}


async def test_a_server_that_goes_leaves_a_hole_that_says_so(tmp_path: Path) -> None:
    out = tmp_path / "ticks.jsonl"
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())
    async with server_process(tmp_path, **FAST) as server:
        port = server.port
        async with recorder(tmp_path, server, "AAPL", "--out", str(out)) as process:
            await logged(out, "added: AAPL")
            server.signal(signal.SIGKILL)
            await server.exit_code()
            await logged(out, "lost: ")
            async with server_process(tmp_path, STOCKTRACK_PORT=str(port), **FAST):
                await logged(out, "back after")
                await recorded(out, lambda found: Hole in map(type, found) and isinstance(found[-1], Price))
                process.send_signal(signal.SIGTERM)
                code, said = await finished(process)

    found = rows(out)
    [hole] = [row for row in found if isinstance(row, Hole)]
    at = found.index(hole)
    before, behind = found[at - 1], found[at + 1]
    assert isinstance(before, Price)
    assert isinstance(behind, Price)
    assert before.received_at <= hole.since < hole.until
    assert behind.received_at >= hole.since
    assert hole.reason == f"The connection to 127.0.0.1:{port} was lost."
    assert code == 143
    assert said.count("Reconnecting…") == 1


async def test_the_sources_are_recorded_without_a_server(tmp_path: Path) -> None:
    out = tmp_path / "ticks.csv"
    finished_ = await run_stocktrack(
        tmp_path,
        *("record", "AAPL", "NOPE", "--from", "provider", "--provider", "simulated", "--out", str(out)),
        *("--count", "20"),
        STOCKTRACK_SIMULATED_INTERVAL_SECONDS="0.05",
    )

    assert finished_.code == 3
    assert "No source knows the symbol NOPE." in finished_.err
    recorded = prices(out)
    assert len(recorded) == 20
    assert [price.seq for price in recorded] == [*range(1, len(recorded) + 1)]


async def test_more_symbols_than_a_session_takes_are_recorded_over_several(tmp_path: Path) -> None:
    out = tmp_path / "ticks.csv"
    symbols = ",".join(f"S{number:04}" for number in range(25))
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())
    async with (
        server_process(tmp_path, STOCKTRACK_MAX_SYMBOLS="10", **FAST) as server,
        recorder(tmp_path, server, symbols, "--out", str(out), "--count", "100") as process,
    ):
        code, _ = await finished(process)

    assert code == 0
    assert len({price.symbol for price in prices(out)}) == 25


async def test_a_wrong_password_and_unknown_symbols_end_it_without_a_file(
    tmp_path: Path, server: ServerProcess
) -> None:
    async with recorder(tmp_path, server, "NOPE", "--out", "ticks.csv") as process:
        unknown = await finished(process)
    wrong = await run_stocktrack(
        tmp_path,
        *("record", "AAPL", "--out", "ticks.csv"),
        STOCKTRACK_PORT=str(server.port),
        STOCKTRACK_USER="ann",
        STOCKTRACK_PASSWORD="SeCrEt wrong",
    )

    assert (unknown[0], wrong.code) == (3, 4)
    assert "NOPE: unknown symbol." in unknown[1]
    assert not (tmp_path / "ticks.csv").exists()


async def test_a_terminal_shows_one_line_that_is_drawn_anew(tmp_path: Path, server: ServerProcess) -> None:
    def watch() -> None:
        here = environment(
            tmp_path,
            STOCKTRACK_PORT=str(server.port),
            STOCKTRACK_USER="ann",
            STOCKTRACK_PASSWORD=PASSWORD,
            TERM="xterm",
        )
        with Terminal("record", "AAPL", "--out", str(tmp_path / "ticks.csv"), environment=here) as shown:
            shown.wait_for("rows,")
            shown.wait_for("lag")

    await asyncio.to_thread(watch)
