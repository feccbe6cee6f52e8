import pytest

from stocktrack.errors import ConfigError
from stocktrack.terminal.board_choice import Order
from stocktrack.terminal.screen_settings import Notify, ScreenSettings, WrongFlagError, load_screen_settings


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    off = {"STOCKTRACK_BELL": "no", "STOCKTRACK_NOTIFY": "off", "STOCKTRACK_HOLDINGS": "false"}

    assert load_screen_settings(environment={}) == ScreenSettings(bell=True, notify=Notify.AUTO, holdings=True)
    assert load_screen_settings(environment=off) == ScreenSettings(bell=False, notify=Notify.OFF, holdings=False)
    assert load_screen_settings(bell=True, notify=True, holdings=True, environment=off) == ScreenSettings()
    assert load_screen_settings(notify=False, environment={"STOCKTRACK_NOTIFY": "osc9"}).notify is Notify.OFF
    assert load_screen_settings(notify=True, environment={"STOCKTRACK_NOTIFY": "OSC777"}).notify is Notify.OSC777


@pytest.mark.parametrize(
    "variable", ["STOCKTRACK_BELL", "STOCKTRACK_NOTIFY", "STOCKTRACK_HOLDINGS", "STOCKTRACK_MOUSE"]
)
def test_a_wrong_value_is_named(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable} = 'loud'"):
        load_screen_settings(environment={variable: "loud"})


def test_the_board_is_as_the_flags_say_or_else_the_variables() -> None:
    variables = {
        "STOCKTRACK_COLUMNS": "symbol, price",
        "STOCKTRACK_SORT": "-percent",
        "STOCKTRACK_CURRENCY": "eur",
        "STOCKTRACK_MOUSE": "off",
    }

    said = load_screen_settings(environment=variables)
    assert (said.columns, said.order, said.currency, said.mouse) == (
        ("symbol", "price"),
        Order("percent", is_reversed=True),
        "EUR",
        False,
    )
    said = load_screen_settings(columns="age", sort="name", currency="USD", mouse=True, environment=variables)
    assert (said.columns, said.order, said.currency, said.mouse) == (("age",), Order("name"), "USD", True)
    assert load_screen_settings(environment={"STOCKTRACK_COLUMNS": " "}).columns is None


@pytest.mark.parametrize("name", ["columns", "sort", "currency"])
def test_a_wrong_flag_is_wrong_use_and_a_wrong_variable_a_wrong_setting(name: str) -> None:
    with pytest.raises(WrongFlagError, match=f"--{name} loud: 'loud' is no "):
        load_screen_settings(**{name: "loud"}, environment={})  # type: ignore[arg-type]  # the three are texts
    with pytest.raises(ConfigError, match=f"STOCKTRACK_{name.upper()} = 'loud': 'loud' is no ") as told:
        load_screen_settings(environment={f"STOCKTRACK_{name.upper()}": "loud"})
    assert not isinstance(told.value, WrongFlagError)
