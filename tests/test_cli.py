"""The operator's side of the `stocktrack` command: users, settings, the protocol, and how mistakes are answered."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import stocktrack.accounts.accounts
import stocktrack.system.logs
from live_server import QuickHasher
from server_process import environment
from stocktrack import __version__
from stocktrack.cli import main
from stocktrack.config import Settings
from stocktrack.messages import COMMAND_TYPES


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Stdin(io.TextIOWrapper):
    """Standard input that is a pipe with some bytes in it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


Run = Callable[..., Finished]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `stocktrack ARGUMENTS` in this process, with an empty home as the current folder."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    # The logs of this process belong to the tests, and nobody attacks their passwords.
    monkeypatch.setattr(stocktrack.system.logs, "configure_logs", lambda *_: None)
    monkeypatch.setattr(stocktrack.accounts.accounts, "Argon2Hasher", QuickHasher)

    def run(*arguments: str, stdin: bytes = b"") -> Finished:
        monkeypatch.setattr(sys, "argv", ["stocktrack", *arguments])
        monkeypatch.setattr(sys, "stdin", Stdin(stdin))
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Finished(exit_.value.code, out, err)

    return run


# --- help, version, protocol --------------------------------------------------------------------------------------


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == Finished(0, f"stocktrack {__version__}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_lists_the_commands_on_standard_output(run: Run, option: str) -> None:
    finished = run(option)
    assert (finished.code, finished.err) == (0, "")
    assert {"serve", "demo", "client", "users", "config", "protocol"} <= set(finished.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["sell"],
        ["users", "rename"],
        ["--colour"],
        ["users", "add"],
        ["demo", "--seconds", "0"],
        ["config", "show", "x"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    finished = run(*arguments)
    assert (finished.code, finished.out) == (2, "")
    assert "Usage: stocktrack" in finished.err


def test_the_schema_of_the_protocol_is_one_json_document(run: Run) -> None:
    finished = run("protocol", "--schema")
    assert (finished.code, finished.err) == (0, "")
    assert set(json.loads(finished.out)["$defs"]) >= {"command", "server_message"}


def test_the_commands_of_the_protocol_are_listed(run: Run) -> None:
    finished = run("protocol")
    assert finished.code == 0
    assert all(command in finished.out for command in COMMAND_TYPES)


def test_the_help_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.argv = ['stocktrack', '--help']\n"
        "from stocktrack.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    slow = {'yfinance', 'pandas', 'sqlalchemy', 'dotenv', 'uvloop', 'fastapi'} & set(sys.modules)\n"
        "    print(sorted(slow), file=sys.stderr)\n"
    )
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == "[]\n"


# --- users --------------------------------------------------------------------------------------------------------


def test_a_user_is_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    database = tmp_path / "data" / "stocktrack" / "stocktrack.db"
    assert run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n") == Finished(
        0, "", f"User ann was added to {database}.\n"
    )
    listed = run("users", "list")
    assert (listed.code, listed.err) == (0, "")
    name, saved, since = listed.out.rstrip("\n").split("\t")
    assert (name, saved) == ("ann", "0 saved")
    assert since.startswith("since 2")
    (row,) = json.loads(run("users", "list", "--json").out)
    assert row.items() >= {"name": "ann", "saved_count": 0}.items()
    assert run("users", "remove", "ann") == Finished(0, "", f"User ann was removed from {database}.\n")
    assert run("users", "list", "--json") == Finished(0, "[]\n", "")


def test_no_users_are_an_empty_list_and_a_hint_and_no_error(run: Run) -> None:
    finished = run("users", "list")
    assert (finished.code, finished.out) == (0, "")
    assert "stocktrack users add NAME" in finished.err


def test_a_password_on_standard_input_ends_at_its_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def add(self: object, name: str, password: str, **_: object) -> None:
        heard.append(password)

    monkeypatch.setattr("stocktrack.accounts.accounts.Accounts.add", add)
    for given in (b"p\xc3\xa4ss word \n", b"p\xc3\xa4ss word \r\nmore\n", b"p\xc3\xa4ss word "):
        assert run("users", "add", "ann", "--password-stdin", stdin=given).code == 0
    assert heard == ["päss word "] * 3


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["users", "add", "ann", "--password-stdin"], b"\n", "password"),
        (["users", "add", "ann", "--password-stdin"], b"", "password"),
        (["users", "add", "ann", "--password-stdin"], b"\xff\xfe\n", "UTF-8"),
        (["users", "add", "ann", "--password-stdin"], b"x" * 5_000 + b"\n", "1024"),
        (["users", "add", "a\nnn", "--password-stdin"], b"correct horse\n", "name"),
        (["users", "add", "", "--password-stdin"], b"correct horse\n", "name"),
        (["users", "passwd", "nobody", "--password-stdin"], b"correct horse\n", "no user 'nobody'"),
        (["users", "remove", "nobody"], b"", "no user 'nobody'"),
    ],
)
def test_what_cannot_be_done_to_users_is_a_sentence_and_exit_1(
    run: Run, arguments: list[str], stdin: bytes, says: str
) -> None:
    finished = run(*arguments, stdin=stdin)
    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("stocktrack: ")
    assert says in finished.err
    assert finished.err.count("\n") == 1
    assert "horse" not in finished.err


def test_a_name_that_is_taken_is_refused_and_the_password_stays(run: Run) -> None:
    assert run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n").code == 0
    again = run("users", "add", "ann", "--password-stdin", stdin=b"wrong horse\n")
    assert again == Finished(1, "", "stocktrack: There is a user 'ann' already.\n")


def test_without_a_terminal_the_password_must_come_on_standard_input(run: Run) -> None:
    finished = run("users", "add", "ann", stdin=b"correct horse\n")
    assert (finished.code, finished.out) == (2, "")
    assert "--password-stdin" in finished.err


def test_a_data_folder_that_cannot_be_made_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("STOCKTRACK_DATA_DIR", "file/data")
    finished = run("users", "list")
    assert finished.code == 1
    assert "data_dir = 'file/data'" in finished.err
    assert finished.err.count("\n") == 1


# --- settings -----------------------------------------------------------------------------------------------------


def test_the_settings_are_shown_with_where_they_come_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_PORT", "7000")
    Path("mine.toml").write_text("poll_interval_seconds = 7\n", encoding="utf-8")
    finished = run("config", "show", "--config", "mine.toml")
    assert (finished.code, finished.err) == (0, "")
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in finished.out.splitlines()}
    assert set(shown) == set(Settings.model_fields)
    assert shown["port"] == "7000  (environment)"
    assert shown["poll_interval_seconds"] == "7.0  (mine.toml)"
    assert shown["host"] == '"127.0.0.1"  (default)'
    as_json = json.loads(run("config", "show", "--config", "mine.toml", "--json").out)
    assert (as_json["port"], as_json["poll_interval_seconds"]) == (7000, 7.0)


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    "url", ["postgresql://ann:SeCrEt@db.example/stocktrack", "ann:SeCrEt@db.example", "://ann:SeCrEt@"]
)
def test_the_password_in_the_address_of_the_database_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, as_json: list[str]
) -> None:
    monkeypatch.setenv("STOCKTRACK_DATABASE_URL", url)
    finished = run("config", "show", *as_json)
    assert finished.code == 0
    assert "database_url" in finished.out
    assert "SeCrEt" not in finished.out + finished.err


def test_settings_that_are_right_pass_the_check(run: Run) -> None:
    assert run("config", "check") == Finished(0, "The settings are right.\n", "")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("STOCKTRACK_PORT", "99999", "port = '99999' (from environment)"),
        ("STOCKTRACK_POLL_INTERVAL_SECONDS", "soon", "poll_interval_seconds = 'soon' (from environment)"),
        ("STOCKTRACK_LOG_FORMAT", "xml", "log_format = 'xml' (from environment)"),
        ("STOCKTRACK_NEWS_FEEDS", "ftp://example.com/rss", "news_feeds"),
    ],
)
def test_a_wrong_value_is_a_sentence_that_names_the_setting_the_value_and_its_origin(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    for command in (["config", "check"], ["config", "show"], ["serve"], ["users", "list"]):
        finished = run(*command)
        assert (finished.code, finished.out) == (1, "")
        assert says in finished.err
        assert finished.err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("STOCKTRACK_PROVIDERS", "bloomberg", "'bloomberg'"),
        ("STOCKTRACK_PROVIDERS", "yahoo,simulated", "invented prices"),
        ("STOCKTRACK_DATABASE_URL", "SeCrEt", "database_url"),
        ("STOCKTRACK_DATABASE_URL", "mysql://ann:SeCrEt@db.example/x", "'mysql'"),
    ],
)
def test_the_check_finds_what_serve_would_stumble_over(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    for command in (["config", "check"], ["serve"]):
        finished = run(*command)
        assert (finished.code, finished.out) == (1, "")
        assert says in finished.err
        assert "SeCrEt" not in finished.err
        assert finished.err.count("\n") == 1


def test_a_setting_that_is_unknown_is_an_error_in_a_file_and_a_warning_in_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.toml").write_text("pot = 1\n", encoding="utf-8")
    finished = run("config", "check", "--config", "mine.toml")
    assert finished.code == 1
    assert "no setting 'pot'. Did you mean 'port'?" in finished.err
    monkeypatch.setenv("STOCKTRACK_POT", "1")
    finished = run("config", "check")
    assert (finished.code, finished.out) == (0, "The settings are right.\n")
    assert finished.err.startswith("warning: STOCKTRACK_POT is no setting")
