"""`docs/alerts.md`: its targets are right, its body is the one that is sent, and its program verifies a signature."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from alert_messages import message
from stocktrack.alert_targets.base import Target
from stocktrack.alert_targets.command import variables
from stocktrack.alert_targets.registry import build_target
from stocktrack.alert_targets.webhook import signature
from stocktrack.clock import ManualClock
from stocktrack.config import Settings
from stocktrack.target_settings import KINDS, AnyTarget, TargetSettings, WebhookSettings

PAGE = (Path(__file__).parents[1] / "docs" / "alerts.md").read_text(encoding="utf-8")
PART = PAGE.partition("## Targets\n")[2].partition("\n## ")[0]


def block(language: str) -> str:
    """The first block of that language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PART, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def targets() -> dict[str, AnyTarget]:
    return dict(Settings.model_validate(tomllib.loads(block("toml"))).alert_targets)


def test_there_is_an_example_of_every_kind() -> None:
    assert [target.kind for target in targets().values()] == list(KINDS)


def test_the_body_is_the_one_that_is_sent() -> None:
    assert block("json").strip() == message().body().decode()


def test_the_program_verifies_what_the_target_signs() -> None:
    world: dict[str, Any] = {}
    exec(block("python"), world)  # noqa: S102 - the page is ours
    is_right = world["is_from_stocktrack"]
    phone = targets()["phone"]
    assert isinstance(phone, WebhookSettings)
    assert phone.secret is not None
    secret = phone.secret.get_secret_value()
    assert secret.encode() == world["SECRET"]
    body = message().body()
    assert is_right(body, {"X-StockTrack-Signature": signature(body, secret)})
    assert not is_right(body + b" ", {"X-StockTrack-Signature": signature(body, secret)})
    assert not is_right(body, {"X-StockTrack-Signature": signature(body, "another secret")})
    assert not is_right(body, {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_a_kind_has_its_row(kind: str) -> None:
    sections = {"webhook": "Webhook", "ntfy": "ntfy", "email": "Email", "command": "Command", "apprise": "Apprise"}
    section = PART.partition(f"### {sections[kind]}\n")[2].partition("\n### ")[0]
    listed = {
        name for cell in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    own = {field.alias or name for name, field in KINDS[kind].model_fields.items()}
    assert listed == own - set(TargetSettings.model_fields) - {"kind"}


def test_the_settings_of_all_kinds_have_theirs() -> None:
    head = PART.partition("### Webhook")[0]
    assert [name for name in TargetSettings.model_fields if f"| `{name}` |" not in head] == []


def test_how_many_are_sent_at_once_is_what_the_code_does() -> None:
    rows = {kind: int(count) for kind, count in re.findall(r"^\| `(\w+)` \| (\d+) \|", PART, re.MULTILINE)}
    built: dict[str, Target] = {}
    for name, settings in targets().items():
        one = {
            "command": {"command": ["true"]},
            "apprise": {"urls": ["json://127.0.0.1"]},
        }.get(settings.kind, {})
        built[settings.kind] = build_target(name, settings.model_copy(update=_as(settings, one)), ManualClock())
    assert rows == {kind: target.at_once for kind, target in built.items()}


def _as(settings: AnyTarget, values: dict[str, Any]) -> dict[str, Any]:
    """The values as the settings would hold them: what the examples name is not there on every machine."""
    read = type(settings).model_validate({"kind": settings.kind, **values}) if values else None
    return {name: getattr(read, name) for name in values}


def test_every_variable_of_a_command_is_named() -> None:
    section = PART.partition("### Command")[2].partition("\n### ")[0]
    named = [
        name for name in variables(message()) if f"`_{name.rpartition('_')[2]}`" in section or f"`{name}`" in section
    ]
    assert named == list(variables(message()))
