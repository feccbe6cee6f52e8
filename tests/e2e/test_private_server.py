"""`stocktrack watch AAPL TSLA` and nothing else: the real program starts a server for itself, and leaves nothing."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patience import PATIENCE_SECONDS
from private_child import SCRIPT
from terminal import PASSWORD, USER, ServerProcess, Terminal, program_environment
from yahoo_stub import YahooStub
from yahoo_thread import yahoo_in_a_thread

SIMULATED = {"STOCKTRACK_PROVIDERS": "simulated", "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.2"}
# A private server may take this long to close, whatever hangs.
MOST_SECONDS = 5.0


def a_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Machine:
    """A home, a usual port at which nothing listens unless a test starts it, and a market."""

    def __init__(self, home: Path, port: int | None = None, **variables: str) -> None:
        variables = variables or SIMULATED
        self.home = home
        self.port = port or a_free_port()
        self._temporary = home / "tmp"
        self._temporary.mkdir(exist_ok=True)
        self.environment = program_environment(
            home,
            None,
            STOCKTRACK_TEST_DEFAULT_PORT=str(self.port),
            STOCKTRACK_TEST_FOLDER=str(home),
            TMPDIR=str(self._temporary),
            **variables,
        )

    @property
    def private(self) -> Path:
        """Where a private server keeps what was added."""
        return self.home / "data" / "private"

    @property
    def left(self) -> list[str]:
        """What was left in the folder for temporary things."""
        return sorted(each.name for each in self._temporary.iterdir())

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """`stocktrack ARGUMENTS` in a pipe, to its end."""
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    @contextlib.contextmanager
    def started(self, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
        """`stocktrack ARGUMENTS` in a pipe, while it runs."""
        with subprocess.Popen(
            [sys.executable, SCRIPT, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextlib.contextmanager
    def terminal(self, *arguments: str, columns: int = 100) -> Iterator[Terminal]:
        """`stocktrack ARGUMENTS` in a terminal."""
        with Terminal(*arguments, environment=self.environment, columns=columns, run_by=(SCRIPT,)) as terminal:
            yield terminal


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def yahoo() -> Iterator[YahooStub]:
    with yahoo_in_a_thread() as stub:
        stub.know("AAPL", "TSLA")
        yield stub


def on_yahoo(home: Path, yahoo: YahooStub, **variables: str) -> Machine:
    """A machine whose settings name no source."""
    return Machine(
        home,
        None,
        STOCKTRACK_YAHOO_STREAM="false",
        STOCKTRACK_NEWS_FEEDS="http://127.0.0.1:1/",
        STOCKTRACK_TEST_YAHOO=yahoo.url,
        **variables,
    )


def ended_within(terminal: Terminal) -> tuple[int, bool]:
    """The exit code, and whether that took no longer than it may."""
    began = time.monotonic()
    code = terminal.wait_exit()
    assert "Traceback" not in terminal.text, terminal.text
    return code, time.monotonic() - began < MOST_SECONDS


# --- what a person sees ------------------------------------------------------------------------------------------


def test_watch_alone_is_a_board_on_a_private_server(machine: Machine) -> None:
    with machine.terminal("watch", "AAPL", "TSLA", "NOPE") as terminal:
        terminal.wait_for("private · simulated market", "3 symbols", "unknown symbol")
        terminal.wait_until(lambda: terminal.screen.count("  USD  ") == 2, "for prices")
        terminal.type("q")
        assert terminal.wait_exit() == 3  # NOPE is unknown
        assert f"No server runs on 127.0.0.1:{machine.port}, so this command asks the market itself" in terminal.text
    assert machine.left == []
    assert machine.private.stat().st_mode & 0o777 == 0o700
    assert machine.private.parent.stat().st_mode & 0o777 == 0o700


def test_in_a_pipe_the_rows_are_all_there_is(machine: Machine) -> None:
    done = machine.run("get", "AAPL", "TSLA")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["AAPL", "TSLA"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["get", "AAPL"], "Apple Inc."),
        (["chart", "AAPL"], "1m bars"),
        (["news", "2"], "Simulated"),
        (["info", "AAPL"], "Consumer Electronics"),
        (["watch", "AAPL", "--count", "2", "--json"], '"symbol":"AAPL"'),
    ],
)
def test_each_of_them_answers_on_a_terminal_and_says_once_whom_it_asks(
    machine: Machine, command: list[str], says: str
) -> None:
    with machine.terminal(*command) as terminal:
        assert terminal.wait_exit() == 0, terminal.text
        assert says in terminal.text
        assert terminal.text.count("No server runs on") == 1


def test_an_unknown_symbol_and_a_wrong_one_exit_as_with_a_server(machine: Machine) -> None:
    unknown, wrong = machine.run("get", "AAPL", "NOPE"), machine.run("get", "A!")

    assert (unknown.returncode, unknown.stderr) == (3, "stocktrack: NOPE: unknown symbol.\n")
    assert wrong.returncode == 2
    assert machine.run("watch", "NOPE").returncode == 3


def test_without_symbols_and_without_saved_ones_the_sentence_is_the_usual_one(machine: Machine) -> None:
    done = machine.run("watch")

    assert done.returncode == 0
    assert done.stderr == "stocktrack: You have no saved stocks yet; name some, as in `stocktrack watch AAPL`.\n"


@pytest.mark.parametrize("command", [["client"], ["stocks"], ["sources"]])
def test_what_needs_a_server_names_what_does_not(machine: Machine, command: list[str]) -> None:
    with machine.terminal(*command) as terminal:
        assert terminal.wait_exit() == 5
        told = " ".join(terminal.text.split())
        assert f"Nothing listens at 127.0.0.1:{machine.port}." in told
        assert "`stocktrack watch AAPL` works without a server." in told
    assert not machine.private.exists()


SAVING = """
import asyncio
from stocktrack.messages import Subscribe
from stocktrack.operations.private_server import private_server

async def save():
    async with private_server("127.0.0.1:1") as way_in, way_in.client() as client:
        await client.request(Subscribe(symbols=("NVDA", "TSLA")))

asyncio.run(save())
"""


def test_without_symbols_the_board_shows_what_was_saved_at_an_earlier_one(machine: Machine) -> None:
    subprocess.run([sys.executable, "-c", SAVING], env=machine.environment, check=True, timeout=PATIENCE_SECONDS)

    with machine.terminal("watch") as terminal:
        terminal.wait_for("private", "2 symbols", "NVDA", "TSLA")
        terminal.type("q")
        assert terminal.wait_exit() == 0


# --- which server -------------------------------------------------------------------------------------------------


def named_by_flag(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    return ["--port", str(port)], {}


def named_by_host(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    return ["--host", "127.0.0.1"], {}


def named_by_environment(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    return [], {"STOCKTRACK_PORT": str(port)}


def named_by_host_of_environment(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    return [], {"STOCKTRACK_HOST": "127.0.0.1"}


def named_by_env_file(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    (home / ".env").write_text(f"STOCKTRACK_PORT={port}\n", encoding="utf-8")
    return [], {}


def named_by_toml(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    folder = home / ".config" / "stocktrack"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f"port = {port}\n", encoding="utf-8")
    return [], {}


WAYS_TO_NAME = (
    *(named_by_flag, named_by_host, named_by_environment, named_by_host_of_environment),
    *(named_by_env_file, named_by_toml),
)


@pytest.mark.parametrize("name", WAYS_TO_NAME)
@pytest.mark.parametrize("command", [["watch", "AAPL"], ["get", "AAPL"]])
def test_a_server_that_was_named_and_is_not_there_is_told(machine: Machine, name: object, command: list[str]) -> None:
    port = a_free_port()
    arguments, variables = name(machine.home, port)  # type: ignore[operator] # one of the above

    done = machine.run(*command, *arguments, **variables)

    assert (done.returncode, done.stdout) == (5, "")
    assert "Nothing listens at 127.0.0.1:" in done.stderr
    assert "Start one with `stocktrack serve`, or look around with `stocktrack demo`.\n" in done.stderr
    assert not machine.private.exists()


@pytest.mark.parametrize("name", [named_by_env_file, named_by_toml])
def test_clients_call_the_server_that_the_files_name(tmp_path: Path, name: object) -> None:
    with ServerProcess(tmp_path / "server") as server:
        machine = Machine(tmp_path, STOCKTRACK_USER=USER, STOCKTRACK_PASSWORD=PASSWORD)
        name(machine.home, server.port)  # type: ignore[operator] # one of the above
        for command in (["get", "AAPL"], ["stocks"], ["sources"]):
            done = machine.run(*command)
            assert (done.returncode, "asks the market" in done.stderr) == (0, False), done.stderr
    assert not machine.private.exists()


def test_a_server_at_the_usual_port_is_called_as_ever(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server") as server:
        machine = Machine(tmp_path, server.port)
        nobody = machine.run("get", "AAPL")
        assert nobody.returncode == 4
        assert "There is no user name to log in with" in nobody.stderr
        wrong = machine.run("get", "AAPL", STOCKTRACK_USER=USER, STOCKTRACK_PASSWORD="wrong")
        assert (wrong.returncode, wrong.stdout) == (4, "")
        assert machine.run("get", "AAPL", STOCKTRACK_USER=USER, STOCKTRACK_PASSWORD=PASSWORD).returncode == 0
        with machine.terminal("watch", "AAPL") as terminal:
            terminal.wait_for("User name")
    assert not machine.private.exists()


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a program that is no StockTrack server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(b"220 mail.example ESMTP\r\n")
                    connection.close()

        thread = threading.Thread(target=answer, name="a stranger")
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_another_program_at_the_usual_port_is_no_reason_for_a_private_server(tmp_path: Path, stranger: int) -> None:
    machine = Machine(tmp_path, stranger)

    known = machine.run("get", "AAPL", STOCKTRACK_USER=USER, STOCKTRACK_PASSWORD=PASSWORD)
    assert (known.returncode, known.stdout) == (5, "")
    assert "is not a StockTrack server" in known.stderr
    assert machine.run("get", "AAPL").returncode == 4
    with machine.terminal("watch", "AAPL") as terminal:
        assert terminal.wait_exit() == 5
    assert not machine.private.exists()


# --- Yahoo --------------------------------------------------------------------------------------------------------


def test_without_any_setting_it_is_yahoo(tmp_path: Path, yahoo: YahooStub) -> None:
    machine = on_yahoo(tmp_path, yahoo)

    with machine.terminal("watch", "AAPL", "TSLA") as terminal:
        terminal.wait_for("private · Yahoo", "2 symbols")
        terminal.wait_until(lambda: terminal.screen.count("101.50") == 2, "for the prices")
        terminal.type("q")
        assert terminal.wait_exit() == 0
    done = machine.run("get", "AAPL", "NOPE")
    assert (done.returncode, done.stdout[:11]) == (3, "AAPL\t101.5\t")


def test_an_unknown_symbol_of_yahoo_stands_on_the_board(tmp_path: Path, yahoo: YahooStub) -> None:
    with on_yahoo(tmp_path, yahoo).terminal("watch", "AAPL", "NOPE") as terminal:
        terminal.wait_until(lambda: "101.50" in terminal.screen and "unknown symbol" in terminal.screen, "for both")
        terminal.type("q")
        assert terminal.wait_exit() == 3


def test_the_board_opens_while_yahoo_hangs_and_ctrl_c_closes_it(tmp_path: Path, yahoo: YahooStub) -> None:
    for endpoint in ("cookie", "crumb", "quote", "chart"):
        yahoo.hang(endpoint, times=100)

    with on_yahoo(tmp_path, yahoo).terminal("watch", "AAPL", "TSLA") as terminal:
        terminal.wait_for("private · Yahoo", "waiting")
        terminal.wait_until(yahoo.hanging.is_set, "until Yahoo was asked")
        terminal.type("\x03")
        assert ended_within(terminal) == (130, True)


@pytest.mark.parametrize("keys", [":get MSFT\r", "aapp"], ids=["command", "picker"])
def test_q_does_not_wait_for_what_was_asked_of_a_yahoo_that_hangs(tmp_path: Path, yahoo: YahooStub, keys: str) -> None:
    for endpoint in ("cookie", "crumb", "quote", "chart", "search"):
        yahoo.hang(endpoint, times=100)

    with on_yahoo(tmp_path, yahoo).terminal("watch", "AAPL") as terminal:
        terminal.wait_for("private · Yahoo", "waiting")
        terminal.wait_until(yahoo.hanging.is_set, "until Yahoo was asked")
        terminal.type(keys)
        if keys == "aapp":
            terminal.wait_for("Searching…")
            terminal.type("\x1b")
            terminal.wait_for("q quit")
        terminal.type("q")
        assert ended_within(terminal) == (0, True)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str
)
def test_a_signal_ends_a_get_that_yahoo_lets_hang(
    tmp_path: Path, yahoo: YahooStub, number: signal.Signals, code: int
) -> None:
    for endpoint in ("cookie", "crumb", "quote", "chart"):
        yahoo.hang(endpoint, times=100)

    with on_yahoo(tmp_path, yahoo).terminal("get", "AAPL") as terminal:
        terminal.wait_until(yahoo.hanging.is_set, "until Yahoo was asked")
        terminal.signal(number)
        assert ended_within(terminal) == (code, True)


def test_a_429_says_why_and_what_to_do(tmp_path: Path, yahoo: YahooStub) -> None:
    for endpoint in ("cookie", "crumb", "quote", "chart"):
        yahoo.fail(endpoint, 429, b"Too Many Requests", times=100)

    done = on_yahoo(tmp_path, yahoo).run("get", "AAPL")

    assert (done.returncode, done.stdout) == (5, "")
    assert "Yahoo refuses requests from here for a while (429 Too Many Requests)." in done.stderr
    assert "STOCKTRACK_PROVIDERS names another source." in done.stderr


@pytest.mark.parametrize("command", [["get", "AAPL"], ["chart", "AAPL"], ["info", "AAPL"]])
def test_without_a_network_it_says_why_and_what_to_do(tmp_path: Path, command: list[str]) -> None:
    nobody = YahooStub()
    nobody.url = f"http://127.0.0.1:{a_free_port()}"

    done = on_yahoo(tmp_path, nobody).run(*command)

    assert (done.returncode, done.stdout) == (5, "")
    assert "The connection to Yahoo failed" in done.stderr
    assert "Is this machine online?" in done.stderr


# --- several, and what stays --------------------------------------------------------------------------------------


def test_two_at_once_work_in_one_folder_and_each_goes_by_itself(machine: Machine) -> None:
    with machine.terminal("watch", "AAPL") as one, machine.terminal("watch", "TSLA") as other:
        one.wait_for("private", "USD")
        other.wait_for("private", "USD")
        assert machine.run("get", "MSFT").returncode == 0
        one.type("q")
        assert one.wait_exit() == 0
        seen = other.screen
        other.wait_until(lambda: other.screen != seen, "for another price")
        other.type("q")
        assert other.wait_exit() == 0


def test_where_the_folder_cannot_be_written_to_another_one_is_thrown_away(machine: Machine) -> None:
    (machine.home / "data").write_text("no folder", encoding="utf-8")

    done = machine.run("get", "AAPL")

    assert done.returncode == 0
    assert done.stdout.startswith("AAPL\t")
    assert done.stderr.count("\n") == 1
    assert f"{machine.private} cannot be used (" in done.stderr
    assert "what you add now is not kept" in done.stderr
    assert machine.left == []


def _no_database(folder: Path) -> None:
    (folder / "stocktrack.db").write_text("no database, whatever it is", encoding="utf-8")


def _no_lock_file(folder: Path) -> None:
    (folder / "server.lock").mkdir()


def _not_ours(folder: Path) -> None:
    (folder / "letter.txt").write_text("for others as well", encoding="utf-8")
    folder.chmod(0o755)


@pytest.mark.parametrize("spoil", [_no_database, _no_lock_file, _not_ours])
def test_a_folder_that_is_of_no_use_costs_a_sentence_and_not_the_price(
    machine: Machine, spoil: Callable[[Path], None]
) -> None:
    machine.private.mkdir(parents=True, mode=0o700)
    spoil(machine.private)

    done = machine.run("get", "AAPL", "--fields", "symbol")

    assert (done.returncode, done.stdout) == (0, "AAPL\n")
    assert done.stderr.count("\n") == 1
    assert f"{machine.private} cannot be used (" in done.stderr
    assert "STOCKTRACK_DATABASE_URL" not in done.stderr  # it does not count here
    assert machine.left == []


def test_no_password_stands_in_the_arguments_or_the_environment_and_nothing_else_is_opened(machine: Machine) -> None:
    with machine.started("watch", "AAPL") as process:
        assert process.stdout is not None
        process.stdout.readline()
        proc = Path("/proc", str(process.pid))
        if not proc.exists():
            pytest.skip("this system has no /proc")
        assert proc.joinpath("cmdline").read_bytes().split(b"\0")[1:-1] == [SCRIPT.encode(), b"watch", b"AAPL"]
        before = {f"{name}={value}".encode() for name, value in machine.environment.items()}
        assert set(proc.joinpath("environ").read_bytes().split(b"\0")) - {b""} <= before
        listening = _listening(process.pid)
        assert [address for address, _ in listening] == ["127.0.0.1"]


def _listening(pid: int) -> list[tuple[str, int]]:
    """The addresses at which a process listens."""
    inodes = set()
    for each in Path("/proc", str(pid), "fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(each.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc", str(pid), "net", table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                host, port = fields[1].split(":")
                address = socket.inet_ntoa(bytes.fromhex(host)[::-1]) if len(host) == 8 else host
                found.append((address, int(port, 16)))
    return found


# --- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str
)
def test_a_signal_ends_lines_of_prices(machine: Machine, number: signal.Signals, code: int) -> None:
    with machine.started("watch", "AAPL") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(MOST_SECONDS) == code
        assert process.stderr.read() == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str)
def test_a_signal_leaves_the_terminal_of_a_board_as_it_was(machine: Machine, number: signal.Signals, code: int) -> None:
    with machine.terminal("watch", "AAPL") as terminal:
        terminal.wait_for("private", "USD")
        terminal.signal(number)
        assert ended_within(terminal) == (code, True)
        assert "private" not in terminal.screen  # the first screen is back
    assert machine.left == []


def test_a_reader_that_has_gone_ends_it(machine: Machine) -> None:
    with machine.started("watch", "AAPL") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("AAPL\t")
        process.stdout.close()
        assert process.wait(MOST_SECONDS) == 141
        assert process.stderr.read() == ""


def test_a_wrong_setting_is_told_with_its_name(machine: Machine) -> None:
    done = machine.run("get", "AAPL", STOCKTRACK_PROVIDERS="yahooo")

    assert (done.returncode, done.stdout) == (1, "")
    assert "providers = 'yahooo': there is no such source; did you mean yahoo?" in done.stderr
    assert machine.left == []


def test_what_else_a_server_would_do_a_private_one_leaves(machine: Machine) -> None:
    ticks = machine.home / "ticks.csv"
    done = machine.run(
        *("watch", "AAPL", "--count", "3"),
        STOCKTRACK_PUBLISH_TO=f"file://{ticks}",
        STOCKTRACK_WEB_PORT=str(a_free_port()),
        STOCKTRACK_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        STOCKTRACK_CHAT="true",
        STOCKTRACK_ALLOWLIST="ann",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3
    assert not ticks.exists()
