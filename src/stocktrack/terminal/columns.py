"""The rows of a reply with chosen fields, by the names of their columns: for a pipe or a spreadsheet."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Literal, TypeAlias

from stocktrack.csv_cells import free_text_cell
from stocktrack.messages import BoardQuote, GetReply, MyStocksReply, Price
from stocktrack.terminal.text import Shown, iso_time, local_time, number, price_row, safe, tab_separated

RowFormat = Literal["table", "tsv", "csv"]

_QUOTE = (
    *("symbol", "price", "currency", "change", "change_percent", "market_state", "timestamp", "stale"),
    *("extended_price", "extended_change", "extended_change_percent", "extended_time"),
)
# What a row has, in its order, by the command that asks for it; lots are a part of HOLDINGS,
# and stored users those of the database, which no server is asked for.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "GET": _QUOTE,
    "MY_STOCKS": _QUOTE,
    "NEWS": ("title", "source", "published", "link"),
    "INFO": ("field", "value", "unit"),
    "DIVIDENDS": ("date", "amount", "currency", "symbol"),
    "SEARCH": ("symbol", "name", "exchange", "type", "expiry", "strike"),
    "SOURCES": (
        *("source", "state", "leads", "stream", "budget", "last_success_at", "retry_at", "reason", "message"),
        "capabilities",
    ),
    "HISTORY": ("time", "open", "high", "low", "close", "volume", "market_state", "live"),
    "HOLDINGS": (
        *("symbol", "quantity", "unit_cost", "price", "currency"),
        *("total_value", "total_day_change", "total_gain", "total_cost", "total_currency"),
        *("weight", "gain_percent", "stale"),
    ),
    "MY_ALERTS": (
        *("alert", "symbol", "when", "value", "minutes", "repeat", "state", "targets"),
        *("fired_at", "fired_count", "message", "undelivered", "error"),
    ),
    "LISTS": ("list", "count"),
    "PRICE": _QUOTE,
    "SESSIONS": ("session", "username", "address", "door", "since", "state", "symbols"),
    "USERS": ("username", "role", "state", "sessions", "saved_count", "tokens", "created_at", "muted_until"),
    "STORED_USERS": ("username", "role", "state", "saved_count", "tokens", "created_at", "muted_until"),
    "TOKENS": ("token_id", "name", "scope", "created_at", "expires_at", "last_used_at"),
    "LOTS": ("lot", "symbol", "quantity", "unit_cost", "fixed_cost", "group", "created_at"),
}
# What else can be chosen of a quote, as the protocol calls it.
_MORE_OF_A_QUOTE = (
    *("name", "exchange", "previous_close", "open", "high", "low", "volume", "bid", "ask", "provider", "received_at"),
    *("delay_seconds", "fifty_two_week_low", "fifty_two_week_high", "market_cap", "trailing_pe", "stale_reason", "seq"),
)
# And what of a price that is pushed.
_MORE_OF_A_PRICE = ("volume", "bid", "ask", "provider", "received_at", "stale_reason", "seq")
_MORE: Mapping[str, tuple[str, ...]] = {
    "GET": _MORE_OF_A_QUOTE,
    "MY_STOCKS": _MORE_OF_A_QUOTE,
    "PRICE": _MORE_OF_A_PRICE,
}
_TIMES = frozenset({"received_at"})
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def fields_of(command_type: str) -> tuple[str, ...]:
    """The fields that the rows of a command's reply can have, those that they have unless others are chosen first."""
    return (*COLUMNS[command_type], *_MORE.get(command_type, ()))


def chosen_fields(command_type: str, text: str) -> tuple[str, ...]:
    """The fields that `symbol,price` names; `ValueError` with a sentence where there is no such field."""
    there = fields_of(command_type)
    chosen = tuple(field for field in re.split(r"[,\s]+", text.lower().replace("-", "_")) if field)
    unknown = next((field for field in chosen if field not in there), None)
    if unknown is not None:
        raise ValueError(f"there is no field {unknown!r}; there are {', '.join(there)}")
    if not chosen:
        raise ValueError(f"name a field; there are {', '.join(there)}")
    return chosen


def chosen_rows(kind: str, rows: Iterable[Sequence[str]], fields: Sequence[str] | None) -> list[tuple[str, ...]]:
    """The rows with these fields, or as they are, filled up to the same length."""
    columns = fields_of(kind)
    named = [dict(zip_longest(columns, row, fillvalue="")) for row in rows]
    return [tuple(row[name] for name in fields or COLUMNS[kind]) for row in named]


def with_chosen(rows: Iterable[Sequence[str]], reply: Shown, fields: Sequence[str] | None) -> Iterable[Sequence[str]]:
    """The rows of a reply, of quotes with those of their other fields that were chosen."""
    if not isinstance(reply, GetReply | MyStocksReply):
        return rows
    return [_with_more(row, quote, _MORE_OF_A_QUOTE, fields) for row, quote in zip(rows, reply.quotes, strict=True)]


def price_fields(price: Price, fields: Sequence[str] | None) -> tuple[str, ...]:
    """The row of a price that was pushed, with these fields, or as long as a row can be."""
    return chosen_rows("PRICE", [_with_more(price_row(price), price, _MORE_OF_A_PRICE, fields)], fields)[0]


def _with_more(
    row: Sequence[str], quote: BoardQuote | Price, more: Sequence[str], fields: Sequence[str] | None
) -> Sequence[str]:
    blank = [""] * (len(_QUOTE) - len(row))
    return (*row, *blank, *(_cell(quote, name) if name in (fields or ()) else "" for name in more))


def written(rows: Iterable[Sequence[str]], form: RowFormat, heading: Sequence[str] | None) -> str:
    """The rows as lines, each with its end; a `heading` names the columns."""
    all_rows = [*([heading] if heading is not None else []), *rows]
    if form == "table":
        return aligned(all_rows)
    if form == "csv":
        return "".join(f"{','.join(map(_csv_cell, row))}\n" for row in all_rows)
    return "".join(f"{tab_separated(row)}\n" for row in all_rows)


def aligned(rows: Sequence[Sequence[str]], *, width: int | None = None, gives_way: Sequence[int] = ()) -> str:
    """The rows with their columns below one another, numbers at the right; the first row is the heading.

    Where they are wider than `width`, the columns that `gives_way` counts are left out one by one, and what is still
    too wide is cut at its end.
    """
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - only where a table is drawn: a pipe need not wait

    columns = dict(enumerate(zip_longest(*rows, fillvalue="")))
    widths = {at: max(map(cell_len, column)) for at, column in columns.items()}
    for at in gives_way:
        if width is None or sum(widths[each] + 2 for each in columns) - 2 <= width:
            break
        del columns[at]
    are_numbers = {at: all(_NUMBER.fullmatch(cell) for cell in cells[1:] if cell) for at, cells in columns.items()}
    lines: list[str] = []
    for row in range(len(rows)):
        cells = []
        for at, column in columns.items():
            spaces = " " * (widths[at] - cell_len(column[row]))
            cells.append(spaces + column[row] if are_numbers[at] else column[row] + spaces)
        line = "  ".join(cells).rstrip()
        if width is not None and cell_len(line) > width:
            line = set_cell_size(line, width - 1).rstrip() + "…"
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def screen_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, gives_way: Sequence[int] = ()) -> str:
    """Rows with headings, as wide as the terminal at most; none for no rows."""
    width = shutil.get_terminal_size().columns
    return aligned([headings, *rows], width=width, gives_way=gives_way) if rows else ""


def lists_table(rows: Iterable[Sequence[str]]) -> str:
    """The names of saved lists, each with its number of stocks, as wide as the terminal at most.

    A name is never cut, but goes on below: one that ends in dots can't be asked for.
    """
    from rich.cells import cell_len, chop_cells  # noqa: PLC0415 - as in `aligned`

    named = [("List", "Stocks"), *((name, count) for name, count in rows)]
    count_cells = max(len(count) for _, count in named)
    room = max(8, shutil.get_terminal_size().columns - 2 - count_cells)
    name_cells = min(max(cell_len(name) for name, _ in named), room)
    lines = []
    for name, count in named:
        first, *rest = chop_cells(name, name_cells) or [""]
        lines += [f"{first}{' ' * (name_cells - cell_len(first))}  {count:>{count_cells}}", *rest]
    return "".join(f"{line}\n" for line in lines)


# Its id, its name and scope, and when it was made, ends, and was used last.
Token: TypeAlias = tuple[str, str | None, str, int, int, int | None]


def token_row(token: Token) -> tuple[str, ...]:
    """A token as a row whose fields have names."""
    token_id, name, scope, *times = token
    return (safe(token_id), safe(name), str(scope), *("" if each is None else iso_time(each) for each in times))


def token_lines(tokens: Iterable[Token], *, is_table: bool) -> str:
    """Tokens as a table, or as rows in a pipe."""
    when = local_time if is_table else iso_time
    rows = []
    for token_id, name, scope, made_ms, ends_ms, used_ms in tokens:
        start = (safe(token_id), safe(name) or "-", str(scope))
        used = None if used_ms is None else when(used_ms)
        if is_table:
            rows.append((*start, when(made_ms), when(ends_ms), used or "never"))
        else:
            told = "never used" if used is None else f"used {used}"
            rows.append((*start, f"since {when(made_ms)}", f"until {when(ends_ms)}", told))
    if is_table:
        return screen_table(("Token", "Name", "Scope", "Since", "Valid until", "Last used"), rows, gives_way=(3, 2, 5))
    return "".join(f"{tab_separated(row)}\n" for row in rows)


def _cell(quote: BoardQuote | Price, name: str) -> str:
    value = getattr(quote, name)
    if value is None:
        return ""
    if name in _TIMES:
        return iso_time(value)
    if isinstance(value, float):
        return number(value)
    return safe(str(value), 200)


def _csv_cell(text: str) -> str:
    return text if _NUMBER.fullmatch(text) else free_text_cell(text)
