"""A user's alerts as a table for a terminal of any width, with what became of each below it; drawn by rich."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from stocktrack.alerting import AlertState
from stocktrack.messages import AlertInfo
from stocktrack.terminal.alert_text import condition_text, repeat_text
from stocktrack.terminal.text import age_text, safe, safe_symbol

_TONES: Final = {
    AlertState.ARMED: "green",
    AlertState.HOLDING: "yellow",
    AlertState.FIRED: "",
    AlertState.DISARMED: "red",
}
_LEAST_SYMBOL, _LEAST_CONDITION, _LEAST_TARGETS = 8, 12, 8


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its cells, and its width: what it takes as a whole, and the least that leaves it readable, folded."""

    heading: str
    cells: tuple[Text, ...]
    widest: int
    least: int


def alert_table(alerts: Sequence[AlertInfo], table: Table, *, width: int, gap: int, now_ms: int) -> Group:
    """The alerts as rows of an empty `table`, and below it what each told last and what went wrong."""
    columns = _columns(alerts, width, now_ms)
    for least in ("Targets", "Fired", "Repeat"):
        if sum(column.least for column in columns) + gap * (len(columns) - 1) > width:
            columns = [column for column in columns if column.heading != least]
    spare = width - sum(column.least for column in columns) - gap * (len(columns) - 1)
    for column in columns:
        # What is known by its name is never cut: one that ends in dots can't be asked for.
        more = max(0, min(spare, column.widest - column.least))
        spare -= more
        table.add_column(column.heading, overflow="fold", width=column.least + more if spare >= 0 else None)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    notes = [Text.assemble((f"{safe(each.alert, 24)}: ", "bold"), note) for each in alerts for note in _notes(each)]
    return Group(table, "", *notes) if notes else Group(table)


def _columns(alerts: Sequence[AlertInfo], width: int, now_ms: int) -> list[_Column]:
    def column(heading: str, text: Callable[[AlertInfo], str], style: str = "", least: int | None = None) -> _Column:
        cells = tuple(Text(text(each), style) for each in alerts)
        widest = max((len(heading), *(cell.cell_len for cell in cells)))
        return _Column(heading, cells, widest, widest if least is None else min(widest, least))

    states = tuple(Text(each.state.value, _TONES[each.state]) for each in alerts)
    state_cells = max((len("State"), *(len(state) for state in states)))
    return [
        column("Alert", lambda each: safe(each.alert, 24), "bold"),
        column("Symbol", lambda each: safe_symbol(each.symbol), least=max(_LEAST_SYMBOL, width // 6)),
        column("Condition", condition_text, least=_LEAST_CONDITION),
        column("Repeat", repeat_text, "dim"),
        _Column("State", states, state_cells, state_cells),
        column("Fired", lambda each: _fired(each, now_ms), "dim"),
        column("Targets", lambda each: ", ".join(safe(name, 64) for name in each.targets), "dim", _LEAST_TARGETS),
    ]


def _fired(alert: AlertInfo, now_ms: int) -> str:
    if alert.fired_at is None:
        return "never"
    times = f" ({alert.fired_count}x)" if alert.fired_count > 1 else ""
    return f"{age_text(alert.fired_at, now_ms)} ago{times}"


def _notes(alert: AlertInfo) -> Iterator[str]:
    if alert.message:
        yield safe(alert.message, 500)
    if alert.why and alert.why != alert.message:
        yield safe(alert.why, 500)
    if alert.undelivered:
        words = "one word is" if alert.undelivered == 1 else f"{alert.undelivered} words are"
        why = f" {safe(alert.error, 500)}" if alert.error else ""
        yield f"{words} not delivered yet.{why}"
