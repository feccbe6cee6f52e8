"""`stocktrack config …`, and what a wrong setting does to every command that reads the settings."""

import json
from pathlib import Path

import pytest

from command_line import Finished, Run
from installed_package import install
from stocktrack.config import Settings


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


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_no_password_of_several_redis_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch, as_json: list[str]) -> None:
    monkeypatch.setenv("STOCKTRACK_REDIS_URL", "redis://:SeCrEt@a:1 redis://u:SeCrEt@b:2?x=SeCrEt")
    finished = run("config", "show", *as_json)
    assert finished.code == 0
    assert "redis://:***@a:1" in finished.out
    assert "redis://u:***@b:2?***" in finished.out
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
        ("STOCKTRACK_SYMBOLS_FILE", "none.csv", "symbols_file = 'none.csv' cannot be read: No such file or directory."),
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


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_the_settings_of_sources_are_shown_by_their_names(
    run: Run, monkeypatch: pytest.MonkeyPatch, as_json: list[str]
) -> None:
    monkeypatch.setenv("STOCKTRACK_SOURCES__ACME__API_KEY", "SeCrEt")
    finished = run("config", "show", *as_json)
    assert finished.code == 0
    assert "api_key" in finished.out
    assert "SeCrEt" not in finished.out + finished.err


def test_the_check_tells_what_is_wrong_with_a_source_of_an_installed_package(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(tmp_path / "site", "acme-quotes", {"checked_acme": "import no_such_library"}, {"acme": "checked_acme:Acme"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "acme")
    for command in (["config", "check"], ["serve"]):
        finished = run(*command)
        assert (finished.code, finished.out) == (1, "")
        assert (
            "the package acme-quotes 1.2 offers this source, and checked_acme:Acme cannot be imported" in finished.err
        )
        assert finished.err.count("\n") == 1


def test_the_check_warns_of_what_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_SOURCES__ACME__API_KEY", "SeCrEt")
    warning = "warning: sources.acme is ignored: providers does not name acme.\n"
    assert run("config", "check") == Finished(0, "The settings are right.\n", warning)


@pytest.mark.parametrize(
    ("source", "variables", "says"),
    [
        ("finnhub", {}, "finnhub needs a key: set STOCKTRACK_FINNHUB_API_KEY"),
        ("openalgo", {}, "openalgo needs a key: set STOCKTRACK_OPENALGO_API_KEY"),
        ("finnhub", {"FINNHUB_API_KEY": "SeC rEt"}, "finnhub_api_key holds no key"),
        (
            "openalgo",
            {"STOCKTRACK_OPENALGO_API_KEY_FILE": "missing"},
            "openalgo_api_key_file = 'missing' cannot be read",
        ),
    ],
)
def test_the_check_warns_of_a_source_that_will_be_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, source: str, variables: dict[str, str], says: str
) -> None:
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", f"{source},rss")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    finished = run("config", "check")
    assert finished.code == 0
    assert finished.err.startswith("warning: ")
    assert says in finished.err
    assert "SeC rEt" not in finished.err


def test_the_check_warns_of_what_a_source_of_an_installed_package_finds(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = """
from stocktrack.errors import SourceUnusable
from stocktrack.providers.base import QUESTION, QuoteAnswer, Source

class Acme(Source):
    name = "acme"
    symbols_a_request = 100

    def __init__(self, settings, clock):
        pass

    def check_settings(self):
        raise SourceUnusable("acme needs a key: set sources.acme.api_key.")

    async def quotes(self, symbols, errand=QUESTION):
        return QuoteAnswer()
"""
    install(tmp_path / "site", "acme-quotes", {"keyless_acme": code}, {"acme": "keyless_acme:Acme"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "acme")
    warning = "warning: acme needs a key: set sources.acme.api_key.\n"
    assert run("config", "check") == Finished(0, "The settings are right.\n", warning)


# --- targets of alerts ------------------------------------------------------------------------------------------------


def test_the_secrets_of_targets_are_not_shown(run: Run) -> None:
    Path("mine.toml").write_text(
        "[alert_targets.phone]\nkind = 'webhook'\n"
        "url = 'https://u:SeCrEt@hooks.example/SeCrEt'\nsecret = 'SeCrEt-more'\n",
        encoding="utf-8",
    )
    for command in (["show"], ["show", "--json"]):
        finished = run("config", *command, "--config", "mine.toml")
        assert finished.code == 0
        assert "https://hooks.example/***" in finished.out
        assert "SeCrEt" not in finished.out + finished.err


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("kind = 'webhook'", "alert_targets.phone.url (from mine.toml): is missing."),
        (
            "kind = 'webhook'\nurl = 'hooks.example/SeCrEt'",
            "alert_targets.phone.url (from mine.toml): must be an address that begins with https:// or http://.",
        ),
        (
            "kind = 'command'\ncommand = ['no-such-program-here']",
            "alert_targets.phone.command: 'no-such-program-here' is no program on PATH.",
        ),
        (
            "kind = 'apprise'\nurls = 'nonsense://SeCrEt'",
            "alert_targets.phone.urls: Apprise cannot use number 1 of them",
        ),
    ],
)
def test_a_wrong_target_is_a_sentence_of_the_check(run: Run, target: str, says: str) -> None:
    Path("mine.toml").write_text(f"[alert_targets.phone]\n{target}\n", encoding="utf-8")
    finished = run("config", "check", "--config", "mine.toml")
    assert (finished.code, finished.out) == (1, "")
    assert says in finished.err
    assert finished.err.count("\n") == 1
    assert "SeCrEt" not in finished.err
