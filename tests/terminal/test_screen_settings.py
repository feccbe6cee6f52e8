import pytest

from stocktrack.errors import ConfigError
from stocktrack.terminal.screen_settings import Notify, ScreenSettings, load_screen_settings


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    off = {"STOCKTRACK_BELL": "no", "STOCKTRACK_NOTIFY": "off", "STOCKTRACK_HOLDINGS": "false"}

    assert load_screen_settings(environment={}) == ScreenSettings(bell=True, notify=Notify.AUTO, holdings=True)
    assert load_screen_settings(environment=off) == ScreenSettings(bell=False, notify=Notify.OFF, holdings=False)
    assert load_screen_settings(bell=True, notify=True, holdings=True, environment=off) == ScreenSettings()
    assert load_screen_settings(notify=False, environment={"STOCKTRACK_NOTIFY": "osc9"}).notify is Notify.OFF
    assert load_screen_settings(notify=True, environment={"STOCKTRACK_NOTIFY": "OSC777"}).notify is Notify.OSC777


@pytest.mark.parametrize("variable", ["STOCKTRACK_BELL", "STOCKTRACK_NOTIFY", "STOCKTRACK_HOLDINGS"])
def test_a_wrong_value_is_named(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable} = 'loud'"):
        load_screen_settings(environment={variable: "loud"})
