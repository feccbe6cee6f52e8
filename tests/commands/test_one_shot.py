import asyncio
import contextlib
import itertools
import json
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from cli_process import run, started
from patience import PATIENCE_SECONDS
from scripted_server import NOW_MS, ScriptedServer, ScriptedSession, a_hello, a_price, a_quote, market, subscribed
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import (
    Auth,
    Get,
    GetReply,
    ListInfo,
    Lists,
    ListsReply,
    Missing,
    MyStocks,
    MyStocksReply,
    News,
    NewsReply,
    Notice,
    Subscribe,
)
from stocktrack.quotes import Headline
from stocktrack.wire.lines import encode_line, failure
from terminal import program_environment

NOT_FOR_CLIENTS = {
    *(
        "pandas",
        "numpy",
        "yfinance",
        "sqlalchemy",
        "fastapi",
        "prompt_toolkit",
        "structlog",
        "dotenv",
        "rich",
    ),
}


async def test_get_prints_a_row_a_symbol_and_names_the_unknown_one_on_standard_error(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("get", "AAPL,MSFT", "NOPE", home=tmp_path, port=server.port)

    time = "2024-04-05T15:45:00Z"
    assert done.rows == [
        ["AAPL", "189.45", "USD", "", "", "open", time, ""],
        ["MSFT", "425.52", "USD", "", "", "open", time, ""],
    ]
    assert done.err == "stocktrack: NOPE: unknown symbol.\n"
    assert done.code == 3


async def test_json_carries_nothing_that_a_terminal_obeys_and_has_the_same_value(tmp_path: Path) -> None:
    titles = ["\x9b31m red", "a\x85b", "\x1b]0;x\x07", "\u202eevil", "Größe 😀", "\x7f"]
    articles = tuple(Headline(title=title, source="s", link="https://a.example/", published=None) for title in titles)

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        news = await session.expect(News)
        session.send(encode_line(NewsReply(id=news.id, articles=articles)))

    async with ScriptedServer(script) as server:
        done = await run("news", "--json", home=tmp_path, port=server.port)

    text = done.out.decode()
    assert text.removesuffix("\n").isprintable()
    assert [article["title"] for article in json.loads(text)["articles"]] == titles
    assert "Größe 😀" in text


async def test_a_symbol_that_is_to_be_asked_for_later_says_when_and_exits_with_5(tmp_path: Path) -> None:
    line = (
        b'{"type":"GET","id":2,"code":200,"status":"OK","quotes":[],'
        b'"missing":[{"symbol":"NVDA","code":429,"reason":"rate_limited","retry_after_ms":1200}]}'
    )

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        await session.expect(Get)
        session.send(line + b"\n")

    async with ScriptedServer(script) as server:
        done = await run("get", "NVDA", home=tmp_path, port=server.port)

    assert (done.code, done.err) == (5, "stocktrack: NVDA: asked too often; try again in 2 s.\n")


async def test_json_is_the_line_of_the_wire_byte_for_byte_where_a_terminal_obeys_nothing_in_it(tmp_path: Path) -> None:
    line = b'{"type": "GET", "id":2, "code":200,"status":"OK","quotes":[ ],"later":{"not":"known"}}'

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        await session.expect(Get)
        session.send(line + b"\n")

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", "--json", home=tmp_path, port=server.port)

    assert done.out == line + b"\n"
    assert (done.code, done.err) == (0, "")


async def test_json_of_a_failure_is_the_failure_of_the_wire(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("get", "NOPE", "--json", home=tmp_path, port=server.port)

    assert json.loads(done.out)["reason"] == "unknown_symbol"
    assert (done.code, done.err) == (3, "stocktrack: No source knows NOPE.\n")


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (["info", "AAPL"], [["symbol", "AAPL"], ["name", "Apple Inc."], ["sector", "Technology"]]),
        (["dividends", "AAPL", "--limit", "1"], [["2024-02-09", "0.24", "USD", "AAPL"]]),
        (["search", "tesla"], [["TSLA", "Tesla, Inc.", "", "", "", ""]]),
        (["search", "tesla", "--segment", "fo"], [["NFO:TSLA24APR200CE", "", "", "CE", "2024-04-25", "200"]]),
        (["news"], [["Stocks rise as yields ease", "The Wire", "", "https://www.example.com/1"]]),
        (
            ["sources"],
            [
                [
                    *("finnhub", "ok", "48", "up, 48 of 50 symbols", "12 of 60 in 60 s", "2024-04-05T15:44:57Z"),
                    *("", "", "", "quotes,stream"),
                ],
                [
                    *("yahoo", "blocked", "1200", "down", "", "", "2024-04-05T15:45:28Z", "provider_blocked"),
                    *("yahoo refuses requests (429).", "quotes"),
                ],
            ],
        ),
        (["news", "AAPL"], [["Stocks rise as yields ease", "The Wire", "", "https://www.example.com/1"]]),
        (["stocks"], [["TSLA", "171.05", "USD", "", "", "open", "2024-04-05T15:45:00Z", ""]]),
    ],
)
async def test_a_command_prints_tab_separated_rows_in_a_pipe(
    tmp_path: Path, arguments: list[str], rows: list[list[str]]
) -> None:
    async with ScriptedServer(market) as server:
        done = await run(*arguments, home=tmp_path, port=server.port)

    assert done.rows == rows
    assert (done.code, done.err) == (0, "")


async def test_a_search_without_matches_exits_3(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("search", "nothing like it", home=tmp_path, port=server.port)

    assert (done.code, done.out, done.err) == (3, b"", "stocktrack: Nothing was found.\n")


async def test_an_empty_list_of_stocks_exits_0(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(MyStocks)
        session.send(MyStocksReply(id=command.id, symbols=(), quotes=()))

    async with ScriptedServer(script) as server:
        done = await run("stocks", home=tmp_path, port=server.port)

    assert (done.code, done.out) == (0, b"")
    assert "no saved stocks" in done.err


async def test_a_text_from_outside_reaches_the_terminal_without_escapes_bidi_or_a_script_as_link(
    tmp_path: Path,
) -> None:
    hostile = Headline.model_construct(
        title="\x1b[31mBuy\x1b]0;owned\x07 \u202eevil\u202c\nnow\t!",
        source="S\x9b2J",
        link="javascript:alert(1)",
        published=NOW_MS,
    )

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(News)
        session.send(
            NewsReply.model_construct(type="NEWS", id=command.id, code=Code.OK, status="OK", articles=(hostile,))
        )

    async with ScriptedServer(script) as server:
        done = await run("news", home=tmp_path, port=server.port)

    assert done.rows == [["[31mBuy]0;owned evil now !", "S2J", "2024-04-05T15:45:00Z", ""]]


@pytest.mark.parametrize("columns", [40, 60, 100])
@pytest.mark.parametrize("arguments", [["get", "AAPL", "MSFT", "TSLA"], ["news"], ["info", "AAPL"], ["search", "a"]])
async def test_a_table_fits_the_width_it_is_drawn_for(tmp_path: Path, columns: int, arguments: list[str]) -> None:
    async with ScriptedServer(market) as server:
        done = await run(*arguments, home=tmp_path, port=server.port, FORCE_COLOR="1", COLUMNS=str(columns))

    text = done.out.decode()
    assert "\x1b[" in text
    lines = [re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", line) for line in text.splitlines()]
    assert lines
    assert max(map(len, lines)) <= columns


async def test_no_color_wins_over_force_color(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("get", "AAPL", home=tmp_path, port=server.port, FORCE_COLOR="1", NO_COLOR="1")

    assert "Apple Inc." in done.out.decode()
    assert b"\x1b" not in done.out


async def test_no_server_exits_5_at_once_and_says_how_to_start_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = await run("get", "AAPL", home=tmp_path, port=free.getsockname()[1])

    assert done.code == 5
    assert "Nothing listens at" in done.err
    assert "stocktrack serve" in done.err


async def test_a_wrong_password_exits_4(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        session.send(a_hello())
        command = await session.expect(Auth)
        session.send(failure(CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong."), command))

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", "--json", home=tmp_path, port=server.port)

    assert (done.code, done.out, done.err) == (4, b"", "stocktrack: The name or the password is wrong.\n")


async def test_without_credentials_and_terminal_it_exits_4_and_says_nothing_to_the_server(tmp_path: Path) -> None:
    said = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        session.send(a_hello())
        await session.command()
        said.set()

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", "--port", str(server.port), home=tmp_path)

    assert not said.is_set()
    assert done.code == 4
    assert "STOCKTRACK_USER" in done.err


@pytest.mark.parametrize("command", [["get", "AAPL"], ["watch", "AAPL"], ["stocks"], ["dividends", "AAPL"]])
async def test_without_credentials_and_terminal_it_is_told_where_the_named_server_is_not_there(
    tmp_path: Path, command: list[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = await run(*command, "--port", str(free.getsockname()[1]), home=tmp_path)

    assert (done.code, done.out) == (5, b"")
    assert "Nothing listens at" in done.err


async def test_a_machine_that_nobody_knows_is_told_and_not_a_password_that_is_missing(tmp_path: Path) -> None:
    done = await run("get", "AAPL", "--host", "nowhere.invalid", home=tmp_path)
    assert (done.code, done.out) == (5, b"")
    assert "nowhere.invalid" in done.err


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers as a web server does"),
        (b"220 mail.example.com ESMTP\r\n", "is not a StockTrack server"),
        (b"", "says nothing"),
    ],
)
async def test_a_server_that_is_no_stocktrack_exits_5(tmp_path: Path, answer: bytes, sentence: str) -> None:
    async def script(session: ScriptedSession) -> None:
        session.send(answer)
        await session.until_gone()

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", "--timeout", "0.5", home=tmp_path, port=server.port)

    assert done.code == 5
    assert sentence in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["get"],
        ["get", "A$B"],
        ["get", "AAPL", "--port", "0"],
        ["news", "--limit", "0"],
        ["watch", "AAPL", "--interval", "0.01"],
    ],
)
async def test_a_wrong_use_exits_2_with_a_sentence(tmp_path: Path, arguments: list[str]) -> None:
    done = await run(*arguments, home=tmp_path, port=1)

    assert done.code == 2
    assert done.err.strip()


async def test_a_wrong_port_in_the_environment_is_named(tmp_path: Path) -> None:
    done = await run("get", "AAPL", home=tmp_path, STOCKTRACK_PORT="6543x")

    assert done.code == 1
    assert done.err == "stocktrack: STOCKTRACK_PORT = '6543x': a port is a number from 1 to 65535.\n"


async def test_watch_leaves_the_saved_list_alone_and_ends_after_its_count(tmp_path: Path) -> None:
    wishes: list[Subscribe] = []

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        wishes.append(command)
        session.send(subscribed(command), *(a_price(seq=number, price=100.0 + number, at=number) for number in (1, 2)))
        await session.until_gone()

    async with ScriptedServer(script) as server:
        done = await run("watch", "aapl", "--interval", "2", "--count", "1", home=tmp_path, port=server.port)

    assert [(wish.symbols, wish.interval, wish.save) for wish in wishes] == [(("AAPL",), 2.0, False)]
    assert (done.code, len(done.rows)) == (0, 1)


async def test_jsonl_is_the_price_lines_of_the_wire(tmp_path: Path) -> None:
    first, second = a_price(seq=1), a_price(seq=2, price=190.0, at=5)
    first_was_read = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), first)
        await first_was_read.wait()  # or the two would be merged
        session.send(second)
        await session.until_gone()

    async with (
        ScriptedServer(script) as server,
        started("watch", "AAPL", "--jsonl", "--count", "2", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stdout is not None
        assert await process.stdout.readline() == encode_line(first)
        first_was_read.set()
        out, err = await process.communicate()

    assert (out, err, process.returncode) == (encode_line(second), b"", 0)


async def test_watch_ends_by_itself_after_its_seconds(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("watch", "AAPL", "NOPE", "--seconds", "0.5", home=tmp_path, port=server.port)

    assert [row[0] for row in done.rows] == ["AAPL"]
    assert (done.code, done.err) == (3, "stocktrack: NOPE: unknown symbol.\n")


async def test_watch_of_a_saved_list_that_nobody_knows_any_more_names_its_symbols_and_ends_with_3(
    tmp_path: Path,
) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        assert command.symbols is None
        gone = tuple(
            Missing(symbol=symbol, code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL) for symbol in ("GONE", "LOST")
        )
        session.send(failure(CommandError(Reason.UNKNOWN_SYMBOL, "No source knows the symbol GONE."), command, gone))

    async with ScriptedServer(script) as server:
        done = await run("watch", home=tmp_path, port=server.port)

    assert done.code == 3
    assert "GONE" in done.err
    assert "LOST" in done.err


async def test_watch_of_a_symbol_that_turns_out_to_be_unknown_ends_with_3(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(
            subscribed(command).model_copy(update={"subscribed": (), "symbols": (), "pending": ("NOPE",)}),
            Notice(
                code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL, symbols=("NOPE",), message="No source knows NOPE."
            ),
        )
        await session.until_gone()

    async with ScriptedServer(script) as server:
        done = await run("watch", "NOPE", home=tmp_path, port=server.port)

    assert (done.code, done.out, done.err) == (3, b"", "stocktrack: No source knows NOPE.\n")


async def test_watch_lives_through_a_restart_and_says_so(tmp_path: Path) -> None:
    async def first(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price(seq=9))
        session.send(Notice(code=Code.SERVER_SHUTDOWN, reason=Reason.SHUTDOWN, message="The server is stopping."))
        session.hang_up()

    async def second(session: ScriptedSession) -> None:
        await session.greet(a_hello(instance="run-2"))
        command = await session.expect(Subscribe)
        session.send(subscribed(command), a_price(seq=1, price=190.5, at=60_000, timestamp=NOW_MS + 60_000))
        await session.until_gone()

    async with ScriptedServer(first, second) as server:
        done = await run("watch", "AAPL", "--count", "2", home=tmp_path, port=server.port)

    assert [row[1] for row in done.rows] == ["189.45", "190.5"]
    assert done.code == 0
    assert done.err.splitlines() == [
        "stocktrack: Server stopped. Reconnecting…",
        "stocktrack: Connected again; restored: AAPL.",
    ]


async def test_ctrl_c_ends_watch_quietly_with_130(tmp_path: Path) -> None:
    async with (
        ScriptedServer(market) as server,
        started("watch", "AAPL", home=tmp_path, port=server.port) as process,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert (process.returncode, err) == (130, b"")


async def test_a_reader_that_has_enough_ends_watch_quietly(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        with contextlib.suppress(ConnectionError):  # the client goes while the market is at it
            for number in itertools.count():
                session.send(a_price(seq=number, at=number))
                await session.taken()

    async with ScriptedServer(script) as server:
        environment = program_environment(tmp_path, server.port)
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m stocktrack watch AAPL | head -n 1; echo ${{PIPESTATUS[0]}}",
            executable="/bin/bash",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()

    row, code = out.decode().splitlines()
    assert row.startswith("AAPL\t")
    assert (code, err) == ("141", b"")


async def test_a_full_disk_is_told_without_a_traceback(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m stocktrack get AAPL > /dev/full",
            stderr=asyncio.subprocess.PIPE,
            env=program_environment(tmp_path, server.port),
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, err = await process.communicate()

    assert process.returncode == 1
    assert err == b"stocktrack: The output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("arguments", [["--help"], ["get", "--help"], ["get", "AAPL", "--json"], ["get", "AAPL"]])
async def test_a_short_command_imports_nothing_that_is_slow(tmp_path: Path, arguments: list[str]) -> None:
    async with ScriptedServer(market) as server:
        done = await run(*arguments, home=tmp_path, port=server.port, PYTHONPROFILEIMPORTTIME="1")

    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.err.splitlines() if "|" in line}
    assert "typer" in imported
    assert imported & NOT_FOR_CLIENTS == set()
    assert done.code == 0


async def in_a_shell(home: Path, line: str, port: int | None = None) -> tuple[int | None, str, str]:
    """The exit code, the output and the errors of a line in which `$st` is the program."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", line),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=program_environment(home, port, st=f"{sys.executable} -m stocktrack"),
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("line", ["$st get --help", "$st -V", "$st help", "$st protocol", "$st users list --json"])
async def test_whatever_is_printed_a_full_disk_is_told_in_a_sentence(tmp_path: Path, line: str) -> None:
    code, _, err = await in_a_shell(tmp_path, f"{line} > /dev/full")
    assert (code, err) == (1, "stocktrack: The output cannot be written: No space left on device.\n")


@pytest.mark.parametrize(
    ("line", "code", "out", "says"),
    [
        ("$st get AAPL >&-", 1, "", "The output cannot be written: Bad file descriptor."),
        ("$st watch AAPL --count 1 >&-", 1, "", "The output cannot be written: Bad file descriptor."),
        ("$st get --help >&-", 1, "", "The output cannot be written: Bad file descriptor."),
        ("$st get AAPL --fields symbol 2>&-", 0, "AAPL\n", ""),
        ("$st get AAPL --fields symbol <&-", 0, "AAPL\n", ""),
        ("$st client <&-", 0, "", ""),
        ("$st get AAPL <&- >&- 2>&-", 1, "", ""),
    ],
)
async def test_a_stream_that_the_shell_has_closed_is_none_that_something_else_takes_the_place_of(
    tmp_path: Path, line: str, code: int, out: str, says: str
) -> None:
    async with ScriptedServer(market) as server:
        ended = await in_a_shell(tmp_path, line, server.port)
    assert ended[:2] == (code, out)
    assert says in ended[2]
    assert "Traceback" not in ended[2]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_each_shell_gets_its_completion(tmp_path: Path, shell: str) -> None:
    done = await run("--show-completion", shell, home=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")

    assert done.code == 0
    assert "COMPLETE" in done.out.decode()


async def test_bash_completes_the_commands(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stocktrack"),
        stdout=asyncio.subprocess.PIPE,
        env=program_environment(
            tmp_path, _STOCKTRACK_COMPLETE="complete_bash", COMP_WORDS="stocktrack st", COMP_CWORD="1"
        ),
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, _ = await process.communicate()

    assert out.decode().split() == ["stocks"]


async def test_a_reply_that_never_comes_exits_5_after_the_timeout(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        await session.expect(Get)
        await session.until_gone()

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", "--timeout", "0.5", home=tmp_path, port=server.port)

    assert done.code == 5
    assert "did not answer GET" in done.err


async def test_a_stale_quote_says_why(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Get)
        stale = a_quote("AAPL").model_copy(update={"stale": True, "stale_reason": Reason.PROVIDER_BLOCKED})
        session.send(GetReply(id=command.id, quotes=(stale,)))

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", home=tmp_path, port=server.port)

    assert done.rows[0][-1] == "stale:provider_blocked"
    assert done.code == 0


@pytest.mark.parametrize("command", [["get", ""], ["get", ","], ["info", ""], ["dividends", ""], ["chart", " "]])
async def test_no_symbol_at_all_is_answered_by_what_to_type(tmp_path: Path, command: list[str]) -> None:
    async with ScriptedServer(market) as server:
        done = await run(*command, home=tmp_path, port=server.port)

    assert (done.code, done.out) == (2, b"")
    assert done.err == f"stocktrack: Name a symbol, as in `stocktrack {command[0]} AAPL`.\n"


async def test_a_port_that_does_not_greet_may_be_the_web_port(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.until_gone()

    async with ScriptedServer(script) as server:
        done = await run("get", "AAPL", "--timeout", "0.2", home=tmp_path, port=server.port)

    assert "This may be the web port; clients use 65432. If it wants TLS, say --tls." in done.err
    assert done.code == 5


async def completed(home: Path, line: str, port: int | None = None) -> list[str]:
    """What bash offers at the end of `line`."""
    words = str(len(line.split(" ")) - 1)
    done = await run(home=home, port=port, _STOCKTRACK_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=words)
    return done.out.decode().split()


async def saved(session: ScriptedSession) -> None:
    await session.greet(saved=("AAPL", "AMD", "MSFT"))
    lists = await session.expect(Lists)
    session.send(encode_line(ListsReply(id=lists.id, lists=(ListInfo(list="main", count=3),))))
    await session.until_gone()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("stocktrack get A", ["AAPL", "AMD"]),
        ("stocktrack get msft,am", ["msft,amd"]),
        ("stocktrack watch AAPL m", ["msft"]),
        ("stocktrack chart Z", []),
        ("stocktrack news M", ["MSFT"]),
        ("stocktrack help li", ["lists"]),
        ("stocktrack watch --sort vol", ["volume"]),
        ("stocktrack watch --columns name,52", ["name,52weeks"]),
        ("stocktrack stocks --list m", ["main"]),
    ],
)
async def test_saved_symbols_and_lists_are_completed(tmp_path: Path, line: str, offered: list[str]) -> None:
    async with ScriptedServer(saved) as server:
        assert await completed(tmp_path, line, server.port) == offered


async def test_without_a_login_or_a_server_nothing_is_completed_and_nothing_is_said(tmp_path: Path) -> None:
    assert await completed(tmp_path, "stocktrack get A") == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("stocktrack serve --provider r", ["redis", "rss", "replay"]),
        ("stocktrack serve --provider yahoo,rs", ["yahoo,rss"]),
        ("stocktrack record --provider fin", ["finnhub"]),
        ("stocktrack get AAPL --fields symbol,pri", ["symbol,price"]),
        ("stocktrack get AAPL --fields s", ["symbol", "stale", "stale_reason", "seq"]),
        ("stocktrack get AAPL --fields symbol,s", ["symbol,stale", "symbol,stale_reason", "symbol,seq"]),
        ("stocktrack lots list --fields u", ["unit_cost"]),
        ("stocktrack lists --fields ", ["list", "count"]),
        ("stocktrack users list --fields us", ["username"]),
        ("stocktrack watch --currency EU", ["EUR"]),
        ("stocktrack holdings --currency us", ["usd"]),
        ("stocktrack watch --columns name,n", []),
    ],
)
async def test_the_words_of_settings_are_completed(tmp_path: Path, line: str, offered: list[str]) -> None:
    assert await completed(tmp_path, line) == offered
