"""`--format`, `--fields` and `--header`: the rows of an answer as a script or a spreadsheet wants them."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli_process import Finished, run
from scripted_server import NOW_MS, ScriptedServer, ScriptedSession, market
from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.messages import (
    AlertInfo,
    ListInfo,
    Lists,
    ListSessions,
    ListsReply,
    ListUsers,
    LotInfo,
    MyAlerts,
    MyAlertsReply,
    SessionInfo,
    SessionsReply,
    TokenInfo,
    Tokens,
    TokensReply,
    UserInfo,
    UsersReply,
)
from stocktrack.scopes import Scope
from stocktrack.terminal.columns import COLUMNS
from stocktrack.terminal.holding_table import lot_row
from stocktrack.terminal.text import alert_row, list_row
from stocktrack.wire.lines import encode_line

ALERT = AlertInfo(
    alert="a7",
    symbol="AAPL",
    when=AlertWhen.ABOVE,
    value=280,
    repeat=Repeat.ONCE,
    targets=("phone", "mail"),
    state=AlertState.ARMED,
    fired_count=0,
    created_at=NOW_MS,
)
LISTS = (ListInfo(list="main", count=3), ListInfo(list="chips, and what is made of them", count=12))

PASSWORD_LINE = b"correct horse battery\n"
CSV_OF_USERS = "username,role,saved_count,tokens\nann,user,0,0\nroot,administrator,0,0\n"
AAPL = "AAPL,189.45,USD,,,open,2024-04-05T15:45:00Z,,,,,"


async def asked(home: Path, *arguments: str) -> Finished:
    async with ScriptedServer(market) as server:
        return await run(*arguments, home=home, port=server.port)


async def test_csv_has_the_same_number_of_cells_in_each_row_and_names_them_where_it_is_told_to(tmp_path: Path) -> None:
    done = await asked(tmp_path, "get", "AAPL", "--format", "csv", "--header")
    heading, row = done.out.decode().splitlines()
    assert heading.split(",")[:8] == [
        *("symbol", "price", "currency", "change", "change_percent", "market_state", "timestamp", "stale")
    ]
    assert row == AAPL
    assert len(heading.split(",")) == len(row.split(","))


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["get", "AAPL", "MSFT", "--fields", "price,symbol"], "189.45\tAAPL\n425.52\tMSFT\n"),
        (["get", "AAPL", "--fields", "symbol", "--header"], "symbol\nAAPL\n"),
        (["get", "AAPL", "--fields", "symbol,provider", "--format", "csv"], "AAPL,scripted\n"),
        (["get", "AAPL", "--fields", "symbol,price", "--format", "table"], "symbol   price\nAAPL    189.45\n"),
        (
            ["dividends", "AAPL", "--limit", "1", "--format", "csv", "--header"],
            "date,amount,currency,symbol\n2024-02-09,0.24,USD,AAPL\n",
        ),
    ],
)
async def test_fields_come_in_the_order_that_was_asked_for(tmp_path: Path, arguments: list[str], out: str) -> None:
    done = await asked(tmp_path, *arguments)
    assert (done.code, done.out.decode(), done.err) == (0, out, "")


async def test_a_table_is_drawn_into_a_pipe_where_it_is_asked_for(tmp_path: Path) -> None:
    done = await asked(tmp_path, "get", "AAPL", "--format", "table")
    assert done.out.decode().split()[0] == "Symbol"


async def test_json_is_the_same_by_both_names(tmp_path: Path) -> None:
    by_format, by_name = [
        json.loads((await asked(tmp_path, "get", "AAPL", *option)).out) for option in (["--format", "json"], ["--json"])
    ]
    assert by_format == by_name
    assert by_name["quotes"][0]["symbol"] == "AAPL"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--fields", "prize"], "there is no field 'prize'; there are symbol, price, currency"),
        (["--fields", ","], "name a field"),
        (["--json", "--header"], "--fields and --header are for rows"),
        (["--json", "--format", "csv"], "--format or --json, not both"),
    ],
)
async def test_what_does_not_go_together_is_told_before_a_server_is_called(
    tmp_path: Path, options: list[str], says: str
) -> None:
    done = await run("get", "AAPL", *options, home=tmp_path)
    assert (done.code, done.out) == (2, b"")
    assert says in done.err


async def test_dividends_of_several_symbols_are_rows_that_name_them(tmp_path: Path) -> None:
    done = await asked(tmp_path, "dividends", "AAPL,MSFT", "--limit", "1")
    assert [row[-1] for row in done.rows] == ["AAPL", "MSFT"]
    csv = await asked(tmp_path, "dividends", "AAPL", "MSFT", "--limit", "1", "--format", "csv", "--header")
    assert [line.split(",")[-1] for line in csv.out.decode().splitlines()] == ["symbol", "AAPL", "MSFT"]
    documents = await asked(tmp_path, "dividends", "AAPL", "MSFT", "--json")
    assert [json.loads(line)["symbol"] for line in documents.out.splitlines()] == ["AAPL", "MSFT"]


@pytest.mark.parametrize("words", [["3"], ["AAPL", "3"], ["AAPL", "--limit", "3"]])
async def test_news_take_a_symbol_and_a_number(tmp_path: Path, words: list[str]) -> None:
    done = await asked(tmp_path, "news", *words)
    assert done.code == 0


async def test_news_of_two_symbols_are_a_usage_error(tmp_path: Path) -> None:
    done = await asked(tmp_path, "news", "AAPL", "MSFT")
    assert done.code == 2
    assert "is not a count" in done.err


async def test_watch_has_two_names_for_its_lines_of_json(tmp_path: Path) -> None:
    for option in ("--json", "--jsonl"):
        done = await asked(tmp_path, "watch", "AAPL", option, "--count", "1")
        assert json.loads(done.out.splitlines()[0])["type"] == "PRICE"


@pytest.mark.parametrize(
    ("options", "out"),
    [
        (["--format", "csv", "--header"], f"{','.join(COLUMNS['PRICE'])}\n{AAPL}\n"),
        (["--fields", "price,symbol"], "189.45\tAAPL\n"),
        (["--fields", "symbol,provider", "--header"], "symbol\tprovider\nAAPL\tscripted\n"),
    ],
)
async def test_the_lines_of_watch_have_the_same_forms_as_prices(tmp_path: Path, options: list[str], out: str) -> None:
    done = await asked(tmp_path, "watch", "AAPL", "--count", "1", *options)
    assert (done.code, done.out.decode(), done.err) == (0, out, "")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--format", "table", "--fields", "symbol"], "--columns"),
        (["--fields", "name"], "there is no field 'name'"),
        (["--jsonl", "--header"], "JSON has all fields"),
    ],
)
async def test_what_watch_cannot_print_is_told_before_a_server_is_called(
    tmp_path: Path, options: list[str], says: str
) -> None:
    done = await run("watch", "AAPL", *options, home=tmp_path)
    assert (done.code, done.out) == (2, b"")
    assert says in " ".join(done.err.split())


TOKEN = TokenInfo(token_id="k2", name="laptop", scope=Scope.READ, created_at=NOW_MS, expires_at=NOW_MS)
SESSION = SessionInfo(
    session="s7", username="ann", address="127.0.0.1:5", door="tcp", since=NOW_MS, symbols=("A", "B"), behind=False
)


USER = UserInfo(
    username="ann", created_at=NOW_MS, is_admin=True, is_disabled=False, saved_count=3, tokens=1, sessions=2
)


async def sessions_and_tokens(session: ScriptedSession) -> None:
    await session.greet()
    while True:
        command = await session.command()
        reply: Any = None
        if isinstance(command, ListSessions):
            reply = SessionsReply(id=command.id, sessions=(SESSION,), count=1, more=False)
        elif isinstance(command, ListUsers):
            others = USER.model_copy(update={"username": "bob", "is_admin": False, "muted_until": NOW_MS})
            reply = UsersReply(id=command.id, users=(others,) if command.after else (USER,), count=2, more=True)
            reply = reply.model_copy(update={"more": command.after is None})
        elif isinstance(command, Tokens):
            reply = TokensReply(id=command.id, tokens=(TOKEN,))
        session.send(encode_line(reply))


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (
            ["sessions", "--format", "csv", "--header", "--fields", "session,since,symbols"],
            'session,since,symbols\ns7,2024-04-05T15:45:00Z,"A,B"\n',
        ),
        (["sessions", "--fields", "username,state"], "ann\tok\n"),
        (["sessions"], "s7\tann\t127.0.0.1:5\ttcp\tsince 2024-04-05T15:45:00Z\tok\tA,B\n"),
        (
            ["accounts"],
            (
                "ann\tadministrator\tok\t2\t3\t1\t2024-04-05T15:45:00Z\t\n"
                "bob\tuser\tok\t2\t3\t1\t2024-04-05T15:45:00Z\t2024-04-05T15:45:00Z\n"
            ),
        ),
        (["accounts", "--format", "csv", "--fields", "username,sessions"], "ann,2\nbob,2\n"),
        (
            ["tokens", "--format", "csv"],
            "k2,laptop,read,2024-04-05T15:45:00Z,2024-04-05T15:45:00Z,\n",
        ),
        (["tokens", "--header", "--fields", "token_id,last_used_at"], "token_id\tlast_used_at\nk2\t\n"),
    ],
)
async def test_sessions_and_tokens_have_the_same_forms(tmp_path: Path, arguments: list[str], out: str) -> None:
    async with ScriptedServer(sessions_and_tokens) as server:
        done = await run(*arguments, home=tmp_path, port=server.port, stdin=None)
    assert (done.code, done.out.decode(), done.err) == (0, out, "")


@pytest.mark.parametrize(
    ("options", "out"),
    [
        (["--format", "csv", "--header", "--fields", "username,role,saved_count,tokens"], CSV_OF_USERS),
        (["--fields", "username"], "ann\nroot\n"),
        (["--fields", "state,muted_until", "--format", "csv"], "ok,\nok,\n"),
        (
            ["--fields", "role,username", "--format", "table"],
            "role           username\nuser           ann\nadministrator  root\n",
        ),
    ],
)
async def test_the_users_of_the_database_have_the_same_forms(tmp_path: Path, options: list[str], out: str) -> None:
    for name, flags in (("ann", []), ("root", ["--admin"])):
        added = await run("users", "add", name, "--password-stdin", *flags, home=tmp_path, stdin=PASSWORD_LINE)
        assert added.code == 0, added
    done = await run("users", "list", *options, home=tmp_path)
    assert (done.code, done.out.decode(), done.err) == (0, out, "")


async def test_what_users_list_cannot_print_is_told_before_the_database_is_opened(tmp_path: Path) -> None:
    wrong = {"--fields sessions": "there is no field 'sessions'", "--json --header": "JSON has all fields"}
    for options, says in wrong.items():
        done = await run("users", "list", *options.split(), home=tmp_path)
        assert (done.code, done.out) == (2, b"")
        assert says in " ".join(done.err.split())
    assert not (tmp_path / "data").exists()


async def test_the_tokens_of_a_user_have_the_same_forms(tmp_path: Path) -> None:
    await run("users", "add", "ann", "--password-stdin", home=tmp_path, stdin=PASSWORD_LINE)
    made = await run("users", "token", "ann", "--name", "laptop", "--scope", "read", home=tmp_path)
    assert made.code == 0, made
    done = await run("users", "tokens", "ann", "--fields", "name,scope,last_used_at", "--header", home=tmp_path)
    assert (done.code, done.out.decode(), done.err) == (0, "name\tscope\tlast_used_at\nlaptop\tread\t\n", "")


async def lists_and_alerts(session: ScriptedSession) -> None:
    await session.greet(saved=("AAPL",))
    while True:
        command = await session.command()
        reply: Any = None
        if isinstance(command, Lists):
            reply = ListsReply(id=command.id, lists=LISTS)
        elif isinstance(command, MyAlerts):
            reply = MyAlertsReply(id=command.id, alerts=(ALERT,), targets=())
        session.send(encode_line(reply))


async def listed(home: Path, *arguments: str, columns: int | None = None) -> Finished:
    """What is printed into a pipe, or on a terminal of so many columns."""
    variables = {} if columns is None else {"FORCE_COLOR": "1", "COLUMNS": str(columns)}
    async with ScriptedServer(lists_and_alerts) as server:
        return await run(*arguments, home=home, port=server.port, stdin=None, **variables)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("LISTS", list_row(LISTS[0])),
        ("MY_ALERTS", alert_row(ALERT)),
        (
            "LOTS",
            lot_row(LotInfo(lot="l1", symbol="A", quantity=1, unit_cost=1, fixed_cost=0, group="main", created_at=0)),
        ),
    ],
)
def test_each_cell_of_a_row_has_a_name(kind: str, row: tuple[str, ...]) -> None:
    assert len(row) == len(COLUMNS[kind])


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (
            ["history", "AAPL", "--fields", "time,close", "--format", "csv", "--header"],
            "time,close\n2024-04-03T13:30:00Z,169.65\n",
        ),
        (
            ["history", "AAPL", "--format", "csv", "--header"],
            "time,open,high,low,close,volume,market_state,live\n2024-04-03T13:30:00Z,168.79,170.68,168.58,169.65,",
        ),
        (["history", "AAPL", "--header"], "time\topen\thigh\tlow\tclose\tvolume\tmarket_state\tlive\n"),
    ],
)
async def test_history_has_the_same_forms_as_prices(tmp_path: Path, arguments: list[str], out: str) -> None:
    done = await asked(tmp_path, *arguments)
    assert (done.code, done.err) == (0, "")
    assert done.out.decode().startswith(out)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["lists"], "main\t3\nchips, and what is made of them\t12\n"),
        (["lists", "--format", "csv", "--header"], 'list,count\nmain,3\n"chips, and what is made of them",12\n'),
        (["lists", "--fields", "count,list"], "3\tmain\n12\tchips, and what is made of them\n"),
        (["alert", "list", "--fields", "alert,value,state"], "a7\t280\tarmed\n"),
        (
            ["alert", "list", "--fields", "symbol,targets", "--format", "csv", "--header"],
            'symbol,targets\nAAPL,"phone,mail"\n',
        ),
    ],
)
async def test_lists_and_alerts_have_the_same_forms(tmp_path: Path, arguments: list[str], out: str) -> None:
    done = await listed(tmp_path, *arguments)
    assert (done.code, done.out.decode(), done.err) == (0, out, "")


@pytest.mark.parametrize("arguments", [["lists"], ["alert", "list"]])
async def test_lists_and_alerts_as_json_are_the_same_by_both_names(tmp_path: Path, arguments: list[str]) -> None:
    by_format, by_name = [
        json.loads((await listed(tmp_path, *arguments, *option)).out) for option in (["--format", "json"], ["--json"])
    ]
    assert by_format == by_name
    assert by_name["code"] == 200


async def test_lists_are_a_table_on_a_terminal_and_no_name_is_cut_in_a_narrow_one(tmp_path: Path) -> None:
    wide = await listed(tmp_path, "lists", columns=80)
    assert wide.out.decode().splitlines() == [
        "List                             Stocks",
        "main                                  3",
        "chips, and what is made of them      12",
    ]
    narrow = await listed(tmp_path, "lists", columns=30)
    assert narrow.out.decode().splitlines() == [
        "List                    Stocks",
        "main                         3",
        "chips, and what is mad      12",
        "e of them",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["history", "AAPL", "--csv", "--json"], "--csv or --json, not both"),
        (["history", "AAPL", "--csv", "--format", "json"], "--csv or --json, not both"),
        (["history", "AAPL", "--csv", "--fields", "time"], "--csv has fields and a heading of its own"),
        (["holdings", "--csv", "--format", "tsv"], "--csv has fields and a heading of its own"),
        (["lots", "list", "--csv", "--header"], "--csv has fields and a heading of its own"),
        (["lots", "list", "--fields", "price"], "there is no field 'price'; there are lot, symbol"),
        (["holdings", "--fields", "lot"], "there is no field 'lot'; there are symbol, quantity"),
        (["alert", "list", "--json", "--fields", "alert"], "--fields and --header are for rows"),
        (["lists", "--fields", "name"], "there is no field 'name'; there are list, count"),
    ],
)
async def test_forms_of_these_that_do_not_go_together_are_told_as_well(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = await run(*arguments, home=tmp_path)
    assert (done.code, done.out) == (2, b"")
    assert says in done.err


async def test_a_chart_as_json_is_the_bars_and_the_quote_that_it_is_drawn_from(tmp_path: Path) -> None:
    done = await asked(tmp_path, "chart", "AAPL", "--json")
    document = json.loads(done.out)
    assert (document["type"], document["symbol"], len(document["bars"])) == ("HISTORY", "AAPL", 3)
    assert document["quote"]["price"] == 189.45
    assert done.out.count(b"\n") == 1
    refused = await asked(tmp_path, "chart", "NOPE", "--json")
    assert (refused.code, json.loads(refused.out)["reason"]) == (3, "unknown_symbol")
