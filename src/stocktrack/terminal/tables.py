"""Replies as tables for a terminal of any width, drawn by rich; imported only where a table is drawn."""

import io
from typing import assert_never

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stocktrack.messages import (
    DividendsReply,
    GetReply,
    InfoReply,
    MyStocksReply,
    NewsReply,
    SearchReply,
    SourcesReply,
    SourceState,
)
from stocktrack.quotes import Headline, Match
from stocktrack.terminal.text import (
    Quoted,
    Shown,
    age_text,
    change_text,
    company_fields,
    contract_cells,
    iso_time,
    percent_text,
    price_text,
    safe,
    safe_link,
    safe_symbol,
    source_budget_text,
    source_state_text,
    source_stream_text,
    state_text,
    tone_of,
)

_TONES = {"up": "green", "down": "red", "": ""}
_WIDE = 76
_NARROW = 52


def draw(reply: Shown, *, width: int, colour: bool, now_ms: int) -> str:
    """The reply as lines of at most `width` cells, with a line's end after each."""
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


def _renderable(reply: Shown, width: int, now_ms: int) -> RenderableType:
    match reply:
        case GetReply() | MyStocksReply():
            names = {quote.symbol: safe(quote.name, 60) for quote in reply.quotes}
            return _quotes(reply.quotes, names, width, now_ms)
        case NewsReply():
            return Group(*(_article(index, article, now_ms) for index, article in enumerate(reply.articles, 1)))
        case InfoReply():
            return _company(reply)
        case DividendsReply():
            table = _table(width)
            table.add_column("Ex-date")
            table.add_column("Amount", justify="right")
            table.add_column("Currency")
            for each in reply.dividends:
                table.add_row(str(each.date), price_text(each.amount), safe(each.currency, 8))
            return table
        case SearchReply():
            return _matches(reply.matches, width)
        case SourcesReply():
            return _sources(reply, width, now_ms)
        case _:
            assert_never(reply)


def _table(width: int) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2 if width >= _NARROW else 1, 0, 0), header_style="bold dim")


def _quotes(quotes: tuple[Quoted, ...], names: dict[str, str], width: int, now_ms: int) -> Table:
    """Symbol, price and percent always; the others as the width allows."""
    table = _table(width)
    table.add_column("Symbol", no_wrap=True)
    if width >= _WIDE:
        table.add_column("Name", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("Price", justify="right", no_wrap=True)
    if width >= _NARROW:
        table.add_column("", no_wrap=True)
        table.add_column("Change", justify="right", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    table.add_column("Market", no_wrap=True, overflow="ellipsis")
    if width >= _NARROW:
        table.add_column("Age", justify="right", no_wrap=True)
    for quote in quotes:
        tone = _TONES[tone_of(quote)]
        state = Text(state_text(quote), "yellow" if quote.stale else "dim")
        cells = [Text(safe_symbol(quote.symbol), "bold")]
        if width >= _WIDE:
            cells.append(Text(names.get(quote.symbol, "")))
        cells.append(Text(price_text(quote.price), "dim" if quote.stale else ""))
        if width >= _NARROW:
            cells += [Text(safe(quote.currency, 8), "dim"), Text(change_text(quote), tone)]
        cells += [Text(percent_text(quote.change_percent), tone), state]
        if width >= _NARROW:
            cells.append(Text(age_text(quote.timestamp, now_ms), "dim"))
        table.add_row(*cells)
    return table


def _matches(matches: tuple[Match, ...], width: int) -> Table:
    """Symbol and name always; what a contract is where there are any, and the exchange where there is room for it."""
    are_contracts = any(match.expiry is not None for match in matches)
    has_room = width >= _WIDE or not are_contracts
    table = _table(width)
    # A symbol is never cut: one that ends in dots can't be asked for.
    table.add_column("Symbol", no_wrap=True, min_width=max((len(match.symbol) for match in matches), default=0))
    table.add_column("Name", no_wrap=True, overflow="ellipsis")
    if has_room:
        table.add_column("Exchange", no_wrap=True, overflow="ellipsis")
    if are_contracts:
        table.add_column("Type", no_wrap=True)
        table.add_column("Expiry", no_wrap=True)
        table.add_column("Strike", no_wrap=True, justify="right")
    for match in matches:
        exchange = (safe(match.exchange, 40),) if has_room else ()
        contract = contract_cells(match, grouped=True) if are_contracts else ()
        table.add_row(Text(safe_symbol(match.symbol), "bold"), safe(match.name, 200), *exchange, *contract)
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
    return Group(table, *sentences)


def _company(reply: InfoReply) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text, unit in company_fields(reply.company, grouped=True):
        if text:
            shown = f"{text} {unit}" if unit else text
            table.add_row(label.capitalize(), Text(shown, "bold" if label == "name" else ""))
    return table
