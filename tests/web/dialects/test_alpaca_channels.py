from typing import Any

import pytest

from stocktrack.web.dialects.alpaca_channels import NOT_OFFERED, Channels, request_of
from stocktrack.web.dialects.alpaca_messages import QUOTES, TRADES, BarKind
from stocktrack.wire.lines import BadLine


def test_a_request_has_symbols_by_channel_and_names_what_is_no_channel_here() -> None:
    request = request_of(
        {"action": "subscribe", "trades": ["aapl", "AAPL", "*"], "quotes": [], "lulds": ["AAPL"], "newz": ["MSFT"]}
    )
    assert request.wanted == {"trades": ("AAPL", "*")}
    assert (request.symbols, request.not_offered, request.unknown) == (("AAPL",), ("lulds",), ("newz",))


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_an_empty_list_of_a_channel_that_is_not_offered_asks_for_nothing(name: str) -> None:
    assert request_of({"trades": ["AAPL"], name: []}).not_offered == ()


@pytest.mark.parametrize(
    "fields",
    [
        *({}, {"trades": "AAPL"}, {"trades": None}, {"trades": [1]}, {"trades": {"AAPL": 1}}, {"trades": ["A B"]}),
        *({"trades": [""]}, {"trades": [["AAPL"]]}, {"trades": float("nan")}, {"quotes": ["**"]}),
        {"trades": ["AAPL"], "newz": 5},
    ],
)
def test_what_is_no_list_of_symbols_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadLine):
        request_of({"action": "subscribe", **fields})


def test_the_list_is_told_whole_and_in_the_order_of_the_asking() -> None:
    channels = Channels()
    channels.add({"trades": ("TSLA", "AAPL"), "bars": ("*",)}, without=())
    channels.add({"trades": ("MSFT", "NOPE"), "quotes": ("AAPL",)}, without={"NOPE"})
    channels.remove({"trades": ("TSLA", "NEVER")})
    assert channels.told() == {
        "T": "subscription",
        "trades": ["AAPL", "MSFT"],
        "quotes": ["AAPL"],
        "bars": ["*"],
        "updatedBars": [],
        "dailyBars": [],
        "statuses": [],
        "lulds": [],
        "corrections": [],
        "cancelErrors": [],
    }


def test_what_is_wanted_of_a_symbol_is_what_its_channels_and_the_asterisk_say() -> None:
    channels = Channels()
    channels.add({"trades": ("AAPL",), "quotes": ("*",), "bars": ("MSFT",)}, without=())
    assert channels.wants.of("AAPL") == TRADES | QUOTES
    assert channels.wants.of("MSFT") == channels.wants.of("TSLA") == QUOTES
    channels.remove({"quotes": ("*",)})
    assert (channels.wants.of("AAPL"), channels.wants.of("MSFT"), channels.wants_all) == (TRADES, 0, False)
    assert "MSFT" in channels


def test_a_dropped_symbol_is_in_no_channel() -> None:
    channels = Channels()
    channels.add({"trades": ("AAPL",), "quotes": ("AAPL",), "bars": ("AAPL", "MSFT")}, without=())
    channels.drop({"AAPL"})
    assert "AAPL" not in channels
    assert [*channels.bars(BarKind.MINUTE)] == ["MSFT"]
