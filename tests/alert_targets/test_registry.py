import sys
from typing import Any

import pytest

from stocktrack.alert_targets.registry import build_targets
from stocktrack.clock import ManualClock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError
from stocktrack.target_settings import KINDS

EVERY_KIND: dict[str, dict[str, Any]] = {
    "phone": {"kind": "webhook", "url": "https://hooks.example.com/x"},
    "topic": {"kind": "ntfy", "url": "https://ntfy.sh/topic"},
    "mail": {"kind": "email", "host": "mail.example.com", "from": "a@example.com", "to": "b@example.com"},
    "desk": {"kind": "command", "command": ["true"]},
    "many": {"kind": "apprise", "urls": "json://127.0.0.1"},
}


async def test_each_kind_has_its_target_under_its_name() -> None:
    targets = build_targets(Settings.model_validate({"alert_targets": EVERY_KIND}).alert_targets, ManualClock())
    assert {name: (target.name, target.kind) for name, target in targets.items()} == {
        name: (name, settings["kind"]) for name, settings in EVERY_KIND.items()
    }
    assert [target.kind for target in targets.values()] == list(KINDS)
    assert all(target.at_once >= 1 for target in targets.values())
    for target in targets.values():
        await target.close()
        await target.close()


def test_without_settings_there_is_none() -> None:
    assert build_targets(Settings().alert_targets, ManualClock()) == {}


def test_without_its_library_a_target_of_apprise_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.delitem(sys.modules, "stocktrack.alert_targets.apprise", raising=False)
    settings = Settings.model_validate({"alert_targets": {"many": EVERY_KIND["many"]}})
    with pytest.raises(ConfigError) as caught:
        build_targets(settings.alert_targets, ManualClock())
    assert str(caught.value) == (
        "alert_targets.many: the kind apprise needs the library Apprise. "
        "Install the extra: pip install '.[apprise]' in the folder of StockTrack's source."
    )
