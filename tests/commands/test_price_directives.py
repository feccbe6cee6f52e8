"""`stocktrack get --format`, as a process, at a server that says what the test wants."""

from pathlib import Path

import pytest

from cli_process import run
from scripted_server import ScriptedServer, ScriptedSession, a_quote, market
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import Get, GetReply, History
from stocktrack.wire.lines import encode_line, failure


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("beancount", ["2024-04-05 price AAPL 189.45 USD", "2024-04-05 price MSFT 425.52 USD"]),
        # In New York, by which the bars of the scripted market go.
        ("ledger", ["P 2024/04/05 11:45:00 AAPL 189.45 USD", "P 2024/04/05 11:45:00 MSFT 425.52 USD"]),
    ],
)
async def test_prices_are_printed_as_directives_and_the_unknown_symbol_exits_with_3(
    tmp_path: Path, form: str, lines: list[str]
) -> None:
    async with ScriptedServer(market) as server:
        done = await run("get", "AAPL,MSFT", "NOPE", "--format", form, home=tmp_path, port=server.port)
    assert done.out.decode().splitlines() == lines
    assert (done.code, done.err) == (3, "stocktrack: NOPE: unknown symbol.\n")


async def test_nothing_known_prints_nothing_and_exits_with_3(tmp_path: Path) -> None:
    async with ScriptedServer(market) as server:
        done = await run("get", "NOPE", "--format", "ledger", home=tmp_path, port=server.port)
    assert (done.code, done.out, done.err) == (3, b"", "stocktrack: No source knows NOPE.\n")


async def test_what_has_no_past_says_that_its_day_is_that_of_utc_and_each_exchange_is_asked_about_once(
    tmp_path: Path,
) -> None:
    asked: list[str] = []
    told = [
        a_quote("AAPL").model_copy(update={"symbol": symbol, "exchange": exchange, "currency": currency})
        for symbol, exchange, currency in (
            ("AAPL", "NasdaqGS", "USD"),
            ("MSFT", "NasdaqGS", "USD"),
            ("^GSPC", None, None),
            ("^IXIC", None, "USD"),
        )
    ]

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        get = await session.expect(Get)
        session.send(encode_line(GetReply(id=get.id, quotes=tuple(told))))
        for _ in range(3):
            history = await session.expect(History)
            asked.append(history.symbol)
            why = CommandError(Reason.UNKNOWN_SYMBOL, "There is no past of it.")
            session.send(encode_line(failure(why).model_copy(update={"id": history.id})))

    async with ScriptedServer(script) as server:
        symbols = ",".join(quote.symbol for quote in told)
        done = await run("get", symbols, "--format", "beancount", home=tmp_path, port=server.port)
    assert done.out.decode().splitlines() == [
        "2024-04-05 price AAPL 189.45 USD",
        "2024-04-05 price MSFT 189.45 USD",
        "2024-04-05 price IXIC 189.45 USD",
    ]
    assert done.err.splitlines() == [
        "stocktrack: ^GSPC: its source tells no currency, and a price without one is none.",
        "stocktrack: The time zone of the exchange is not known, and the day is that of UTC: AAPL, MSFT, ^IXIC.",
    ]
    assert (done.code, asked) == (1, ["AAPL", "^GSPC", "^IXIC"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "beancount", "--json"], "do not go with price directives"),
        (["--format", "gnucash"], "'gnucash' is not one of 'table', 'tsv', 'csv', 'json', 'beancount', 'ledger'"),
    ],
)
async def test_a_format_that_cannot_be_is_refused_before_anything_is_asked(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = await run("get", "AAPL", *arguments, home=tmp_path)
    assert (done.code, done.out) == (2, b"")
    assert said in done.err


async def test_a_person_is_told_what_is_called_otherwise(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        get = await session.expect(Get)
        told = a_quote("AAPL").model_copy(update={"symbol": "EURUSD=X", "exchange": "CCY"})
        session.send(encode_line(GetReply(id=get.id, quotes=(told,))))
        history = await session.expect(History)
        why = CommandError(Reason.UNKNOWN_SYMBOL, "There is no past of it.")
        session.send(encode_line(failure(why).model_copy(update={"id": history.id})))

    async with ScriptedServer(script) as server:
        arguments = ("get", "EURUSD=X", "--format", "Beancount")
        done = await run(*arguments, home=tmp_path, port=server.port, FORCE_COLOR="1")
    assert done.out == b"2024-04-05 price EUR 189.45 USD\n"
    assert done.err.splitlines()[0] == "stocktrack: EURUSD=X is called EUR there."
