import pytest

from stocktrack.client.errors import error_of
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import Missing
from stocktrack.quotes import MAX_SYMBOL_LENGTH
from stocktrack.terminal.exit_codes import missing_sentence, missing_sentences, sentence_of
from stocktrack.wire.lines import failure

LONGEST_SYMBOL = "NFO:".ljust(MAX_SYMBOL_LENGTH, "X")


def missing(symbol: str = "NOPE", message: str | None = None, retry_after_ms: int | None = None) -> Missing:
    return Missing(
        symbol=symbol, code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL, message=message, retry_after_ms=retry_after_ms
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (missing(), "NOPE: unknown symbol."),
        (missing(retry_after_ms=1_500), "NOPE: unknown symbol; try again in 2 s."),
        (missing(message="It expired on 25 April 2024."), "NOPE: It expired on 25 April 2024."),
        (missing(message="NOPE expired on 25 April 2024"), "NOPE expired on 25 April 2024."),
        (missing(message="Too many.", retry_after_ms=900), "NOPE: Too many; try again in 1 s."),
        (missing(message="bad\x1b[2J\u202egnp"), "NOPE: bad[2Jgnp."),
        (missing(LONGEST_SYMBOL), f"{LONGEST_SYMBOL}: unknown symbol."),
    ],
)
def test_a_missing_symbol_is_told_with_the_servers_own_sentence_where_there_is_one(
    given: Missing, sentence: str
) -> None:
    assert missing_sentence(given) == sentence


def test_many_that_are_missing_for_the_same_reason_are_one_sentence() -> None:
    symbols = ["F", "T", "V", "GOOG", *(f"X{number}" for number in range(8))]
    rates = [missing(each, f"There is no rate from USD to XXX: {each} is in no total.") for each in symbols]

    assert missing_sentences([missing("A"), *rates, missing("B")]) == [
        "A: unknown symbol.",
        "B: unknown symbol.",
        f"{rates[0].message} The same goes for T, V, GOOG, X0, X1, X2, X3, X4 and 3 more.",
    ]
    assert missing_sentences([missing(f"X{number}") for number in range(1, 61)]) == [
        "60 unknown symbols: X1, X2, X3, X4, X5, X6, X7, X8 and 52 more."
    ]
    assert missing_sentences(map(missing, "ABC")) == [f"{each}: unknown symbol." for each in "ABC"]


def test_where_all_of_many_are_missing_they_are_one_sentence_as_well() -> None:
    command = CommandError(Reason.UNKNOWN_SYMBOL, "No source knows the symbol X1.")

    def told(count: int) -> str:
        many = tuple(missing(f"X{number}") for number in range(1, count + 1))
        return sentence_of(error_of(failure(command).model_copy(update={"missing": many})))

    assert told(60) == "60 unknown symbols: X1, X2, X3, X4, X5, X6, X7, X8 and 52 more."
    assert told(2) == "2 unknown symbols: X1, X2."
    assert told(1) == "No source knows the symbol X1."


def test_a_command_that_the_server_does_not_know_is_told_without_the_list_of_all_others() -> None:
    told = CommandError(Reason.UNKNOWN_COMMAND, "There is no command 'HISTORY'; there are AUTH, GET, PING.")
    assert sentence_of(error_of(failure(told))) == (
        "There is no command 'HISTORY' at this server: it is older than this program."
    )
