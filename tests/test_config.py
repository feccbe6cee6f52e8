import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stocktrack.config import LoadedSettings, Settings, load_settings
from stocktrack.errors import ConfigError
from stocktrack.system.setting_sources import ClientVariable, user_config_file


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the person who runs the tests has set for their own server stays out of the tests."""
    for variable in os.environ:
        if variable.upper().startswith("STOCKTRACK_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.chdir(tmp_path)


def written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(**arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(**arguments)
    return str(caught.value)


# --- where a value comes from ------------------------------------------------------------------------------------

SOURCES = ("flag", "environment", ".env", "--config", "own file", "default")


@pytest.mark.parametrize("strongest", SOURCES)
def test_each_source_wins_over_those_that_stand_below_it(
    strongest: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    present = SOURCES[SOURCES.index(strongest) :]
    ports = {source: 1001 + index for index, source in enumerate(SOURCES)} | {"default": 65_432}
    config_file = tmp_path / "given.toml"
    if "environment" in present:
        monkeypatch.setenv("STOCKTRACK_PORT", str(ports["environment"]))
    if ".env" in present:
        written(tmp_path / ".env", f"STOCKTRACK_PORT={ports['.env']}")
    if "--config" in present:
        written(config_file, f"port = {ports['--config']}")
    if "own file" in present:
        written(user_config_file(), f"port = {ports['own file']}")

    loaded = load_settings(
        {"port": ports["flag"]} if "flag" in present else {},
        config_file=config_file if "--config" in present else None,
    )

    origins = {
        ".env": ".env",
        "--config": str(config_file),
        "own file": str(user_config_file()),
        "default": None,
    }
    assert loaded.settings.port == ports[strongest]
    assert loaded.origins.get("port") == origins.get(strongest, strongest)


def test_each_setting_takes_its_own_way_through_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STOCKTRACK_PORT", "7001")
    config_file = written(tmp_path / "given.toml", 'port = 1\nhost = "::1"\nmax_symbols = 9')

    loaded = load_settings({"max_symbols": 3, "web_port": None}, config_file=config_file)

    assert (loaded.settings.port, loaded.settings.host, loaded.settings.max_symbols) == (7001, "::1", 3)
    assert loaded.origins == {"max_symbols": "flag", "port": "environment", "host": str(config_file)}


def test_without_any_source_there_are_the_defaults_of_the_design() -> None:
    loaded = load_settings()

    settings = loaded.settings
    assert loaded == LoadedSettings(settings, {}, ())
    assert (settings.host, settings.port, settings.providers) == ("127.0.0.1", 65_432, ("yahoo", "rss"))
    assert (settings.push_interval_seconds, settings.poll_interval_seconds, settings.provider_timeout_seconds) == (
        5,
        5,
        10,
    )
    assert (settings.simulated_interval_seconds, settings.simulated_seed, settings.heartbeat_seconds) == (1, None, 30)
    assert (settings.auth_timeout_seconds, settings.slow_client_timeout_seconds) == (30, 10)
    assert (settings.max_line_bytes, settings.max_symbols, settings.max_sessions) == (32_768, 500, 20_000)
    assert (settings.max_sessions_per_user, settings.max_sessions_per_address) == (0, 0)
    assert (settings.commands_per_second, settings.command_burst, settings.login_failures_per_minute) == (50, 200, 30)
    assert settings.database == f"sqlite:///{settings.data_dir / 'stocktrack.db'}"


def test_a_flag_that_was_not_given_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_HOST", "localhost")

    assert load_settings({"host": None}).settings.host == "localhost"


def test_settings_cannot_be_changed() -> None:
    settings = load_settings().settings

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that it cannot be written is what is tested

    assert settings.port == 65_432


def test_settings_read_nothing_behind_the_back_of_load_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_PORT", "7001")

    assert Settings().port == 65_432


# --- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["yahoo,rss", "yahoo, rss", "yahoo rss", " yahoo ,rss, ", "yahoo,rss,yahoo"])
def test_a_list_in_the_environment_is_parted_by_commas_or_spaces(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", text)

    assert load_settings().settings.providers == ("yahoo", "rss")


def test_a_list_in_a_file_or_a_flag_may_be_a_list_or_one_text(tmp_path: Path) -> None:
    as_list = written(tmp_path / "list.toml", 'providers = ["simulated", "rss"]')
    as_text = written(tmp_path / "text.toml", 'providers = "simulated,rss"')

    assert load_settings(config_file=as_list).settings.providers == ("simulated", "rss")
    assert load_settings(config_file=as_text).settings.providers == ("simulated", "rss")
    assert load_settings({"providers": "simulated,rss"}).settings.providers == ("simulated", "rss")


def test_no_source_at_all_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", " , ")
    assert complaint() == (
        "providers = ' , ' (from environment): must name a source, such as yahoo, or several in their order."
    )


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("finnhub_ws_url", "wss:// or ws://"),
        ("finnhub_rest_url", "https:// or http://"),
        ("openalgo_url", "wss:// or ws:// or https:// or http://"),
    ],
)
def test_an_address_without_a_scheme_is_told_which_there_are(
    monkeypatch: pytest.MonkeyPatch, name: str, begins: str
) -> None:
    monkeypatch.setenv(f"STOCKTRACK_{name.upper()}", "127.0.0.1:8765")
    assert complaint() == (
        f"{name} = '127.0.0.1:8765' (from environment): must be an address that begins with {begins}."
    )


def test_news_feeds_are_web_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_NEWS_FEEDS", "https://example.com/a.xml,http://example.com/b.xml")
    assert load_settings().settings.news_feeds == ("https://example.com/a.xml", "http://example.com/b.xml")

    monkeypatch.setenv("STOCKTRACK_NEWS_FEEDS", "https://example.com/a.xml,ftp://example.com/b.xml")
    assert complaint() == (
        "news_feeds = 'ftp://example.com/b.xml' (from environment): "
        "'ftp://example.com/b.xml' is not an http(s) address."
    )


def test_the_feed_of_a_symbol_is_an_address_that_says_where_the_symbol_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().settings.symbol_news_feed is None
    for address in ("https://example.com/rss?s={symbol}", "http://127.0.0.1:8080/{symbol}/rss.xml?of={symbol}"):
        monkeypatch.setenv("STOCKTRACK_SYMBOL_NEWS_FEED", address)
        assert load_settings().settings.symbol_news_feed == address
    monkeypatch.setenv("STOCKTRACK_SYMBOL_NEWS_FEED", "off")
    assert load_settings().settings.symbol_news_feed is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://example.com/rss", "must say where the symbol goes"),
        ("https://example.com/rss#{symbol}", "must say where the symbol goes"),
        ("https://{symbol}.example.com/rss", "must say where the symbol goes"),
        ("https://{symbol}@example.com/{symbol}", "must say where the symbol goes"),
        ("https://example.com/{SYMBOL}", "must say where the symbol goes"),
        ("https://example.com/{symbol}/{exchange}", "must have no braces but those of {symbol}"),
        ("ftp://example.com/{symbol}", "is not an http(s) address"),
        ("{symbol}", "is not an http(s) address"),
        ("https://example.com:99999/{symbol}", "is not an http(s) address"),
        ("https://[::1/{symbol}", "is not an http(s) address"),
    ],
)
def test_another_address_of_a_symbols_feed_is_refused(monkeypatch: pytest.MonkeyPatch, address: str, why: str) -> None:
    monkeypatch.setenv("STOCKTRACK_SYMBOL_NEWS_FEED", address)

    told = complaint()

    assert told.startswith(f"symbol_news_feed = {address!r} (from environment): ")
    assert why in told


# --- what is wrong is named --------------------------------------------------------------------------------------


def test_a_wrong_value_names_the_setting_the_value_and_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config_file = written(tmp_path / "given.toml", "port = 70000")
    assert complaint(config_file=config_file) == (
        f"port = 70000 (from {config_file}): should be less than or equal to 65535."
    )

    written(tmp_path / ".env", "STOCKTRACK_PORT=http")
    assert complaint().startswith("port = 'http' (from .env): should be a valid integer")

    monkeypatch.setenv("STOCKTRACK_PORT", "")
    assert complaint().startswith("port = '' (from environment): should be a valid integer")

    assert complaint(flags={"port": -1}) == "port = -1 (from flag): should be greater than or equal to 0."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("poll_interval_seconds", "0"), ("poll_interval_seconds", "nan"), ("heartbeat_seconds", "inf")),
        *(("push_interval_seconds", "0.05"), ("push_interval_seconds", "3601"), ("max_line_bytes", "10")),
        *(("log_format", "xml"), ("event_loop", "trio"), ("simulated_seed", "x"), ("providers", ","), ("host", "")),
        *(
            ("commands_per_second", "-1"),
            ("max_symbols", "0"),
            ("display_currency", "GBp"),
            ("display_currency", "GBX"),
            ("display_currency", "eur"),
            ("provider_timeout_seconds", "ten"),
        ),
    ],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"STOCKTRACK_{name.upper()}", value)

    assert complaint().startswith(f"{name} = ")
    assert "(from environment): " in complaint()


def test_a_typing_error_in_a_file_is_named_with_what_was_meant(tmp_path: Path) -> None:
    config_file = written(tmp_path / "given.toml", "poll_intervall_seconds = 5")

    assert complaint(config_file=config_file) == (
        f"{config_file}: there is no setting 'poll_intervall_seconds'. Did you mean 'poll_interval_seconds'?"
    )


def test_a_setting_that_is_like_no_other_has_no_suggestion(tmp_path: Path) -> None:
    config_file = written(tmp_path / "given.toml", "[colour]\nred = 1")

    assert complaint(config_file=config_file) == f"{config_file}: there is no setting 'colour'."


def test_a_flag_that_is_no_setting_is_refused() -> None:
    assert complaint(flags={"prot": 1}) == "There is no setting 'prot'. Did you mean 'port'?"


def test_a_config_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    assert complaint(config_file=missing) == f"--config {missing}: there is no such file."
    assert complaint(config_file=tmp_path) == f"--config {tmp_path}: there is no such file."


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("port = ", id="no value"),
        pytest.param("port: 5", id="YAML"),
        pytest.param("port = 1\nport = 2", id="twice"),
        pytest.param(b'host = "\xff"', id="not UTF-8"),
        pytest.param(b"\x00", id="NUL"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str | bytes) -> None:
    config_file = written(tmp_path / "given.toml", text)

    assert complaint(config_file=config_file).startswith(f"{config_file} is not TOML: ")


def test_the_users_own_file_is_held_to_the_same_rules(tmp_path: Path) -> None:
    own_file = written(user_config_file(), "prot = 5")

    assert complaint() == f"{own_file}: there is no setting 'prot'. Did you mean 'port'?"


# --- the allowlist -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_an_allowlist_is_fine_on_loopback(host: str) -> None:
    settings = load_settings({"host": host, "allowlist": "ann, bob"}).settings

    assert (settings.allowlist, settings.is_loopback) == (("ann", "bob"), True)


def test_public_names_are_names_in_one_spelling() -> None:
    settings = load_settings({"public_names": "Quotes.Example., stocks.example 192.0.2.1"}).settings
    assert settings.public_names == ("quotes.example", "stocks.example", "192.0.2.1")


@pytest.mark.parametrize(
    "name", ["https://quotes.example", "quotes.example:8080", "quotes.example/x", "*", "a..b", "*.example"]
)
def test_a_public_name_that_is_none_is_told_with_what_would_be_right(name: str) -> None:
    with pytest.raises(ConfigError, match="without https:// and without a port") as caught:
        load_settings({"public_names": name})
    assert "public_names" in str(caught.value)


def test_trusted_proxies_are_addresses_and_networks() -> None:
    settings = load_settings({"trusted_proxies": "127.0.0.1, 10.0.0.0/8 2001:DB8::/32"}).settings
    assert settings.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")


@pytest.mark.parametrize("network", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "*", "127.0.0.1:80"])
def test_a_trusted_proxy_that_is_no_address_and_no_network_is_told(network: str) -> None:
    with pytest.raises(ConfigError, match="not an address or a network such as") as caught:
        load_settings({"trusted_proxies": network})
    assert "trusted_proxies" in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104 - not bound here
def test_an_allowlist_on_a_network_has_to_be_forced(host: str) -> None:
    with pytest.raises(ConfigError, match="set allowlist_force = true") as caught:
        load_settings({"host": host, "allowlist": "ann"})
    assert host in str(caught.value)

    assert load_settings({"host": host, "allowlist": "ann", "allowlist_force": True}).settings.allowlist == ("ann",)
    assert not load_settings({"host": host}).settings.is_loopback


def test_a_name_on_the_allowlist_that_nobody_can_have_is_named() -> None:
    with pytest.raises(ConfigError, match=r"allowlist: 'a.*' cannot be a user's name"):
        load_settings({"allowlist": ("a" * 65,)})


# --- the environment and .env ------------------------------------------------------------------------------------


def test_an_unknown_variable_is_a_warning_with_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_PROT", "5")

    loaded = load_settings()

    assert loaded.settings.port == 65_432
    assert loaded.warnings == ("STOCKTRACK_PROT is no setting and is ignored. Did you mean 'port'?",)


def test_a_warning_does_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_PASSWROD", "correct horse")

    (warning,) = load_settings().warnings

    assert "correct horse" not in warning


@pytest.mark.parametrize("variable", sorted(ClientVariable))
def test_what_the_clients_read_is_no_warning(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "x")

    assert load_settings().warnings == ()


def test_an_env_file_may_hold_the_variables_of_others(tmp_path: Path) -> None:
    written(tmp_path / ".env", "PORT=1\nhost=example.com\nPOSTGRES_PASSWORD=x\nexport STOCKTRACK_PORT=7001 # ours\n")

    loaded = load_settings()

    assert loaded.settings.port == 7001
    assert loaded.origins == {"port": ".env"}
    assert loaded.warnings == ()


def test_an_unknown_variable_of_ours_in_an_env_file_is_a_warning_too(tmp_path: Path) -> None:
    written(tmp_path / ".env", "STOCKTRACK_PROT=5\nSTOCKTRACK_PASSWORD=x")

    assert load_settings().warnings == ("STOCKTRACK_PROT is no setting and is ignored. Did you mean 'port'?",)


def test_an_env_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    written(tmp_path / ".env", b"STOCKTRACK_HOST=\xff")

    assert complaint() == ".env is not UTF-8: invalid start byte at byte 16."


def test_an_env_file_written_on_windows_is_read(tmp_path: Path) -> None:
    written(tmp_path / ".env", "\ufeffSTOCKTRACK_PORT=7001\r\nSTOCKTRACK_HOST=localhost\r\n")

    settings = load_settings().settings

    assert (settings.port, settings.host) == (7001, "localhost")


def test_every_setting_says_what_it_is_for() -> None:
    without = [name for name, field in Settings.model_fields.items() if not field.description]

    assert without == []


# --- settings of sources that others wrote ----------------------------------------------------------------------------


def test_the_settings_of_a_source_come_together_from_all_places_the_strongest_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path(".env").write_text("STOCKTRACK_SOURCES__ACME__API_KEY=from-env-file\nSTOCKTRACK_SOURCES__ACME__PLAN=free\n")
    config = written(tmp_path / "a.toml", '[sources.acme]\nplan = "paid"\nretries = 3\n[sources.other]\nx = 1\n')
    monkeypatch.setenv("STOCKTRACK_SOURCES__ACME__API_KEY", "from-environment")
    loaded = load_settings(config_file=config)
    assert loaded.settings.sources == {
        "acme": {"api_key": "from-environment", "plan": "free", "retries": 3},
        "other": {"x": 1},
    }
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    ("variable", "where"), [("STOCKTRACK_SOURCES", "sources"), ("STOCKTRACK_SOURCES__ACME", "sources.acme")]
)
def test_a_setting_of_a_source_that_stands_in_no_table_is_told_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, where: str
) -> None:
    monkeypatch.setenv(variable, "SeCrEt")
    with pytest.raises(ConfigError, match=rf"^{where} \(from environment\): each source has a table") as caught:
        load_settings()
    assert "SeCrEt" not in str(caught.value)


@pytest.mark.parametrize("name", ["STOCKTRACK_FEEDS__ACME", "STOCKTRACK_SOURCES__", "STOCKTRACK_SOURCES____X"])
def test_a_variable_with_two_underscores_that_leads_to_no_setting_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    [warning] = load_settings().warnings
    assert warning.startswith(f"{name} is no setting and is ignored.")


def test_the_settings_of_sources_are_not_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_SOURCES__ACME__API_KEY", "SeCrEt")
    assert "SeCrEt" not in repr(load_settings().settings)


# --- the addresses of other programs ---


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("redis_url", "localhost:6379", "must be an address that begins with redis:// or rediss:// or unix://"),
        ("redis_url", "unix://redis.sock", "must name a socket by its whole path, as unix:///run/redis/redis.sock"),
        ("redis_url", "redis://a:6379,b:6379", "must be addresses that each begin with redis:// or rediss://"),
        ("redis_url", "redis://a, http://b", "redis_url = 'http://b' (from flag): must be an address that begins with"),
        ("redis_url", "redis://a redis://b redis://a", "must not name an address twice"),
        ("redis_url", [], "must name a Redis"),
        ("kafka_url", "kafka://127.0.0.1:9092", "must end with the name of a topic, as kafka://localhost:9092/quotes"),
        ("publish_to", "ftp://host/x", "must begin with one of redis://, rediss://, unix://, kafka://, file://"),
        ("publish_to", "file://ticks.csv", "must name a file by its whole path"),
        ("replay_speed", "0", "greater than 0"),
    ],
)
def test_an_address_that_is_none_is_refused_in_a_sentence(name: str, value: object, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        load_settings({name: value}, env_file=tmp_path / "none", user_file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("redis://a:1", ("redis://a:1",)),
        ("redis://a:1,redis://b:2", ("redis://a:1", "redis://b:2")),
        (" redis://a:1 , rediss://b:2\nunix:///run/r.sock, ", ("redis://a:1", "rediss://b:2", "unix:///run/r.sock")),
        (["redis://a:1", "redis://b:2"], ("redis://a:1", "redis://b:2")),
        ("redis://:a,b@h:1,redis://h:2", ("redis://:a,b@h:1", "redis://h:2")),
    ],
)
def test_redis_may_be_several_addresses_in_their_order(
    value: object, addresses: tuple[str, ...], tmp_path: Path
) -> None:
    settings = load_settings({"redis_url": value}, user_file=tmp_path / "none.toml").settings
    assert (settings.redis_url, settings.redis_home) == (addresses, addresses[0])


@pytest.mark.parametrize(
    "wrong", ["redis://:SeCrEt@a redis://:SeCrEt@a", "redis://:SeCrEt@a http://:SeCrEt@b/?x=SeCrEt"]
)
def test_no_complaint_about_one_of_several_redis_tells_its_password(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings({"redis_url": wrong}, user_file=tmp_path / "none.toml")
    assert "SeCrEt" not in str(error.value)


@pytest.mark.parametrize("source", ["redis://a:1", "redis://b:2"])
def test_a_source_of_several_redis_is_published_to_at_none_of_them(source: str, tmp_path: Path) -> None:
    flags = {"providers": "redis", "redis_url": "redis://a:1 redis://b:2", "publish_to": source}
    with pytest.raises(ConfigError, match="what is published there would come back for ever"):
        load_settings(flags, user_file=tmp_path / "none.toml")


def test_no_complaint_about_a_way_out_tells_its_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings({"publish_to": "ftp://me:SeCrEt@host/x?key=SeCrEt"}, user_file=tmp_path / "none.toml")
    assert "SeCrEt" not in str(error.value)
