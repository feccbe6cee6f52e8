"""The configuration of ticker, as its own documentation shows it with other figures; and what is wrong in one."""

from pathlib import Path

import pytest

from stocktrack.commands.ticker_file import MAX_ENTRIES, MAX_FILE_BYTES, BadFile, FileLot, TickerFile, read_ticker_file

# Every field that it documents for lots and watch lists, and some of the others.
DOCUMENTED = """\
# ~/.ticker.yaml
show-summary: true
show-tags: true
show-positions: true
interval: 5
currency: EUR
currency-summary-only: false
watchlist:
  - MSFT
  - ESTC # a comment
  - BTC-USD
  - SOL.X
  - BIT-30MAY25-CDE.CB
lots:
  - symbol: "AAPL"
    quantity: 35.0
    unit_cost: 146.00
  - symbol: "VOD.L"
    quantity: 20.0
    unit_cost: 71.25
  - symbol: "VOD.L"
    quantity: -5
    unit_cost: 75.35
    fixed_cost: 7.00 # what the broker takes
  - symbol: ETH.CB
    quantity: 1
    unit_cost: 3000
groups:
  - name: crypto
    watchlist:
      - SHIB-USD
    lots:
      - symbol: btc-usd
        quantity: 0.17
        unit_cost: 15910
  - name: older
    holdings:
      - symbol: TSLA
        quantity: 3
        unit_cost: 201.5
  - name: only watched
    watchlist: [NVDA, NVDA, amd]
colors:
  text: "#ffffff"
"""


def read(tmp_path: Path, text: str | bytes) -> TickerFile:
    path = tmp_path / "ticker.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_ticker_file(path)


def test_all_that_it_documents_is_read(tmp_path: Path) -> None:
    file = read(tmp_path, DOCUMENTED)
    assert file.lots == [
        FileLot("main", "AAPL", 35.0, 146.0, 0.0, 15),
        FileLot("main", "VOD.L", 20.0, 71.25, 0.0, 18),
        FileLot("main", "VOD.L", -5.0, 75.35, 7.0, 21),
        FileLot("crypto", "BTC-USD", 0.17, 15910.0, 0.0, 33),
        FileLot("older", "TSLA", 3.0, 201.5, 0.0, 38),
    ]
    assert file.watched == {
        "main": ["MSFT", "ESTC", "BTC-USD"],
        "crypto": ["SHIB-USD"],
        "only watched": ["NVDA", "AMD"],
    }
    assert file.elsewhere == {"ETH.CB": "ETH.CB is at Coinbase; here and at Yahoo it may be ETH-USD"}
    assert file.elsewhere_watched == {
        "SOL.X": "SOL.X is ticker's own short name of a coin; here and at Yahoo it may be SOL-USD",
        "BIT-30MAY25-CDE.CB": "BIT-30MAY25-CDE.CB is at Coinbase",
    }
    assert file.cost_currency is None


@pytest.mark.parametrize(
    ("text", "lots"),
    [
        ("", 0),
        ("# nothing\n", 0),
        ("lots:\n", 0),
        ("lots: []\ngroups:\n", 0),
        ("\ufefflots:\r\n- {symbol: AAPL, quantity: 1}\r\n", 1),
        ("lots: &some\n- {symbol: AAPL, quantity: 1}\ngroups:\n- {name: other, lots: *some}\n", 2),
        ("groups:\n- {name: g, lots: [], holdings: [{symbol: AAPL, quantity: 1}]}\n", 1),
    ],
)
def test_files_that_are_nearly_empty_or_use_what_yaml_has(tmp_path: Path, text: str, lots: int) -> None:
    assert len(read(tmp_path, text).lots) == lots


def test_a_symbol_and_a_number_are_what_is_written(tmp_path: Path) -> None:
    # YAML 1.1 reads ON as a switch, 0700.HK and 7203.T as text, and 1_000 as a thousand.
    file = read(
        tmp_path, "lots:\n- {symbol: ON, quantity: 1_000}\n- {symbol: 0700.HK, quantity: -.5, unit_cost: 1e2}\n"
    )
    assert [each[1:5] for each in file.lots] == [("ON", 1000.0, 0.0, 0.0), ("0700.HK", -0.5, 100.0, 0.0)]


def test_a_group_that_ticker_calls_default_or_nothing_is_the_main_one(tmp_path: Path) -> None:
    lot = "[{symbol: AAPL, quantity: 1}]"
    file = read(tmp_path, f"groups:\n- {{name: default, lots: {lot}}}\n- {{lots: {lot}}}\n- {{name: ~, lots: {lot}}}\n")
    assert [each.group for each in file.lots] == ["main"] * 3


def test_costs_that_are_in_another_currency_than_the_price_are_known(tmp_path: Path) -> None:
    assert read(tmp_path, "currency: eur\ncurrency-disable-unit-cost-conversion: true\n").cost_currency == "EUR"
    assert read(tmp_path, "currency-disable-unit-cost-conversion: true\n").cost_currency is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lots:\n- {symbol: AAPL, quantity: ten}\n", "line 2: quantity must be a number"),
        ("lots:\n- symbol: AAPL\n  quantity: 1\n- symbol: MSFT\n", "line 4: a lot has no quantity"),
        ("lots:\n- quantity: 1\n", "line 2: a lot has no symbol"),
        ("lots:\n- {symbol: AAPL, quantity: 0}\n", "line 2: the quantity of a lot must not be 0"),
        ("lots:\n- {symbol: AAPL, quantity: 1, unit_cost: -1}\n", "line 2: unit_cost must not be below 0"),
        ("lots:\n- {symbol: AAPL, quantity: 1, fixed_cost: -1}\n", "line 2: fixed_cost must not be below 0"),
        ("lots:\n- {symbol: AAPL, quantity: .nan}\n", "line 2: quantity must be a number"),
        ("lots:\n- {symbol: AAPL, quantity: .inf}\n", "line 2: quantity must be a number"),
        ("lots:\n- {symbol: AAPL, quantity: 1e13}\n", "line 2: quantity must be a number of at most a trillion"),
        ("lots:\n- {symbol: AAPL, quantity: [1]}\n", "line 2: quantity must be one word or number"),
        ("lots:\n- {symbol: 'A B', quantity: 1}\n", "line 2: 'A B' is not a symbol"),
        ("lots:\n- {symbol: '', quantity: 1}\n", "line 2: '' is not a symbol"),
        ("lots:\n- AAPL\n", "line 2: a lot must be fields with values"),
        ("lots: AAPL\n", "line 1: lots must be a list"),
        ("- AAPL\n", "line 1: the file must be fields with values"),
        ("watchlist: AAPL\n", "line 1: watchlist must be a list"),
        ("groups:\n- name: " + "x" * 65 + "\n", "line 2: a group's name must have at most 64"),
        ("lots: []\nlots: []\n", "line 2: 'lots' stands twice in the file"),
        ("lots:\n- symbol: AAPL\n quantity: 1\n", "no YAML on line 3"),
        ("lots: [\n", "no YAML on line 2"),
        ("lots: *nobody\n", "no YAML on line 1"),
        ("a: 1\n---\nb: 2\n", "no YAML on line 2"),
        ("lots:\n- \x00\n", "no YAML"),
        (b"lots: \xff\n", "no text in UTF-8"),
        ("lots: !!python/object/apply:os.system [echo]\n", "line 1: a lot must be fields"),
        ("a: " + "[" * 20_000, "nested more deeply"),
        ("#" + "x" * MAX_FILE_BYTES, "is longer than 512 KB"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"nope\.yaml cannot be read: No such file"):
        read_ticker_file(tmp_path / "nope.yaml")
    with pytest.raises(BadFile, match="cannot be read"):
        read_ticker_file(tmp_path)


def test_aliases_make_no_more_lots_of_a_file_than_there_may_be(tmp_path: Path) -> None:
    lots = "l: &l [" + ", ".join(["{symbol: A, quantity: 1}"] * 100) + "]\n"
    groups = "".join(f"- {{name: g{number}, lots: *l}}\n" for number in range(MAX_ENTRIES // 100 + 1))
    with pytest.raises(BadFile, match="more than 10000 lots"):
        read(tmp_path, f"{lots}groups:\n{groups}")
