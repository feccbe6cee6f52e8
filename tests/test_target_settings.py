import json
import os
from pathlib import Path

import pytest

from stocktrack.config import Settings, load_settings
from stocktrack.errors import ConfigError
from stocktrack.target_settings import CommandSettings, EmailSettings, NtfySettings, TargetSettings, WebhookSettings

WEBHOOK = 'kind = "webhook"\nurl = "https://example.com/"\n'
EMAIL = 'kind = "email"\nhost = "mail.example.com"\nfrom = "a@example.com"\nto = "b@example.com"\n'
NTFY = 'kind = "ntfy"\nurl = "https://ntfy.sh/topic"\n'


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in os.environ:
        if variable.upper().startswith("STOCKTRACK_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.chdir(tmp_path)


def loaded(text: str) -> Settings:
    path = Path("a.toml")
    path.write_text(text, encoding="utf-8")
    return load_settings(config_file=path).settings


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return str(caught.value)


def test_a_table_is_a_target_of_its_kind() -> None:
    targets = loaded(
        f"[alert_targets.phone]\n{WEBHOOK}secret = 'longenough'\nusers = ['ann']\ntimeout_seconds = 3\n"
        f"[alert_targets.'My desk']\nkind = 'command'\ncommand = ['notify-send', 'Stock Track']\n"
        f"[alert_targets.mail]\n{EMAIL}"
    ).alert_targets
    phone, desk, mail = targets["phone"], targets["My desk"], targets["mail"]
    assert isinstance(phone, WebhookSettings)
    assert phone.url.get_secret_value() == "https://example.com/"
    assert (phone.users, phone.timeout_seconds) == (("ann",), 3)
    assert isinstance(desk, CommandSettings)
    assert (desk.command, desk.users, desk.timeout_seconds) == (("notify-send", "Stock Track"), (), 10)
    assert isinstance(mail, EmailSettings)
    assert (mail.sender, mail.to, mail.tls, mail.port_used) == ("a@example.com", ("b@example.com",), "starttls", 587)


def test_a_target_may_be_written_in_variables_and_a_secret_beside_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PHONE__SECRET": "from-the-environment",
        "PHONE__USERS": "ann, bob",
        "DESK__KIND": "command",
        "DESK__COMMAND": "notify-send 'Stock Track' ; rm",
        "LIST__KIND": "command",
        "LIST__COMMAND": '["echo", "a b"]',
        "MANY__KIND": "apprise",
        "MANY__URLS": "json://a/x,y, ntfy://topic",
        "MAIL__TO": "a@example.com, Ann <b@example.com>",
    }.items():
        monkeypatch.setenv(f"STOCKTRACK_ALERT_TARGETS__{name}", value)
    targets = loaded(f"[alert_targets.phone]\n{WEBHOOK}[alert_targets.mail]\n{EMAIL}").alert_targets
    phone = targets["phone"]
    assert isinstance(phone, WebhookSettings)
    assert phone.secret is not None
    assert (phone.secret.get_secret_value(), phone.users) == ("from-the-environment", ("ann", "bob"))
    commands = [each.command for each in targets.values() if isinstance(each, CommandSettings)]
    assert sorted(commands) == [("echo", "a b"), ("notify-send", "Stock Track", ";", "rm")]
    mail = targets["mail"]
    assert isinstance(mail, EmailSettings)
    assert mail.to == ("a@example.com", "Ann <b@example.com>")
    assert [url.get_secret_value() for url in getattr(targets["many"], "urls", ())] == ["json://a/x,y", "ntfy://topic"]


@pytest.mark.parametrize(("users", "ann", "bob"), [((), True, True), (("ann",), True, False)])
def test_a_target_is_for_whom_it_names_and_without_names_for_everybody(
    users: tuple[str, ...], ann: bool, bob: bool
) -> None:
    target = TargetSettings(users=users)
    assert (target.is_for("ann"), target.is_for("bob")) == (ann, bob)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alert_targets = 'phone'", "alert_targets (from a.toml): each target has a table of its own"),
        ("[[alert_targets]]\nkind = 'webhook'", "alert_targets (from a.toml): each target has a table of its own"),
        (f"[alert_targets]\n{WEBHOOK}", "alert_targets.kind (from a.toml): each target has a table of its own"),
        (f"[alert_targets.' x']\n{WEBHOOK}", "' x' is no name of a target: it must have 1 to 64 printable"),
        (f"[alert_targets.'']\n{WEBHOOK}", "'' is no name of a target"),
        (f"[alert_targets.'{'x' * 65}']\n{WEBHOOK}", "is no name of a target"),
        ("[alert_targets.p]\nurl = 's3cr3t'", "alert_targets.p.kind (from a.toml): is missing: it must be one of web"),
        ("[alert_targets.p]\nkind = 'sms'", "alert_targets.p.kind (from a.toml): is 'sms' and must be one of webhook"),
        ("[alert_targets.p]\nkind = 'webhook'", "alert_targets.p.url (from a.toml): is missing."),
        ("[alert_targets.p]\nkind = 'webhook'\nurll = 's3cr3t'", "has no setting 'urll'. Did you mean 'url'?"),
        (
            f"[alert_targets.p]\n{WEBHOOK}secrett = 's3cr3t'",
            "alert_targets.p (from a.toml): a target of the kind webhook has no setting 'secrett'. Did you mean 'sec",
        ),
        (
            f"[alert_targets.p]\n{EMAIL}sender = 's3cr3t'",
            "has no setting 'sender'. It has users, timeout_s",
        ),
        (
            f"[alert_targets.p]\n{WEBHOOK}secret = 's3cr3t'",
            "alert_targets.p.secret (from a.toml): must have at least 8",
        ),
        (
            f"[alert_targets.p]\n{WEBHOOK}timeout_seconds = 0",
            "alert_targets.p.timeout_seconds = 0 (from a.toml): shoul",
        ),
        (f"[alert_targets.p]\n{WEBHOOK}timeout_seconds = inf", "alert_targets.p.timeout_seconds = inf"),
        (f"[alert_targets.p]\n{WEBHOOK}timeout_seconds = 1e9", "should be less than or equal to 120"),
        (f"[alert_targets.p]\n{WEBHOOK}users = [3]", "alert_targets.p.users = 3 (from a.toml): must be text"),
        ("[alert_targets.p]\nkind = 'webhook'\nurl = 'ftp://s3cr3t/'", "begins with https:// or http://"),
        ("[alert_targets.p]\nkind = 'webhook'\nurl = 'http://u:s3cr3t/x@h/'", "a port from 1 to 65535 if any"),
        ("[alert_targets.p]\nkind = 'webhook'\nurl = 'http://[s3cr3t/'", "a host's name or address behind ://"),
        ("[alert_targets.p]\nkind = 'webhook'\nurl = 'http://h:0/s3cr3t'", "a port from 1 to 65535 if any"),
        ('[alert_targets.p]\nkind = "webhook"\nurl = "http://h/s3cr3t\\r\\nX: y"', "begins with https:// or http://"),
        ("[alert_targets.p]\nkind = 'webhook'\nurl = ['s3cr3t']", "must be text in quotation marks"),
        ("[alert_targets.p]\nkind = 'ntfy'\nurl = 'https://ntfy.sh/'", "must end with the topic"),
        ("[alert_targets.p]\nkind = 'ntfy'\nurl = 'https://ntfy.sh/s3cr3t?auth=x'", "without anything after ? or #"),
        (f"[alert_targets.p]\n{NTFY}priority = 9", "alert_targets.p.priority = 9 (from a.toml): should be less"),
        (
            f"[alert_targets.p]\n{NTFY}token = 's3cr3t'\nusername = 'x'\npassword = 'y'",
            "must have either token or",
        ),
        (f"[alert_targets.p]\n{NTFY}username = 'x'", "must have both username and password, or neither"),
        (f"[alert_targets.p]\n{NTFY}username = 'x:y'\npassword = 's3cr3t'", "without a colon"),
        (f'[alert_targets.p]\n{NTFY}token = "s3cr3t\\r\\nX: y"', "must be plain characters"),
        (f"[alert_targets.p]\n{EMAIL}password = 's3cr3t'", "must have both username and password, or neither"),
        (f"[alert_targets.p]\n{EMAIL}port = 0", "alert_targets.p.port = 0 (from a.toml)"),
        (f"[alert_targets.p]\n{EMAIL}tls = 'ssl'", "alert_targets.p.tls = 'ssl' (from a.toml): should be 'starttls'"),
        (
            EMAIL.replace("mail.example.com", "mail.example.com:25").join(["[alert_targets.p]\n", ""]),
            "its port has",
        ),
        (EMAIL.replace("a@", "a").join(["[alert_targets.p]\n", ""]), "alert_targets.p.from = 'aexample.com' (from a."),
        (EMAIL.replace("b@", "b\\r\\nBcc: c@").join(["[alert_targets.p]\n", ""]), "must be an address of email"),
        (
            EMAIL.replace('"b@example.com"', "[]").join(["[alert_targets.p]\n", ""]),
            "alert_targets.p.to (from a.toml)",
        ),
        ("[alert_targets.p]\nkind = 'command'\ncommand = []", "must name a program and its arguments"),
        ("[alert_targets.p]\nkind = 'command'\ncommand = [1]", "must be text in quotation marks"),
        ("[alert_targets.p]\nkind = 'command'\ncommand = \"x 's3cr3t\"", "a second quotation mark"),
        ("[alert_targets.p]\nkind = 'command'\ncommand = '[s3cr3t'", "must be a list such as"),
        ("[alert_targets.p]\nkind = 'apprise'\nurls = []", "alert_targets.p.urls (from a.toml): must not be empty."),
        ("[alert_targets.p]\nkind = 'apprise'\nurls = ['s3cr3t']", "must be addresses of Apprise"),
    ],
)
def test_a_wrong_target_is_a_sentence_that_names_the_setting_and_no_secret(text: str, says: str) -> None:
    said = complaint(text)
    assert says in said
    assert "s3cr3t" not in said
    assert said.endswith((".", "?"))
    assert "\n" not in said


SECRETS = """
[alert_targets.phone]
kind = "webhook"
url = "https://user:s3cr3t@hooks.example.com:8443/s3cr3t?key=s3cr3t"
secret = "s3cr3t-signing"
[alert_targets.topic]
kind = "ntfy"
url = "https://ntfy.example/s3cr3t"
token = "tk_s3cr3t"
[alert_targets.mail]
kind = "email"
host = "mail.example.com"
username = "me"
password = "s3cr3t"
from = "a@example.com"
to = "b@example.com"
[alert_targets.desk]
kind = "command"
command = ["notify-send", "--key", "s3cr3t"]
[alert_targets.many]
kind = "apprise"
urls = ["tgram://s3cr3t/123", "JSON://u:s3cr3t@localhost/s3cr3t"]
"""


def test_what_may_be_a_secret_is_shown_nowhere() -> None:
    settings = loaded(SECRETS)
    written = settings.model_dump(mode="json")["alert_targets"]
    assert written["phone"]["url"] == "https://hooks.example.com:8443/***"
    assert written["topic"]["url"] == "https://ntfy.example/***"
    assert written["many"]["urls"] == ["tgram://***", "json://***"]
    assert written["desk"]["command"] == ["notify-send", "***", "***"]
    assert (written["mail"]["password"], written["mail"]["from"]) == ("***", "a@example.com")
    for shown in (json.dumps(written), repr(settings), str(settings.alert_targets), settings.model_dump_json()):
        assert "s3cr3t" not in shown


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_of_email_follows_from_tls(tls: str, port: int) -> None:
    mail = loaded(f"[alert_targets.mail]\n{EMAIL}tls = '{tls}'").alert_targets["mail"]
    assert isinstance(mail, EmailSettings)
    assert mail.port_used == port


def test_an_empty_secret_of_a_compose_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_ALERT_TARGETS__TOPIC__TOKEN", "")
    topic = loaded(f"[alert_targets.topic]\n{NTFY}").alert_targets["topic"]
    assert isinstance(topic, NtfySettings)
    assert topic.token is None


@pytest.mark.parametrize(
    ("written", "read"), [("~/ca.pem", "/home/ann/ca.pem"), ("~nobody-of-that-name/ca.pem", None), (" ", "")]
)
def test_a_file_of_the_home_folder_is_found_there_and_of_nobodys_is_as_written(
    monkeypatch: pytest.MonkeyPatch, written: str, read: str | None
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    hook = loaded(f"[alert_targets.phone]\n{WEBHOOK}ca_file = '{written}'").alert_targets["phone"]
    assert isinstance(hook, WebhookSettings)
    assert str(hook.ca_file or "") == (written if read is None else read)
