"""In which form a command prints the rows of its answer, as `--format`, `--fields` and `--header` ask for it."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from stocktrack.commands.options import PriceLineOptions, QuoteOptions, RowOptions

if TYPE_CHECKING:
    from stocktrack.terminal.columns import RowFormat
    from stocktrack.terminal.text import Shown


class RowForm(NamedTuple):
    """How answers are printed: as JSON, with these fields in this form, or as it is usual.

    `kind` says what has these fields: a command of the protocol, or what of its answer is listed.
    """

    kind: str
    is_json: bool = False
    rows: "RowFormat | None" = None
    fields: tuple[str, ...] | None = None
    header: bool = False

    def text_of(self, rows: Callable[[], Iterable[Sequence[str]]], table: Callable[[], str]) -> str | None:
        """What is printed of `rows`, or the `table` for people; None where it is the usual one of the command."""
        from stocktrack.terminal.columns import COLUMNS, chosen_rows, written
        from stocktrack.terminal.text import is_screen

        if self.is_usual:
            return None
        form: RowFormat = self.rows or ("table" if is_screen(sys.stdout) else "tsv")
        if form == "table" and self.fields is None:
            return table()
        heading = (self.fields or COLUMNS[self.kind]) if self.header or form == "table" else None
        return written(chosen_rows(self.kind, rows(), self.fields), form, heading)

    @property
    def heading(self) -> tuple[str, ...] | None:
        """The names of the fields where they stand above lines that come one after the other."""
        from stocktrack.terminal.columns import COLUMNS

        return (self.fields or COLUMNS[self.kind]) if self.header else None

    def text(self, reply: "Shown") -> str | None:
        """The same of a reply."""
        if self.is_usual:
            return None
        from stocktrack.terminal.columns import with_chosen
        from stocktrack.terminal.text import rows_of

        return self.text_of(lambda: with_chosen(rows_of(reply), reply, self.fields), lambda: table_of(reply))

    @property
    def is_usual(self) -> bool:
        """Whether nothing was chosen."""
        return self.rows is None and self.fields is None and not self.header


def form_of(
    kind: str, rows: RowOptions | QuoteOptions | PriceLineOptions | None, *, as_json: bool = False, as_csv: bool = False
) -> RowForm:
    """What the options ask for; `typer.BadParameter` where they don't go together, also with a `--csv` of its own."""
    if rows is None:
        return RowForm(kind, is_json=as_json)
    if as_csv:
        if rows.as_json or rows.form == "json":
            raise typer.BadParameter("--csv or --json, not both")
        if rows.form is not None or rows.fields is not None or rows.header:
            raise typer.BadParameter("--csv has fields and a heading of its own; choose others by --format csv")
    if rows.as_json or rows.form == "json":
        if rows.form not in {None, "json"}:
            raise typer.BadParameter("--format or --json, not both")
        if rows.fields is not None or rows.header:
            raise typer.BadParameter("JSON has all fields with their names; --fields and --header are for rows")
        return RowForm(kind, is_json=True)
    fields = None
    if rows.fields is not None:
        from stocktrack.terminal.columns import chosen_fields

        try:
            fields = chosen_fields(kind, rows.fields)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--fields") from None
    form: Any = rows.form
    return RowForm(kind, rows=form, fields=fields, header=rows.header)


def table_of(reply: "Shown") -> str:
    """The reply as a table for people, as wide as the terminal."""
    import shutil
    import time

    from stocktrack.terminal.tables import draw
    from stocktrack.terminal.text import has_colour

    width = shutil.get_terminal_size().columns
    return draw(reply, width=width, colour=has_colour(sys.stdout), now_ms=time.time_ns() // 1_000_000)
