"""The real `stocktrack` process: its start, its signals and its end, its users, its files, and its exit codes."""

import asyncio
import importlib.util
import json
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import stocktrack
from certificates import write_certificate
from live_server import PASSWORD, Line, RawClient
from patience import PATIENCE_SECONDS
from requirements import require, require_program
from server_process import (
    STOCKTRACK,
    ServerProcess,
    environment,
    run_command,
    run_stocktrack,
    server_process,
)
from stocktrack.system.processes import raise_descriptor_limit
from terminal import Terminal

MANY = 1_000
HUNG_SERVER = Path(__file__).parents[1] / "support" / "hung_server.py"


@pytest.fixture(scope="session")
def home_of_ann(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the user ann is known; it is made once and copied for each test."""
    home = tmp_path_factory.mktemp("ann")
    subprocess.run(
        [*STOCKTRACK, "users", "add", "ann", "--password-stdin"],
        input=f"{PASSWORD}\n".encode(),
        env=environment(home),
        cwd=home,
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    return home


@pytest.fixture
def home(home_of_ann: Path, tmp_path: Path) -> Path:
    """A home in which the user ann is known."""
    shutil.copytree(home_of_ann, tmp_path, dirs_exist_ok=True)
    return tmp_path


async def sessions(server: ServerProcess, count: int) -> list[RawClient]:
    """So many sessions of ann, opened side by side."""
    return list(await asyncio.gather(*(server.log_in() for _ in range(count))))


async def last_words(client: RawClient) -> Line:
    """The last line before the server closes; then the client closes, too."""
    lines = await client.rest()
    await client.close()
    return lines[-1]


# --- the end ------------------------------------------------------------------------------------------------------


@pytest.fixture
def many_descriptors() -> None:
    raise_descriptor_limit()
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    require(limit > MANY + 200, f"a limit of more than {MANY + 200} open files (ulimit -n)")


@pytest.mark.usefixtures("many_descriptors")
async def test_at_sigterm_a_thousand_sessions_get_their_501_and_the_server_is_gone_in_five_seconds(home: Path) -> None:
    async with server_process(home, STOCKTRACK_SIMULATED_INTERVAL_SECONDS="0.1") as server:
        clients = await sessions(server, MANY)
        command = {"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT", "TSLA"], "interval": 0, "save": False}
        for reply in await asyncio.gather(*(client.ask(command) for client in clients)):
            assert reply["code"] == 200
        server.signal(signal.SIGTERM)
        ends = asyncio.gather(*map(last_words, clients))
        assert await server.exit_code(within=5) == 0
        for notice in await ends:
            assert (notice["type"], notice["code"], notice["reason"]) == ("NOTICE", 501, "shutdown")
    assert (await server.logged("stopping"))["sessions"] == MANY
    assert server.log[-1]["event"] == "stopped"
    assert _troubles(server) == []


@pytest.mark.usefixtures("many_descriptors")
async def test_a_source_that_hangs_in_its_threads_does_not_hold_up_the_end(home: Path) -> None:
    program = (sys.executable, str(HUNG_SERVER))
    async with server_process(home, program=program) as server:
        clients = await sessions(server, MANY)
        for number, client in enumerate(clients[:200]):
            client.send({"type": "GET", "id": 1, "symbol": f"S{number:04}"}, {"type": "PING", "id": 2})
        # A command that was sent before it is answered: those of the others are open.
        assert (await clients[-1].ask({"type": "PING"}))["code"] == 200
        server.signal(signal.SIGTERM)
        ends = asyncio.gather(*(client.rest() for client in clients))
        closing = asyncio.gather(*(_close_when_done(client, ends) for client in clients))
        code = await server.exit_code(within=5)
        # A command that is open gets the notice and nothing else.
        for lines in await ends:
            assert [(line["type"], line["code"]) for line in lines] == [("NOTICE", 501)]
        await closing
        assert code == 0
    assert server.log[-1]["event"] == "stopped"


async def _close_when_done(client: RawClient, ends: "asyncio.Future[list[list[Line]]]") -> None:
    await asyncio.wait({ends})
    await client.close()


@pytest.mark.usefixtures("many_descriptors")
async def test_clients_that_do_not_read_do_not_hold_up_the_end_and_take_nothing_from_the_others(home: Path) -> None:
    async with server_process(home, STOCKTRACK_SIMULATED_INTERVAL_SECONDS="0.1") as server:
        clients, silent = await sessions(server, MANY - 20), await sessions(server, 20)
        witness = clients[0]
        symbols = [f"S{number:04}" for number in range(500)]
        for client in silent:
            client.stop_reading()
            client.send({"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False})
        # Several times what a connection holds is due to them when the witness has seen twenty prices.
        await witness.ask({"type": "SUBSCRIBE", "symbol": "S0000", "interval": 0, "save": False})
        for _ in range(20):
            await witness.receive_until("PRICE")
        server.signal(signal.SIGTERM)
        ends = asyncio.gather(*map(last_words, clients))
        assert await server.exit_code(within=5) == 0
        for notice in await ends:
            assert (notice["code"], notice["reason"]) == (501, "shutdown")
        for client in silent:
            await client.close()
    assert server.log[-1]["event"] == "stopped"
    assert _troubles(server) == []


def _troubles(server: ServerProcess) -> list[str]:
    return [entry["event"] for entry in server.log if entry["level"] not in {"debug", "info"}]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_at_sigint_the_server_stops_as_at_sigterm(home: Path, loop: str) -> None:
    if loop == "uvloop":
        require(importlib.util.find_spec("uvloop") is not None, "uvloop")
    async with server_process(home, STOCKTRACK_EVENT_LOOP=loop) as server:
        ann, stranger = await server.log_in(), await server.connect()
        server.signal(signal.SIGINT)
        for client in (ann, stranger):
            assert (await last_words(client))["reason"] == "shutdown"
        assert await server.exit_code() == 0
    assert (await server.logged("stopping"))["signal"] == "SIGINT"
    assert _troubles(server) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_the_server_at_once(home: Path, number: signal.Signals, code: int) -> None:
    async with server_process(home) as server:
        staying = await server.log_in()
        server.signal(signal.SIGTERM)
        assert (await staying.receive())["reason"] == "shutdown"
        # It would wait three seconds for this client to close.
        server.signal(number)
        assert await server.exit_code() == code
        await staying.close()
    assert server.log[-1]["event"] == "stopping"


async def test_what_was_acknowledged_survives_a_kill_and_the_data_folder_is_free_again(home: Path) -> None:
    async with server_process(home) as server:
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["TSLA", "AAPL", "MSFT"]})
        await ann.ask({"type": "UNSUBSCRIBE", "symbol": "AAPL"})
        server.signal(signal.SIGKILL)
        assert await server.exit_code() == -signal.SIGKILL
        await ann.close()
    async with server_process(home) as server:
        ann = await server.connect()
        reply = await ann.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
        assert (reply["code"], reply["symbols"]) == (200, ["TSLA", "MSFT"])
        started = await ann.ask({"type": "SUBSCRIBE", "interval": 60})
        assert started["symbols"] == ["TSLA", "MSFT"]
        assert [(await ann.receive())["symbol"] for _ in range(2)] == ["TSLA", "MSFT"]
        await ann.close()


# --- the start ----------------------------------------------------------------------------------------------------


async def test_a_server_without_users_starts_and_says_on_its_ready_line_how_to_add_one(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ready = await server.logged("ready")
        assert "stocktrack users add NAME" in ready["hint"]
        assert ready["pid"] == server.pid


async def test_the_ready_line_is_the_first_one_and_says_where_the_server_is(home: Path) -> None:
    async with server_process(home) as server:
        first = server.log[0]
        assert (first["event"], first["level"], first["host"]) == ("ready", "info", "127.0.0.1")
        assert first["port"] > 1023
        assert "hint" not in first


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])  # noqa: S104 - nobody connects
async def test_a_server_on_a_network_without_a_certificate_says_so_at_every_start(tmp_path: Path, host: str) -> None:
    for _ in range(2):
        async with server_process(tmp_path, "--host", host) as server:
            warnings = [entry["event"] for entry in server.log if entry["level"] == "warning"]
        assert [("plain text" in warning, "tls_cert" in warning) for warning in warnings] == (
            [] if host == "127.0.0.1" else [(True, True)]
        )


async def test_with_a_certificate_a_server_on_a_network_has_nothing_to_warn_of(tmp_path: Path) -> None:
    pair = {f"STOCKTRACK_{name.upper()}": str(path) for name, path in write_certificate(tmp_path).items()}
    async with server_process(tmp_path, "--host", "0.0.0.0", **pair) as server:  # noqa: S104 - nobody connects
        assert [entry for entry in server.log if entry["level"] == "warning"] == []


async def test_a_port_that_is_taken_and_a_data_folder_in_use_end_a_second_server_with_a_sentence(home: Path) -> None:
    async with server_process(home) as server:
        elsewhere = str(home / "elsewhere")
        port = str(server.port)
        taken, in_use = await asyncio.gather(
            run_stocktrack(home, "serve", "--provider", "simulated", "--port", port, STOCKTRACK_DATA_DIR=elsewhere),
            run_stocktrack(home, "serve", "--provider", "simulated", "--port", "0"),
        )
        assert (taken.code, taken.out) == (1, "")
        assert re.fullmatch(rf"stocktrack: Port {port} on 127\.0\.0\.1 .*--port.*STOCKTRACK_PORT.*\n", taken.err)
        assert (in_use.code, in_use.out) == (1, "")
        assert re.fullmatch(rf"stocktrack: data_dir = .* process {server.pid}\b.*STOCKTRACK_DATA_DIR.*\n", in_use.err)
        # The first one noticed nothing.
        ann = await server.log_in()
        assert (await ann.ask({"type": "GET", "symbol": "AAPL"}))["code"] == 200
        await ann.close()
        assert _troubles(server) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["serve", "--port", "99999"], 1, "port = 99999 (from flag)"),
        (["serve", "--port", "http"], 2, "--port"),
        (["serve", "--provider", "bloomberg"], 1, "'bloomberg'"),
        (["serve", "--config", "nowhere.toml"], 1, "nowhere.toml: there is no such file"),
        (["serve", "--colour"], 2, "--colour"),
        (["sell"], 2, "sell"),
        (["users", "rename"], 2, "rename"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_what_is_wrong_on_the_command_line_ends_with_a_sentence_and_a_code(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    finished = await run_stocktrack(tmp_path, *arguments)
    assert (finished.code, finished.out) == (code, ""), finished
    assert says in finished.err
    assert "Traceback" not in finished.err


async def test_an_unknown_variable_is_a_warning_and_no_more(tmp_path: Path) -> None:
    async with server_process(tmp_path, STOCKTRACK_PROT="1") as server:
        (warning,) = _troubles(server)
        assert "STOCKTRACK_PROT is no setting" in warning
        assert "'port'" in warning


async def test_the_data_folder_and_all_in_it_are_for_its_owner_alone(home: Path) -> None:
    async with server_process(home) as server:
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbol": "AAPL"})
        folder = home / "data" / "stocktrack"
        assert _mode(folder) == 0o700
        files = {path.name: _mode(path) for path in folder.iterdir()}
        assert {"stocktrack.db", "stocktrack.db-wal", "server.lock"} <= files.keys()
        assert set(files.values()) == {0o600}, files
        await ann.close()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- users --------------------------------------------------------------------------------------------------------


async def test_users_are_managed_while_the_server_runs_and_what_is_changed_counts_at_once(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        client = await server.connect()
        login = {"type": "AUTH", "username": "bob", "password": "SeCrEt-1"}
        assert (await client.ask(login))["code"] == 401

        added = await run_stocktrack(tmp_path, "users", "add", "bob", "--password-stdin", stdin=b"SeCrEt-1\n")
        assert (added.code, added.out) == (0, "")
        assert (await client.ask(login))["code"] == 200
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT"]})

        listed = await run_stocktrack(tmp_path, "users", "list", "--json")
        (bob,) = json.loads(listed.out)
        assert (bob["name"], bob["saved_count"]) == ("bob", 2)

        changed = await run_stocktrack(tmp_path, "users", "passwd", "bob", "--password-stdin", stdin=b"SeCrEt-2\n")
        assert (changed.code, changed.out) == (0, "")
        again = await server.connect()
        assert (await again.ask(login))["code"] == 401
        assert (await again.ask({**login, "password": "SeCrEt-2"}))["symbols"] == ["AAPL", "MSFT"]

        removed = await run_stocktrack(tmp_path, "users", "remove", "bob")
        assert (removed.code, removed.out) == (0, "")
        last = await server.connect()
        assert (await last.ask({**login, "password": "SeCrEt-2"}))["code"] == 401
        for each in (client, again, last):
            await each.close()


def test_a_password_is_asked_for_twice_on_the_terminal_and_never_shown(tmp_path: Path) -> None:
    with Terminal("users", "add", "ann", environment=environment(tmp_path)) as terminal:
        for prompt in (b"Password for ann: ", b"The same again: "):
            terminal.wait_until(partial(_ends_with, terminal, prompt), f"for {prompt!r}")
            terminal.enter("SeCrEt-pty")
        terminal.wait_for("User ann was added to ")
        assert terminal.wait_exit() == 0
        assert b"SeCrEt" not in terminal.raw


def _ends_with(terminal: Terminal, text: bytes) -> bool:
    return terminal.raw.endswith(text)


async def test_no_password_reaches_the_log_even_at_debug_whatever_clients_send(home: Path) -> None:
    async with server_process(home, STOCKTRACK_LOG_LEVEL="debug") as server:
        client = await server.connect()
        for line in (
            b'{"type":"AUTH","username":"ann","password":"SeCrEt-wrong"}',
            b'{"type":"AUTH","username":"SeCrEt-as-a-name","password":"SeCrEt"}',
            b'{"type":"AUTH","username":"ann","password":"SeCrEt","extra":"SeCrEt"}',
            b'{"type":"AUTH","username":"ann","password":["SeCrEt"]}',
            b'{"type":"AUTH","username":"ann","password":"SeCrEt"',
            b'{"type":"SeCrEt"}',
            b"SeCrEt",
        ):
            assert (await client.ask(line + b"\n"))["code"] in {400, 401}
        assert (await client.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200
        await client.close()
    # That the log is free of them is checked for every process; this one had something to say.
    assert {"debug", "info"} <= {entry["level"] for entry in server.log}


# --- for people ---------------------------------------------------------------------------------------------------


async def test_a_few_lines_of_printf_through_nc_read_well_and_end(home: Path) -> None:
    nc = require_program("nc")
    async with server_process(home) as server:
        commands = "".join(
            json.dumps(command) + "\\n"
            for command in (
                {"type": "AUTH", "username": "ann", "password": PASSWORD},
                {"type": "GET", "symbols": ["AAPL"]},
                {"type": "LOGOUT"},
            )
        )
        script = f"printf '{commands}' | {nc} {server.host} {server.port}"
        talked = await run_command(home, ["sh", "-c", script])
    hello, auth, get, logout = map(json.loads, talked.out.splitlines())
    assert (hello["type"], auth["code"], get["code"], logout["code"]) == ("HELLO", 200, 200, 2000)
    assert auth["message"] == "Welcome ann! Login successful."
    assert get["quotes"][0]["symbol"] == "AAPL"
    # What a person looks for first stands first on the line.
    assert list(get)[:3] == ["type", "code", "status"]
    assert list(get["quotes"][0])[:2] == ["symbol", "price"]


async def test_the_demo_prints_changing_prices_where_there_is_no_terminal_and_ends_by_itself(tmp_path: Path) -> None:
    finished = await run_stocktrack(tmp_path, "demo", "--seconds", "2.5")
    assert finished.code == 0, finished
    rows = [line.split() for line in finished.out.splitlines()]
    prices = [float(row[1]) for row in rows if row[0] == "AAPL"]
    assert len(prices) >= 3
    assert len(set(prices)) >= 2
    assert {row[0] for row in rows} >= {"AAPL", "BTC-USD", "^GSPC"}
    assert "\x1b" not in finished.out + finished.err
    assert "Traceback" not in finished.err
    assert not (tmp_path / "data").exists()


async def test_the_version_and_the_help_are_printed(tmp_path: Path) -> None:
    version, help_, about_serve = await asyncio.gather(
        run_stocktrack(tmp_path, "--version"),
        run_stocktrack(tmp_path, "--help"),
        run_stocktrack(tmp_path, "serve", "--help"),
    )
    assert (version.code, version.out, version.err) == (0, f"stocktrack {stocktrack.__version__}\n", "")
    assert (help_.code, help_.err) == (0, "")
    for command in ("serve", "demo", "users", "config", "protocol"):
        assert re.search(rf"^\W*{command}\b", help_.out, re.MULTILINE), help_.out
    assert (about_serve.code, about_serve.err) == (0, "")
    for option in ("--host", "--port", "--provider", "--config", "--no-web"):
        assert option in about_serve.out
