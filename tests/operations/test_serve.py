"""The flags of `serve`: each is a setting that is marked with it, and says the default that the setting has."""

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

import stocktrack.app
from server_process import environment
from stocktrack.cli import main
from stocktrack.config import Flag, Settings, settings_marked
from stocktrack.operations.serve import serve

# What stands for no one setting: where the other settings are, and a second way to say `web_port = off`.
OTHER_OPTIONS = {"--config", "--no-web"}
VALUES: dict[str, tuple[str, Any]] = {
    "host": ("localhost", "localhost"),
    "port": ("7001", 7001),
    "web_port": ("7002", 7002),
    "providers": ("simulated", ("simulated",)),
    "redis_url": ("unix:///run/redis.sock", ("unix:///run/redis.sock",)),
    "workers": ("1", 1),
}


def options_of_serve() -> dict[str, str]:
    """Each option of the command with its help."""
    found = {}
    for name, parameter in inspect.signature(serve).parameters.items():
        [option] = parameter.annotation.__metadata__
        declared = [option.default, *(option.param_decls or ())]
        found[next((each for each in declared if isinstance(each, str)), f"--{name.replace('_', '-')}")] = option.help
    return found


def test_every_setting_that_is_marked_as_a_flag_is_one_and_no_other() -> None:
    assert set(options_of_serve()) - OTHER_OPTIONS == {flag.name for flag in settings_marked(Flag).values()}


@pytest.mark.parametrize(("name", "flag"), settings_marked(Flag).items())
def test_the_help_of_a_flag_says_the_default_of_its_setting(name: str, flag: Flag) -> None:
    default = Settings.model_fields[name].default
    shown = ",".join(default) if isinstance(default, tuple) else default

    assert options_of_serve()[flag.name].endswith(f"; {shown} by default")


@pytest.mark.parametrize(("name", "flag"), settings_marked(Flag).items())
def test_a_flag_sets_its_setting(name: str, flag: Flag, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable, value in environment(tmp_path).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    text, expected = VALUES[name]
    started: list[Settings] = []
    monkeypatch.setattr(stocktrack.app, "run", lambda settings, _: started.append(settings))
    monkeypatch.setattr("stocktrack.system.logs.configure_logs", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["stocktrack", "serve", flag.name, text])

    with pytest.raises(SystemExit) as exit_:
        main()

    assert exit_.value.code == 0
    assert [getattr(settings, name) for settings in started] == [expected]
