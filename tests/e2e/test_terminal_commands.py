"""The shell's commands as a person meets them: who is asked for what, and when, in a real pseudo-terminal."""

import functools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import PASSWORD, USER, ServerProcess, Terminal, run_stocktrack, terminal_program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


def a_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_told(terminal: Terminal, text: str, times: int) -> bool:
    return terminal.text.count(text) == times


def wait_for_question(terminal: Terminal, begin: str) -> None:
    terminal.wait_until(lambda: terminal.cursor_line.startswith(begin), f"for {begin!r}")


@pytest.mark.parametrize("command", [["get", "AAPL"], ["watch", "AAPL"], ["login"], ["tokens"], ["chart", "AAPL"]])
def test_nobody_is_asked_for_a_name_where_no_server_is(tmp_path: Path, command: list[str]) -> None:
    with terminal_program(*command, "--port", str(a_free_port()), home=tmp_path) as terminal:
        assert terminal.wait_exit() == 5
        assert "Nothing listens at" in terminal.text
        assert "User name" not in terminal.text


@pytest.mark.parametrize("command", [["get", "AAPL"], ["login"], ["tokens"]])
def test_a_wrong_password_may_be_typed_again(server: ServerProcess, tmp_path: Path, command: list[str]) -> None:
    with terminal_program(*command, "--port", str(server.port), "--user", USER, home=tmp_path) as terminal:
        wait_for_question(terminal, "Password of ann")
        terminal.enter("wrong")
        terminal.wait_for("The name or the password is wrong. Try again.")
        wait_for_question(terminal, "Password of ann")
        terminal.enter(PASSWORD)

        assert terminal.wait_exit() == 0, terminal.text
        assert PASSWORD.encode() not in terminal.raw


def test_a_third_wrong_password_is_the_last_one(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", "--port", str(server.port), home=tmp_path) as terminal:
        told = "The name or the password is wrong."
        wait_for_question(terminal, "User name")
        terminal.enter(USER)
        for asked in range(1, 4):
            wait_for_question(terminal, "Password of ann")
            terminal.enter("wrong")
            terminal.wait_until(functools.partial(is_told, terminal, told, asked), "for the answer")

        assert terminal.wait_exit() == 4
        assert terminal.text.count("Try again.") == 2


def test_enter_alone_is_no_password_and_asks_again(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", "--port", str(server.port), "--user", USER, home=tmp_path) as terminal:
        for asked in range(1, 5):
            terminal.wait_until(functools.partial(is_told, terminal, "Password of ann", asked), "for the question")
            terminal.enter("" if asked < 4 else PASSWORD)
        assert terminal.wait_exit() == 0, terminal.text
        assert "AUTH" not in terminal.text


def test_a_password_that_a_variable_holds_is_tried_once(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", home=tmp_path, port=server.port, STOCKTRACK_PASSWORD="wrong") as terminal:
        assert terminal.wait_exit() == 4
        assert "Try again" not in terminal.text


def test_ctrl_c_at_the_second_question_leaves(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", "--port", str(server.port), "--user", USER, home=tmp_path) as terminal:
        wait_for_question(terminal, "Password of ann")
        terminal.enter("wrong")
        terminal.wait_for("Try again.")
        wait_for_question(terminal, "Password of ann")
        terminal.type("\x03")

        assert terminal.wait_exit() == 130
        assert "Traceback" not in terminal.text


def test_the_new_password_is_asked_for_when_the_old_one_was_right(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("password", "--port", str(server.port), "--user", USER, home=tmp_path) as terminal:
        wait_for_question(terminal, "Password of ann")
        terminal.enter("wrong")
        terminal.wait_for("Try again.")
        wait_for_question(terminal, "Password of ann")
        terminal.enter(PASSWORD)
        wait_for_question(terminal, "New password of ann")
        assert terminal.text.count("New password") == 1
        terminal.type("\x03")

        assert terminal.wait_exit() == 130


def test_stocktrack_alone_offers_what_to_begin_with(tmp_path: Path) -> None:
    with terminal_program(home=tmp_path) as terminal:
        assert terminal.wait_exit() == 0
        assert all(f"stocktrack {word}" in terminal.text for word in ("watch", "demo", "client", "serve"))


# --- the operator's ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_bob")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["users", "add", "bob"], "There is a user 'bob' already."),
        (["users", "add", "a b\n"], "name"),
        (["users", "passwd", "nobody"], "There is no user 'nobody'."),
    ],
)
def test_a_name_is_checked_before_its_password_is_asked_for(tmp_path: Path, arguments: list[str], told: str) -> None:
    with terminal_program(*arguments, home=tmp_path) as terminal:
        assert terminal.wait_exit() == 1
        assert told in terminal.text
        assert "Password" not in terminal.text


@pytest.fixture
def _bob(tmp_path: Path) -> None:
    """The operator's database has the user bob."""
    with terminal_program("users", "add", "bob", home=tmp_path) as terminal:
        wait_for_question(terminal, "Password for bob")
        terminal.enter(PASSWORD)
        wait_for_question(terminal, "The same again")
        terminal.enter(PASSWORD)
        assert terminal.wait_exit() == 0, terminal.text


@pytest.mark.usefixtures("_bob")
@pytest.mark.parametrize("columns", [100, 40])
def test_the_users_are_a_table_on_a_terminal(tmp_path: Path, columns: int) -> None:
    with terminal_program("users", "list", home=tmp_path, columns=columns) as terminal:
        assert terminal.wait_exit() == 0
        heading, row = terminal.lines[0], terminal.lines[1]

    assert heading.split()[:3] == ["User", "Saved", "Since"]
    assert row.split()[:2] == ["bob", "0"]
    assert heading.index("Since") == row.index("20")


@pytest.mark.usefixtures("_bob")
def test_who_is_removed_is_told_that_sessions_end(tmp_path: Path) -> None:
    with terminal_program("users", "remove", "bob", home=tmp_path) as terminal:
        assert terminal.wait_exit() == 0
        assert "Sessions that are open end within seconds." in terminal.text


def test_sessions_and_tokens_are_tables_on_a_terminal(server: ServerProcess, tmp_path: Path) -> None:
    server.run("users", "admin", USER, "on")
    with terminal_program("sessions", home=tmp_path, port=server.port) as terminal:
        assert terminal.wait_exit() == 0
        assert "1 session." in terminal.text
        assert terminal.lines[0].split() == ["Session", "User", "Address", "Door", "Since", "State", "Symbols"]
        assert terminal.lines[1].split()[-2:] == ["ok", "-"]
    server.run("users", "token", USER, "--name", "laptop")
    with terminal_program("tokens", home=tmp_path, port=server.port) as terminal:
        assert terminal.wait_exit() == 0
        heading = next(line for line in terminal.lines if line.startswith("Token"))
        assert heading.endswith("Last used")
        assert any("laptop" in line and line.endswith("never") for line in terminal.lines)


def test_a_server_that_is_started_at_a_terminal_says_what_to_do_next(tmp_path: Path) -> None:
    arguments = ("serve", "--provider", "simulated", "--port", "0", "--web-port", "0")
    with terminal_program(*arguments, home=tmp_path) as terminal:
        terminal.wait_for("is ready. Ctrl-C stops it.", "sources  simulated", "stocktrack users add NAME")
        assert "Socket.IO" not in terminal.text
        assert "[info" not in terminal.text
        terminal.type("\x03")
        assert terminal.wait_exit() == 0


def test_the_lists_are_named_on_a_terminal_alone(server: ServerProcess, tmp_path: Path) -> None:
    run_stocktrack("stocks", "--add", "AAPL", home=tmp_path, port=server.port)
    run_stocktrack("stocks", "--add", "NVDA", "--list", "tech", home=tmp_path, port=server.port)
    with terminal_program("stocks", home=tmp_path, port=server.port) as terminal:
        assert terminal.wait_exit() == 0
        assert "Your lists: main, tech." in terminal.text


def test_every_price_says_its_age_on_a_narrow_terminal(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", "BTC-USD", home=tmp_path, port=server.port, columns=40) as terminal:
        assert terminal.wait_exit() == 0
        heading = next(line for line in terminal.lines if line.startswith("Symbol"))
        assert heading.endswith("Age")
        rows = [line for line in terminal.lines if line.startswith(("AAPL", "BTC-USD"))]
        assert len(rows) == 2
        assert all(line[-1] in "smhd" for line in rows)


def test_fields_are_chosen_and_named(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", "--fields", "symbol,name", home=tmp_path, port=server.port) as terminal:
        assert terminal.wait_exit() == 0
        assert [line.split() for line in terminal.lines[:2]] == [["symbol", "name"], ["AAPL", "Apple", "Inc."]]
    with terminal_program("get", "AAPL", "--fields", "prize", home=tmp_path, port=server.port) as terminal:
        assert terminal.wait_exit() == 2
        assert "there is no field 'prize'" in terminal.text
