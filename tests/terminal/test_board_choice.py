import pytest

from stocktrack.terminal.board_choice import COLUMNS, ORDER_NAMES, Order, columns_of, currency_of, order_of


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("symbol,name,price", ("symbol", "name", "price")),
        (" Price  AGE, price,", ("price", "age")),
        ("%,cur,52w", ("percent", "currency", "52weeks")),
        (",".join(COLUMNS), tuple(COLUMNS)),
    ],
)
def test_columns_are_named_with_commas_or_spaces_in_either_case(text: str, names: tuple[str, ...]) -> None:
    assert columns_of(text) == names


@pytest.mark.parametrize("text", ["", " , ", "prise", "symbol,prise", "\x1b[2J", "x" * 1_000])
def test_what_is_no_column_is_told_with_those_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="there are symbol, name, price") as told:
        columns_of(text)

    assert all(name in str(told.value) for name in COLUMNS)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("name", ORDER_NAMES)
def test_a_minus_turns_an_order_round_and_its_text_reads_back(name: str) -> None:
    assert order_of(name) == Order(name)
    assert order_of(f"-{name.upper()}") == Order(name, is_reversed=True)
    assert order_of(str(Order(name, is_reversed=True))) == Order(name, is_reversed=True)


@pytest.mark.parametrize("text", ["", "-", "size", "--percent", "day"])
def test_what_is_no_order_is_told_with_those_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="is no order; there are list, name, price"):
        order_of(text)


def test_a_currency_is_a_whole_one_in_either_case() -> None:
    assert currency_of("EUR") == currency_of(" eur ") == "EUR"
    assert currency_of("JPY") == "JPY"


@pytest.mark.parametrize(
    "text", ["", "EURO", "XYZ", "GBp", "ZAc", "GBX", "ILA", "€", "E U", "\N{FULLWIDTH LATIN CAPITAL LETTER E}UR"]
)
def test_what_is_no_whole_currency_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no code of a currency, such as EUR"):
        currency_of(text)
