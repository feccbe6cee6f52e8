"""The interactive client without a terminal, line by line; tests/e2e/test_terminal.py has it in a real one."""

import asyncio
import signal
from pathlib import Path

import pytest

from cli_process import run, started
from patience import PATIENCE_SECONDS
from scripted_server import (
    NOW_MS,
    ScriptedServer,
    ScriptedSession,
    a_hello,
    a_price,
    market,
    subscribed,
)
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import (
    Auth,
    Get,
    Logout,
    LogoutReply,
    MyStocks,
    Notice,
    Subscribe,
    Unsubscribe,
    UnsubscribeReply,
)
from stocktrack.wire.lines import failure


async def test_commands_from_a_pipe_run_one_after_the_other_until_its_end(tmp_path: Path) -> None:
    lines = b"get AAPL,MSFT\n\nnews 1\ninfo AAPL\ndividends AAPL 1\r\nsearch tesla\nsources\nstocks"

    async with ScriptedServer(market) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=lines)

    assert [row[0] for row in done.rows] == [
        *("AAPL", "MSFT", "Stocks rise as yields ease"),
        *("symbol", "name", "sector", "2024-02-09", "TSLA", "finnhub", "yahoo", "TSLA"),
    ]
    assert (done.code, done.err) == (0, "stocktrack: Welcome ann!\n")


async def test_past_prices_are_rows_and_a_chart_is_text(tmp_path: Path) -> None:
    lines = b"history AAPL 1mo\nchart AAPL 1mo candles\nchart AAPL 2y\nhistory NOPE\n"

    async with ScriptedServer(market) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=lines)

    assert [row[0] for row in done.rows[:3]] == [f"2024-04-0{day}T13:30:00Z" for day in (3, 4, 5)]
    assert done.rows[3] == ["AAPL  189.45 USD  Apple Inc."]
    assert any("┃" in row[0] for row in done.rows[4:])
    assert "AAPL: 3 bars of 1d from scripted" in done.err
    assert "`chart` takes no '2y'" in done.err
    assert "No source knows NOPE." in done.err
    assert done.code == 3


async def test_a_search_may_name_a_segment(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=b"search tesla --segment fo\n")

    assert done.rows == [["NFO:TSLA24APR200CE", "", "", "CE", "2024-04-25", "200"]]


async def test_the_client_says_goodbye_at_the_end(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        await run("client", home=tmp_path, port=server.port, stdin=b"exit\nget AAPL\n")

        assert [type(command) for command in server.sessions[0].received] == [Auth, Logout]


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("get NOPE", 3, "No source knows NOPE."),
        ("get AAPL NOPE", 3, "NOPE: unknown symbol."),
        ("search nothing", 3, "Nothing was found."),
        ("search tesla --segment nasdaq", 2, "must be one of NSE, BSE, NFO"),
        ("search --segment", 2, "`--segment` needs a word"),
        ("get A$B", 2, "is not a symbol"),
        ("get", 2, "Nothing was given"),
        ("buy AAPL", 2, "There is no command 'buy'"),
        ("news AAPL many", 2, "is not a count"),
        ("news AAPL MSFT 5", 2, "takes one symbol"),
        ("news A$B", 2, "is not a symbol"),
        ("subscribe AAPL every now", 2, "is not a number of seconds"),
        ("subscribe AAPL every 0.01", 2, "interval"),
        ("\x1b[2J\u202e", 2, "There is no command"),
    ],
)
async def test_a_command_that_fails_is_told_and_the_next_one_runs(
    tmp_path: Path, line: str, code: int, sentence: str
) -> None:
    async with ScriptedServer(market) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=f"{line}\nget TSLA\n".encode())

    assert sentence in done.err
    assert done.rows[-1][0] == "TSLA"
    assert done.code == code
    assert "\x1b" not in done.err


@pytest.mark.parametrize("ends", [True, False])
async def test_a_line_that_is_too_long_is_refused_and_the_others_are_run(tmp_path: Path, ends: bool) -> None:
    lines = b"get AAPL\nget " + b"A" * 3_000_000 + (b"\nget MSFT\nget TSLA\n" if ends else b"")

    async with ScriptedServer(market) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=lines)

    assert [row[0] for row in done.rows] == (["AAPL", "MSFT", "TSLA"] if ends else ["AAPL"])
    assert done.err.count("A line is longer than 1,048,576 bytes: it was not run.") == 1
    assert done.code == 2


async def test_a_symbol_alone_is_its_price(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=b"AAPL,MSFT\ntsla\nxyzzy\n")

    assert [row[0] for row in done.rows] == ["AAPL", "MSFT", "TSLA"]
    assert "There is no command 'xyzzy', and no source knows a symbol 'XYZZY'." in done.err
    assert done.code == 2


async def test_subscribe_saves_and_stop_keeps_the_list(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        lines = b"subscribe AAPL,MSFT every 2\nstop\nstop\nunsubscribe AAPL\n"
        done = await run("client", home=tmp_path, port=server.port, stdin=lines)

        wishes = [
            (command.symbols, getattr(command, "interval", None), command.save)
            for command in server.sessions[0].received
            if isinstance(command, Subscribe | Unsubscribe)
        ]
    assert wishes == [(("AAPL", "MSFT"), 2.0, True), (None, None, False), (("AAPL",), None, True)]
    told = [line.removeprefix("stocktrack: ") for line in done.err.splitlines()[1:]]
    assert told == [
        "Prices come every 2 s: AAPL, MSFT.",
        "Stopped; your list is kept.",
        "Nothing to stop.",
        "Taken off: AAPL.",
    ]


async def test_watch_without_symbols_watches_the_saved_ones_and_leaves_them_alone(tmp_path: Path) -> None:
    async with (
        ScriptedServer(market) as server,
        started("client", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"watch\n")
        row = await process.stdout.readline()
        await process.communicate(b"exit\n")

        received = server.sessions[0].received
    assert row.startswith(b"TSLA\t171.05\tUSD")
    assert [type(command) for command in received] == [Auth, MyStocks, Subscribe, Logout]
    assert isinstance(received[2], Subscribe)
    assert (received[2].symbols, received[2].interval, received[2].save) == (("TSLA",), 0.0, False)


async def test_a_server_that_goes_and_comes_back_is_told_and_the_pushes_are_restored(tmp_path: Path) -> None:
    async def first(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price(seq=9))
        session.send(Notice(code=Code.SERVER_SHUTDOWN, reason=Reason.SHUTDOWN, message="The server is stopping."))
        session.hang_up()

    async def second(session: ScriptedSession) -> None:
        await session.greet(a_hello(instance="run-2"))
        command = await session.expect(Subscribe)
        session.send(subscribed(command), a_price(seq=1, price=190.5, at=60_000, timestamp=NOW_MS + 60_000))
        session.send(LogoutReply(id=(await session.expect(Logout)).id, message="Goodbye!"))

    async with (
        ScriptedServer(first, second) as server,
        started("client", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"subscribe AAPL\n")
        rows = [await process.stdout.readline() for _ in range(2)]
        _, err = await process.communicate(b"exit\n")

    assert [row.split(b"\t")[1] for row in rows] == [b"189.45", b"190.5"]
    assert err.decode().splitlines()[2:] == [
        "stocktrack: Server stopped. Reconnecting…",
        "stocktrack: Connected again; restored: AAPL.",
    ]
    assert process.returncode == 0


async def test_a_password_that_is_refused_on_the_way_back_ends_the_client_with_4(tmp_path: Path) -> None:
    async def first(session: ScriptedSession) -> None:
        await session.greet()
        await session.expect(Get)
        session.hang_up()

    async def second(session: ScriptedSession) -> None:
        session.send(a_hello())
        command = await session.expect(Auth)
        session.send(failure(CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong."), command))

    async with (
        ScriptedServer(first, second) as server,
        started("client", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"get AAPL\n")
        err = await process.stderr.read()  # the input stays open: nobody but the server ends it
        await process.wait()

    assert process.returncode == 4
    assert "The connection is closed for good." in err.decode()


async def test_no_server_exits_5_and_a_wrong_password_4(tmp_path: Path) -> None:
    refused = await run("client", home=tmp_path, port=1, stdin=b"get AAPL\n")

    assert refused.code == 5
    assert "stocktrack serve" in refused.err

    async def second(session: ScriptedSession) -> None:
        session.send(a_hello())
        command = await session.expect(Auth)
        session.send(failure(CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong."), command))

    async with ScriptedServer(second) as server:
        wrong = await run("client", home=tmp_path, port=server.port, stdin=b"get AAPL\n")
    assert (wrong.code, wrong.out) == (4, b"")


async def test_ctrl_c_ends_a_script_with_130(tmp_path: Path) -> None:
    async with (
        ScriptedServer(market) as server,
        started("client", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stderr is not None
        await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert (process.returncode, err) == (130, b"")


async def test_a_symbol_that_turns_out_to_be_unknown_is_told(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(
            subscribed(command).model_copy(update={"subscribed": (), "symbols": (), "pending": ("NOPE",)}),
            Notice(
                code=Code.NOT_FOUND,
                reason=Reason.UNKNOWN_SYMBOL,
                symbols=("NOPE",),
                message="No source\x1b knows NOPE.",
            ),
        )
        session.send(LogoutReply(id=(await session.expect(Logout)).id, message="Goodbye!"))

    async with (
        ScriptedServer(script) as server,
        started("client", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"subscribe NOPE\n")
        lines = [(await process.stderr.readline()).decode() for _ in range(3)]
        await process.communicate(b"exit\n")

    assert set(lines[1:]) == {
        "stocktrack: Not checked yet, the source does not answer: NOPE.\n",
        "stocktrack: No source knows NOPE.\n",
    }


async def test_200_lines_from_a_pipe_all_run_in_order(tmp_path: Path) -> None:
    stocks = ("AAPL", "MSFT", "TSLA")
    wanted = [stocks[number % 3] for number in range(200)]

    async with ScriptedServer(market) as server:
        lines = "".join(f"get {symbol}\n" for symbol in wanted).encode()
        done = await run("client", home=tmp_path, port=server.port, stdin=lines)

    assert [row[0] for row in done.rows] == wanted
    assert done.code == 0


async def test_an_unsubscribe_without_symbols_takes_all(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Unsubscribe)
        assert command.symbols is None
        session.send(UnsubscribeReply(id=command.id, removed=("TSLA",), missing=(), symbols=()))
        session.send(LogoutReply(id=(await session.expect(Logout)).id, message="Goodbye!"))

    async with ScriptedServer(script) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=b"unsubscribe\n")

    assert "Taken off: TSLA." in done.err
