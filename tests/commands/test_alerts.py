"""`stocktrack alert …` against a real server, and against a scripted one where the operator has targets."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_process import run
from command_line import Run, command_runner
from scripted_server import NOW_MS, ScriptedServer, ScriptedSession, a_price, subscribed
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import AlertTest, AlertTestReply, Command, MyAlerts, MyAlertsReply, Notice, Subscribe
from stocktrack.wire.lines import encode_line, failure
from terminal import PASSWORD, USER, ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def shell(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    run_here = command_runner(tmp_path, monkeypatch, capsys)
    for name, value in (("PORT", str(server.port)), ("USER", USER), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"STOCKTRACK_{name}", value)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    return run_here


def names_in(shell: Run, *arguments: str) -> list[str]:
    return [line.split("\t")[0] for line in shell("alert", "list", *arguments).out.splitlines()]


def test_an_alert_is_made_listed_and_taken_out(shell: Run) -> None:
    made = shell("alert", "add", "aapl", "above", "99,000", "--repeat", "daily", "--quiet", "22-7")
    assert made.code == 0
    name, *fields = made.out.rstrip("\n").split("\t")
    assert fields == ["AAPL", "above", "99000", "", "daily", "armed", "", "", "0", "", "", ""]

    listed = json.loads(shell("alert", "list", "AAPL", "--json").out)
    (alert,) = [each for each in listed["alerts"] if each["alert"] == name]
    assert (alert["quiet_hours"], alert["timezone"]) == ("22:00-07:00", "Europe/Berlin")

    removed = shell("alert", "remove", name, "a99999")
    assert removed.err == f"stocktrack: {name} of AAPL was taken out.\nstocktrack: You have no alert a99999.\n"
    assert removed.code == 3
    assert name not in names_in(shell)


def test_a_fall_is_no_option_and_each_condition_is_taken(shell: Run) -> None:
    rows = [
        shell("alert", "add", "BTC-USD", "percent-within", "-3%", "--within", "15m").out,
        shell("alert", "add", "BTC-USD", "percent_from_close", "-99.5").out,
        shell("alert", "add", "BTC-USD", "crosses-above", "1M", "--repeat", "every", "--cooldown", "10m").out,
        shell("alert", "add", "BTC-USD", "crosses_below", ".01").out,
        shell("alert", "add", "BTC-USD", "volume-above", "900t").out,
    ]

    assert [row.split("\t")[2:6] for row in rows] == [
        ["percent_within", "-3", "15", "once"],
        ["percent_from_close", "-99.5", "", "once"],
        ["crosses_above", "1000000", "", "every"],
        ["crosses_below", "0.01", "", "once"],
        ["volume_above", "900000000000000", "", "once"],
    ]
    assert shell("alert", "remove", *names_in(shell, "BTC-USD")).code == 0


def test_what_fires_at_once_is_in_the_list_with_what_it_told(shell: Run) -> None:
    shell("alert", "add", "TSLA", "above", "0.01")
    for _ in range(100):
        row = shell("alert", "list", "TSLA").out.rstrip("\n").split("\t")
        if row[6] == "fired":
            break

    assert row[6:10] == ["fired", "", row[8], "1"]
    assert row[8].endswith("Z")
    assert row[10].startswith("TSLA ")
    assert row[10].endswith("is above 0.01.")
    assert shell("alert", "remove", row[0]).code == 0


def test_an_empty_list_is_no_failure(shell: Run) -> None:
    done = shell("alert", "list", "MSFT")

    assert (done.code, done.out) == (0, "")
    assert done.err == "stocktrack: You have no alerts on MSFT; `stocktrack alert add MSFT above 280` makes one.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["add", "NOPE", "above", "3"], 3, "No source knows the symbol NOPE."),
        (["add", "A B", "above", "3"], 2, "'A B' is not a symbol"),
        (["add", "AAPL", "above"], 2, "Missing argument 'VALUE'"),
        (["add", "AAPL", "above", "5%"], 2, "for percent there are percent-from-close"),
        (["add", "AAPL", "above", "-3"], 2, "'-3' is no price of 'AAPL': that is above 0"),
        (["add", "AAPL", "above", "3", "--traget", "phone"], 2, "No such option: --traget"),
        (["add", "AAPL", "above", "3", "--target", "phone"], 2, "There is no target 'phone'"),
        (["add", "AAPL", "above", "9" * 400], 2, "'value'"),
        (["add", "AAPL", "percent-from-close", "-100"], 2, "above -100 for a fall"),
        (["add", "AAPL", "percent-within", "3"], 2, "needs how far back it looks"),
        (["add", "AAPL", "above", "3", "--timezone", "Mars/Base"], 2, "is no time zone"),
        (["list", "A B"], 2, "is not a symbol"),
        (["remove"], 2, "Missing argument"),
        (["remove", "seven"], 2, "'seven' is no alert: they are called as a7"),
        (["remove", "a999999999999999999"], 3, "You have no alert a999999999999999999."),
        (["test"], 3, "The operator of this server has defined no targets; docs/alerts.md says how."),
        (["test", "phone"], 2, "There is no target 'phone'"),
    ],
)
def test_every_wrong_use_says_what_is_wrong(shell: Run, arguments: list[str], code: int, sentence: str) -> None:
    done = shell("alert", *arguments)

    assert sentence in " ".join(done.err.split())
    assert (done.code, done.out) == (code, "")
    assert names_in(shell) == []


def test_json_of_a_refusal_is_the_failure_of_the_wire(shell: Run) -> None:
    done = shell("alert", "add", "NOPE", "above", "3", "--json")

    assert json.loads(done.out)["reason"] == "unknown_symbol"
    assert done.code == 3


def with_targets(*delivered: str, asked: list[Command]) -> ScriptedServer:
    """A server whose operator has two targets, of which those named take a message."""

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        while True:
            command = await session.command()
            asked.append(command)
            if isinstance(command, MyAlerts):
                session.send(MyAlertsReply(id=command.id, alerts=(), targets=("phone", "mail")))
            elif isinstance(command, AlertTest):
                if command.target == "busy":
                    limit = CommandError(Reason.RATE_LIMITED, "Six times a minute.", retry_after_ms=9_001)
                    session.send(failure(limit, command, None))
                    continue
                if command.target not in {"phone", "mail"}:
                    error = CommandError(Reason.INVALID_COMMAND, f"There is no target {command.target!r}.")
                    session.send(failure(error, command, None))
                    continue
                took = command.target in delivered
                said = "took a test message." if took else "answered 503.\x1b[2J"
                session.send(
                    AlertTestReply(
                        id=command.id, target=command.target, delivered=took, message=f"{command.target} {said}"
                    )
                )

    return ScriptedServer(script)


async def test_a_test_tries_all_targets_and_exits_1_where_one_did_not_take_it(tmp_path: Path) -> None:
    asked: list[Command] = []
    async with with_targets("phone", asked=asked) as server:
        all_of_them = await run("alert", "test", home=tmp_path, port=server.port)
        only_one = await run("alert", "test", "--target", "phone", home=tmp_path, port=server.port)
        wrong = await run("alert", "test", "pager", home=tmp_path, port=server.port)
        busy = await run("alert", "test", "phone", "busy", "mail", home=tmp_path, port=server.port)
        typed = await run("client", home=tmp_path, port=server.port, stdin=b"alert test\nalert test phone\n")

    assert all_of_them.err == "stocktrack: phone took a test message.\nstocktrack: mail answered 503.[2J\n"
    assert all_of_them.code == 1
    assert (only_one.code, only_one.err) == (0, "stocktrack: phone took a test message.\n")
    assert (wrong.code, wrong.err) == (2, "stocktrack: There is no target 'pager'.\n")
    assert busy.err.splitlines()[1] == ("stocktrack: Six times a minute. Try again in 10 s. Not tried: busy, mail.")
    assert busy.code == 5
    assert typed.code == 1
    assert typed.err.count("took a test message.") == 2


FIRED = Notice(
    code=Code.CONTINUE,
    reason=Reason.ALERT,
    symbols=("AAPL",),
    message="AAPL 280.12 USD is above 280.",
    alert="a7",
    delivery="d5cc36e4ea6f54f42",
    timestamp=NOW_MS,
)


async def fires_twice(session: ScriptedSession) -> None:
    """Tells the same delivery twice, and another one."""
    await session.greet()
    command = await session.expect(Subscribe)
    session.send(subscribed(command))
    session.send(a_price(seq=1))
    for notice in (FIRED, FIRED, FIRED.model_copy(update={"delivery": "d2"})):
        session.send(notice)
    session.send(a_price(seq=2, price=281))
    await session.until_gone()


async def test_jsonl_carries_the_notice_as_it_is_and_a_double_once(tmp_path: Path) -> None:
    async with ScriptedServer(fires_twice) as server:
        done = await run("watch", "AAPL", "--jsonl", "--seconds", "1", home=tmp_path, port=server.port)

    notices = [line for line in done.out.splitlines() if b'"NOTICE"' in line]
    assert notices[0] == encode_line(FIRED).rstrip()
    assert [json.loads(line)["delivery"] for line in notices] == [FIRED.delivery, "d2"]
    assert done.err == ""
    assert b"\a" not in done.out


async def test_without_a_board_it_is_told_on_standard_error(tmp_path: Path) -> None:
    async with ScriptedServer(fires_twice) as server:
        done = await run("watch", "AAPL", "--seconds", "1", home=tmp_path, port=server.port)

    told = done.err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("stocktrack: ") and line.endswith("  AAPL 280.12 USD is above 280.") for line in told)
    assert all(row[0] == "AAPL" for row in done.rows)


async def test_a_script_at_the_prompt_is_told_too_and_runs_on(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(FIRED)
        while True:
            command = await session.command()
            if isinstance(command, MyAlerts):
                session.send(MyAlertsReply(id=command.id, alerts=()))

    async with ScriptedServer(script) as server:
        done = await run("client", home=tmp_path, port=server.port, stdin=b"alerts\nalerts msft\nunalert x\nalert\n")

    assert "  AAPL 280.12 USD is above 280." in done.err
    assert "You have no alerts; `alert AAPL above 280` makes one." in done.err
    assert "You have no alerts on MSFT; `alert MSFT above 280` makes one." in done.err
    assert "they are called as a7" in done.err
    assert done.code == 2


@pytest.mark.parametrize("group", ["alert", "lots"])
async def test_the_list_of_commands_cuts_no_sentence(tmp_path: Path, group: str) -> None:
    done = await run(group, "--help", home=tmp_path, COLUMNS="80")

    assert b"..." not in done.out.partition(b"Commands:")[2]


async def test_conditions_are_completed(tmp_path: Path) -> None:
    line = "stocktrack alert add AAPL cro"
    done = await run(home=tmp_path, _STOCKTRACK_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD="4")

    assert done.out.split() == [b"crosses-above", b"crosses-below"]
