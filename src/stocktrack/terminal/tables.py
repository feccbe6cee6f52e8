"""Replies as tables for a terminal of any width, drawn by rich; imported only where a table is drawn."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stocktrack.messages import (
    BoardQuote,
    DividendsReply,
    GetReply,
    HistoryReply,
    HoldingsReply,
    InfoReply,
    MyAlertsReply,
    MyStocksReply,
    NewsReply,
    SearchReply,
    SinkInfo,
    SinkState,
    SourcesReply,
    SourceState,
    shown_digits,
)
from stocktrack.quotes import Headline, Match
from stocktrack.terminal.alert_table import alert_table
from stocktrack.terminal.facts import Facts, company_facts, quote_facts
from stocktrack.terminal.holding_table import holdings_table
from stocktrack.terminal.past import bars_table
from stocktrack.terminal.text import (
    Extended,
    Shown,
    age_text,
    amount_text,
    change_text,
    contract_cells,
    extended_of,
    iso_time,
    percent_text,
    price_text,
    safe,
    safe_link,
    safe_symbol,
    sink_state_text,
    source_budget_text,
    source_state_text,
    source_stream_text,
    state_text,
    tone_of,
)

# What rich draws.
Drawn = GetReply | MyStocksReply | NewsReply | InfoReply | DividendsReply | SearchReply | SourcesReply | MyAlertsReply
_TONES = {"up": "green", "down": "red", "": ""}
_WIDE = 76
_NARROW = 52
_LEAST_NAME, _MOST_NAME = 12, 28
_EXTENDED = "Extended"


def draw(reply: Shown, *, width: int, colour: bool, now_ms: int) -> str:
    """The reply as lines of at most `width` cells, with a line's end after each."""
    if isinstance(reply, HistoryReply):
        return bars_table(reply, width=width, colour=colour)
    if isinstance(reply, HoldingsReply):
        return holdings_table(reply, width=width, colour=colour)
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(20, width),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    console.print(_renderable(reply, width, now_ms))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _renderable(reply: Drawn, width: int, now_ms: int) -> RenderableType:
    match reply:
        case GetReply() | MyStocksReply():
            table = _quotes(reply.quotes, width, now_ms)
            if isinstance(reply, MyStocksReply) or len(reply.quotes) != 1:
                return table
            # Who asks for one wants to know more of it than who compares.
            facts = quote_facts(reply.quotes[0])
            return Group(table, "", _facts(facts)) if facts else table
        case NewsReply():
            return Group(*(_article(index, article, now_ms) for index, article in enumerate(reply.articles, 1)))
        case InfoReply():
            return _facts(company_facts(reply.company, now_ms))
        case DividendsReply():
            table = _table(width)
            table.add_column("Ex-date")
            table.add_column("Amount", justify="right")
            table.add_column("Currency")
            for each in reply.dividends:
                table.add_row(str(each.date), amount_text(each.amount), safe(each.currency, 8))
            return table
        case SearchReply():
            return _matches(reply.matches, width)
        case SourcesReply():
            return _sources(reply, width, now_ms)
        case MyAlertsReply():
            return alert_table(reply.alerts, _table(width), width=width, gap=_gap(width), now_ms=now_ms)
        case _:
            assert_never(reply)


def _table(width: int) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, _gap(width), 0, 0), header_style="bold dim")


def _gap(width: int) -> int:
    return 2 if width >= _NARROW else 1


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of quotes: from which width on it is there, and when it gives way to the one after hours."""

    heading: str
    cells: tuple[Text, ...]
    is_right: bool = False
    from_width: int = 0
    gives_way: int = 0  # the first to go is 1; 0 never does
    most: int | None = None  # longer cells are cut: names, not numbers

    @property
    def least(self) -> int:
        """The cells that it takes at least."""
        widest = max((cell_len(self.heading), *(each.cell_len for each in self.cells)))
        return widest if self.most is None else min(widest, _LEAST_NAME)


def _quotes(quotes: tuple[BoardQuote, ...], width: int, now_ms: int) -> Table:
    """Symbol, price, percent and age always; the others as the width allows, and none with half a number."""
    columns = _that_fit(_quote_columns(quotes, now_ms), width)
    spare = width - _needed(columns, width)
    table = _table(width)
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.is_right else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=None if column.most is None else min(column.most, column.least + max(0, spare)),
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


def _that_fit(columns: list[_Column], width: int) -> list[_Column]:
    usual = [column for column in columns if column.from_width <= width and column.heading != _EXTENDED]
    if any(map(len, next(column for column in columns if column.heading == _EXTENDED).cells)):
        with_extended = [column for column in columns if column in usual or column.heading == _EXTENDED]
        with_extended = _without_least(with_extended, width)
        if _needed(with_extended, width) <= width:
            return with_extended
    return _without_least(usual, width)


def _without_least(columns: list[_Column], width: int) -> list[_Column]:
    """The columns without those that give way, as many of them as must for the rest to fit."""
    kept = [*columns]
    for least in sorted((column for column in columns if column.gives_way), key=lambda column: column.gives_way):
        if _needed(kept, width) > width:
            kept.remove(least)
    return kept


def _needed(columns: list[_Column], width: int) -> int:
    return sum(column.least for column in columns) + _gap(width) * (len(columns) - 1)


def _quote_columns(quotes: tuple[BoardQuote, ...], now_ms: int) -> list[_Column]:
    def cells(text: Callable[[BoardQuote], str], style: Callable[[BoardQuote], str]) -> tuple[Text, ...]:
        return tuple(Text(text(quote), style(quote)) for quote in quotes)

    def tone(quote: BoardQuote) -> str:
        return _TONES[tone_of(quote)]

    after = [extended_of(quote) or Extended("", "") for quote in quotes]
    return [
        _Column("Symbol", cells(lambda quote: safe_symbol(quote.symbol), lambda _: "bold")),
        _Column(
            "Name",
            cells(lambda quote: safe(quote.name, 60), lambda _: ""),
            from_width=_WIDE,
            gives_way=1,
            most=_MOST_NAME,
        ),
        _Column(
            "Price",
            cells(
                lambda quote: price_text(quote.price, shown_digits(quote)), lambda quote: "dim" if quote.stale else ""
            ),
            is_right=True,
        ),
        _Column("", cells(lambda quote: safe(quote.currency, 8), lambda _: "dim"), from_width=_NARROW, gives_way=2),
        _Column("Change", cells(change_text, tone), is_right=True, from_width=_NARROW, gives_way=4),
        _Column("%", cells(lambda quote: percent_text(quote.change_percent), tone), is_right=True),
        _Column(_EXTENDED, tuple(Text(each.text, _TONES[each.tone]) for each in after)),
        _Column(
            "Market",
            cells(state_text, lambda quote: "yellow" if quote.stale else "dim"),
            gives_way=3,
        ),
        _Column(
            "Age",
            cells(lambda quote: age_text(quote.timestamp, now_ms), lambda _: "dim"),
            is_right=True,
        ),
    ]


def _matches(matches: tuple[Match, ...], width: int) -> Table:
    """Symbol and name; what a contract is where there are any, and the exchange where there is room for it.

    In a narrow terminal a contract's expiry and strike stand in place of its name, which its symbol begins with.
    """
    are_contracts = any(match.expiry is not None for match in matches)
    has_names = width >= _NARROW or not are_contracts
    has_exchanges = width >= _WIDE or not are_contracts
    table = _table(width)
    # A symbol is never cut: one that ends in dots can't be asked for.
    table.add_column("Symbol", no_wrap=True, min_width=max((len(match.symbol) for match in matches), default=0))
    if has_names:
        table.add_column("Name", no_wrap=True, overflow="ellipsis")
    if has_exchanges:
        table.add_column("Exchange", no_wrap=True, overflow="ellipsis")
    if are_contracts and has_names:
        table.add_column("Type", no_wrap=True)
    if are_contracts:
        table.add_column("Expiry", no_wrap=True)
        table.add_column("Strike", no_wrap=True, justify="right")
    for match in matches:
        name = (safe(match.name, 200),) if has_names else ()
        exchange = (safe(match.exchange, 40),) if has_exchanges else ()
        contract = contract_cells(match, grouped=True) if are_contracts else ()
        table.add_row(
            Text(safe_symbol(match.symbol), "bold"), *name, *exchange, *(contract if has_names else contract[1:])
        )
    return table


def _article(index: int, article: Headline, now_ms: int) -> Group:
    """A headline cut to one line, and below it where it is from."""
    link = safe_link(article.link)
    style = Style(bold=True, link=link) if link else Style(bold=True)
    title = Text(f"{index:>2}  ", "dim", no_wrap=True, overflow="ellipsis")
    title.append(safe(article.title, 500), style)
    is_to_come = article.published is not None and article.published > now_ms
    age = age_text(article.published, now_ms)
    # A time to come is the source's too, and no age.
    when = iso_time(article.published) if is_to_come else f"{age} ago" if age else ""
    origin = " · ".join(part for part in (safe(article.source, 60), when) if part)
    lines = [title, Text(f"    {origin}", "dim", no_wrap=True, overflow="ellipsis")]
    if link:
        # A link is never cut: one that ends in dots can't be copied.
        lines.append(Text(link, "blue", overflow="fold"))
        table = Table.grid(padding=0)
        table.add_column(width=4)
        table.add_column(overflow="fold")
        table.add_row("", lines.pop())
        return Group(*lines, table)
    return Group(*lines)


# A source that nobody has asked yet is as well as one that answers.
_SOURCE_TONES = {SourceState.OK: "green", SourceState.UNUSED: "", SourceState.WAITING: "yellow"}


def _sources(reply: SourcesReply, width: int, now_ms: int) -> Group:
    """A row for each source, and below the table a sentence for each that has something to say."""
    table = _table(width)
    table.add_column("Source", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Leads", justify="right", no_wrap=True)
    if width >= _NARROW:
        table.add_column("Answered", justify="right", no_wrap=True)
    if width >= _WIDE:
        table.add_column("Stream", no_wrap=True)
        table.add_column("Budget", no_wrap=True)
    sentences = []
    for source in reply.sources:
        state = Text(source_state_text(source), _SOURCE_TONES.get(source.state, "red"))
        cells = [Text(safe(source.provider, 100), "bold"), state, Text(f"{source.leads:,}")]
        if width >= _NARROW:
            age = age_text(source.last_success_at, now_ms)
            cells.append(Text(f"{age} ago" if age else "", "dim"))
        if width >= _WIDE:
            cells += [Text(source_stream_text(source)), Text(source_budget_text(source), "dim")]
        table.add_row(*cells)
        why = [safe(source.message, 500)] if source.message else []
        if source.retry_at is not None and source.retry_at > now_ms:
            why.append(f"Next try in {age_text(now_ms, source.retry_at)}.")
        if why:
            sentences.append(Text.assemble((safe(source.provider, 100), "bold"), ": ", " ".join(why)))
    return Group(table, *sentences, *_sinks(reply.sinks or (), width, now_ms))


_SINK_TONES = {SinkState.OK: "green", SinkState.OPENING: "yellow"}


def _sinks(sinks: Iterable[SinkInfo], width: int, now_ms: int) -> Sequence[RenderableType]:
    """A row for each sink below those of the sources, and a sentence for each that is down; nothing for none."""
    table = _table(width)
    table.add_column("Sink", overflow="fold")
    table.add_column("State", no_wrap=True)
    table.add_column("Waiting", justify="right", no_wrap=True)
    if width >= _NARROW:
        table.add_column("Written", justify="right", no_wrap=True)
    if width >= _WIDE:
        table.add_column("Merged", justify="right", no_wrap=True)
    sentences = []
    for sink in sinks:
        name = safe(sink.sink, 300)
        state = Text(sink_state_text(sink), _SINK_TONES.get(sink.state, "red"))
        cells = [Text(name, "bold"), state, Text(f"{sink.waiting:,}")]
        if width >= _NARROW:
            cells.append(Text(f"{sink.written:,}"))
        if width >= _WIDE:
            cells.append(Text(f"{sink.merged:,}", "dim"))
        table.add_row(*cells)
        why = [safe(sink.reason, 500)] if sink.reason else []
        if sink.retry_at is not None and sink.retry_at > now_ms:
            why.append(f"Next try in {age_text(now_ms, sink.retry_at)}.")
        if why:
            sentences.append(Text.assemble((name, "bold"), ": ", " ".join(why)))
    return ["", table, *sentences] if table.row_count else []


def _facts(facts: Facts) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in facts:
        table.add_row(label[0].upper() + label[1:], Text(text, "bold" if label == "name" else ""))
    return table
