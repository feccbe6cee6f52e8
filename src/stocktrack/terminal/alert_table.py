"""A user's alerts as a table for a terminal of any width, with what became of each below it; drawn by rich."""

from collections.abc import Iterator, Sequence
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
# From how many cells on there is room for it.
_REPEAT_CELLS, _FIRED_CELLS, _TARGETS_CELLS = 52, 60, 72


def alert_table(alerts: Sequence[AlertInfo], table: Table, *, width: int, now_ms: int) -> Group:
    """The alerts as rows of an empty `table`, and below it what each told last and what went wrong."""
    # A name is never cut: one that ends in dots can't be taken out.
    table.add_column("Alert", no_wrap=True, min_width=max((len(each.alert) for each in alerts), default=0))
    table.add_column("Symbol", no_wrap=True, overflow="ellipsis")
    table.add_column("Condition", overflow="fold")
    if width >= _REPEAT_CELLS:
        table.add_column("Repeat", no_wrap=True)
    table.add_column("State", no_wrap=True)
    if width >= _FIRED_CELLS:
        table.add_column("Fired", no_wrap=True)
    if width >= _TARGETS_CELLS:
        table.add_column("Targets", overflow="fold")
    for each in alerts:
        cells = [Text(safe(each.alert, 24), "bold"), Text(safe_symbol(each.symbol)), Text(condition_text(each))]
        if width >= _REPEAT_CELLS:
            cells.append(Text(repeat_text(each), "dim"))
        cells.append(Text(each.state.value, _TONES[each.state]))
        if width >= _FIRED_CELLS:
            cells.append(Text(_fired(each, now_ms), "dim"))
        if width >= _TARGETS_CELLS:
            cells.append(Text(", ".join(safe(target, 64) for target in each.targets), "dim"))
        table.add_row(*cells)
    notes = [Text.assemble((f"{safe(each.alert, 24)}: ", "bold"), note) for each in alerts for note in _notes(each)]
    return Group(table, "", *notes) if notes else Group(table)


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
