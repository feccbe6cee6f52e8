import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import structlog

from stocktrack.system.logs import configure_logs

LogFormat = Literal["console", "json"]
FORMATS: tuple[LogFormat, ...] = ("console", "json")
SECRET = "SeCrEt-of-ann"

Written = Callable[[], str]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in tuple(root.manager.loggerDict)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in tuple(root.manager.loggerDict):
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.reset_defaults()


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Written:
    """What went to standard error since the last call; nothing may go to standard output."""

    def take() -> str:
        out, err = capsys.readouterr()
        assert out == ""
        return err

    return take


def _login_that_fails(name: str, password: str) -> None:
    raise RuntimeError(f"the database said no to {name}")


def _odd_answer() -> None:
    raise ValueError("bad answer: \x1b[2J\x9b31m")


def test_a_json_log_is_one_object_a_line_with_the_time_in_utc(written: Written) -> None:
    configure_logs("json", "info")
    structlog.get_logger().info("ready", port=65432, host="127.0.0.1")
    structlog.get_logger().warning("source went away", why="two\nlines")
    first, second = map(json.loads, written().splitlines())
    assert {key: first[key] for key in ("event", "level", "port", "host")} == {
        "event": "ready",
        "level": "info",
        "port": 65432,
        "host": "127.0.0.1",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", first["timestamp"])
    assert (second["level"], second["why"]) == ("warning", "two\nlines")


def test_a_console_log_is_one_plain_line_where_there_is_no_terminal(written: Written) -> None:
    configure_logs("console", "info")
    structlog.get_logger().info("ready", port=65432)
    line = written()
    assert re.fullmatch(r"\S+Z \[info +\] ready +port=65432\n", line), line


@pytest.mark.parametrize("log_format", FORMATS)
def test_logs_of_libraries_are_written_in_the_same_format(log_format: LogFormat, written: Written) -> None:
    configure_logs(log_format, "info")
    logging.getLogger("some.library").warning("the disk is %s", "full")
    line = written()
    assert "the disk is full" in line
    if log_format == "json":
        assert json.loads(line)["level"] == "warning"
    else:
        assert "[warning" in line


@pytest.mark.parametrize("log_format", FORMATS)
def test_what_is_below_the_level_is_not_written(log_format: LogFormat, written: Written) -> None:
    configure_logs(log_format, "warning")
    structlog.get_logger().info("ready")
    logging.getLogger("some.library").info("hello")
    assert written() == ""
    structlog.get_logger().error("broken")
    assert "broken" in written()


def test_chatty_libraries_are_heard_from_their_warnings_on_even_at_debug(written: Written) -> None:
    configure_logs("console", "debug")
    logging.getLogger("sqlalchemy").debug("executing INSERT INTO users")
    logging.getLogger("asyncio").info("using a selector")
    logging.getLogger("yfinance").error("$NOPE: possibly delisted")
    assert written() == ""
    logging.getLogger("asyncio").warning("a task was destroyed")
    assert "a task was destroyed" in written()


def test_configuring_twice_writes_each_line_once(written: Written) -> None:
    configure_logs("console", "info")
    configure_logs("json", "info")
    structlog.get_logger("again").info("ready")
    assert len(written().splitlines()) == 1


# --- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("key", ["password", "token", "secret", "api_key", "password_hash", "database_url"])
def test_the_value_of_a_secret_field_is_never_written(log_format: LogFormat, key: str, written: Written) -> None:
    configure_logs(log_format, "debug")
    structlog.get_logger().info("settings", **{key: SECRET, "user": "ann"})
    line = written()
    assert SECRET not in line
    assert "ann" in line
    assert key in line


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_traceback_names_the_error_and_shows_no_local_variables(log_format: LogFormat, written: Written) -> None:
    configure_logs(log_format, "info")
    password = SECRET
    try:
        _login_that_fails("ann", password)
    except RuntimeError as error:
        structlog.get_logger().exception("a command failed unexpectedly", session="s1")
        structlog.get_logger().error("again", exc_info=error)
        logging.getLogger("asyncio").exception("a library's own")
    text = written()
    assert text.count("RuntimeError: the database said no to ann") == 3
    assert "_login_that_fails" in text
    assert SECRET not in text


# --- text from outside --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_format", FORMATS)
def test_text_from_outside_can_neither_steer_the_terminal_nor_forge_a_line(
    log_format: LogFormat, written: Written
) -> None:
    configure_logs(log_format, "info")
    hostile = "\x1b[2J\x07\nforged [info] ready\r\u202ekcatta\u2028"
    structlog.get_logger().warning("source went away", why=hostile, bare="\x1b[31m", many=(hostile,))
    structlog.get_logger().warning(hostile)
    logging.getLogger("some.library").warning("got %s", hostile)
    lines = written().removesuffix("\n").split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines), lines


def test_the_text_of_an_exception_cannot_steer_the_terminal_either(written: Written) -> None:
    configure_logs("console", "info")
    try:
        _odd_answer()
    except ValueError:
        structlog.get_logger().exception("failed")
    lines = written().splitlines()
    assert lines[-1] == r"  ValueError: bad answer: \x1b[2J\x9b31m"
    assert all(line.isprintable() for line in lines)
