"""What stands behind the question mark of an address: its parameters, and symbols between commas."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from stocktrack.errors import CommandError, Reason
from stocktrack.quotes import shown


def parameters_of(query: bytes, most: int) -> list[tuple[str, str]]:
    """The parameters in their order, those without a value too; `CommandError` where there are more than `most`."""
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=most)
    except ValueError:
        raise wrong(f"The query has more than {most} parameters, or is none.") from None


def symbols_in(texts: Iterable[str]) -> list[str]:
    """`symbols=AAPL,TSLA&symbols=MSFT` as its symbols."""
    return [symbol.strip() for text in texts for symbol in text.split(",") if symbol.strip()]


def stands_twice(name: str) -> str:
    """That a parameter is given more than once, of which one would be passed over."""
    return f"The parameter {shown(name)} stands twice in the address."


def no_such(name: str, known: Iterable[str]) -> str:
    """That there is no such parameter, and which there are."""
    return f"There is no parameter {shown(name)}; there are {', '.join(known) or 'none'}."


def wrong(message: str) -> CommandError:
    """That a request is not one that can be answered, and why."""
    return CommandError(Reason.INVALID_COMMAND, message)
