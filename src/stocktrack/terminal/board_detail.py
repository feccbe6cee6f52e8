"""A symbol over the whole board: its chart, its day and its year, its company, dividends and news as lines; no I/O."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from stocktrack.bars import HistoryRange
from stocktrack.messages import BoardQuote, Price
from stocktrack.quotes import CompanyInfo, Dividend, Headline
from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.board_row import Row
from stocktrack.terminal.cells import cut, wrapped
from stocktrack.terminal.chart import LEAST_ROWS, Chart, Look, draw_chart
from stocktrack.terminal.facts import company_facts, quote_facts
from stocktrack.terminal.text import age_text, amount_text, safe, safe_symbol

_RANGES: Final = tuple(HistoryRange)
# A chart of so many rows takes no more of those that lie below it.
_ENOUGH_CHART_ROWS: Final = 20
_MOST_HEADLINE_LINES: Final = 3
# Pushes carry the price on; the bars are asked for anew.
REFRESH_MS: Final = 60_000
_PARTS: Final = re.compile(r"\x1b\[(\d+)m")
# What the chart's colours are on the board.
_STYLES: Final = {"32": "class:up", "31": "class:down", "2": "class:dim", "1": "class:symbol", "33": "class:stale"}
# What a push tells anew of the quote that the chart was asked for with.
_LIVE: Final = (
    "price",
    "change",
    "change_percent",
    "market_state",
    "timestamp",
    "received_at",
    "stale",
    "stale_reason",
)


class BoardDetail:
    """What is known of one symbol, each part as soon as it is there: `is_wanting`, `put_chart` and the others."""

    def __init__(self, row: Row, before: "BoardDetail | None" = None, *, look: Look | None = None) -> None:
        self._row = row
        self._look = look or Look(columns=0, rows=0, colour=True)
        # Who goes from symbol to symbol compares them by the same chart.
        self._range = HistoryRange.DAY if before is None else before.range
        self._has_candles = before is not None and before.has_candles
        self._charts: dict[HistoryRange, Chart | str] = {}  # a sentence where there is none
        self._asked_at_ms: dict[HistoryRange, int] = {}
        self._company: CompanyInfo | None = None
        self._dividends: tuple[Dividend, ...] = ()
        self._news: tuple[Headline, ...] = ()
        self._top = 0
        self._most_top = 0
        self._ranges_at: list[tuple[HistoryRange, range]] = []  # where the last drawing has them
        self._page = 1
        self.are_facts_wanted = True

    @property
    def symbol(self) -> str:
        """Of what it is."""
        return self._row.symbol

    @property
    def range(self) -> HistoryRange:
        """How far back the chart goes."""
        return self._range

    @property
    def has_candles(self) -> bool:
        """Whether the chart is one of candles."""
        return self._has_candles

    def is_wanting(self, now_ms: int) -> bool:
        """Whether something of it has to be asked for."""
        return self.is_chart_wanted(now_ms) or self.are_facts_wanted

    def is_chart_wanted(self, now_ms: int) -> bool:
        """Whether the chart of its range has to be asked for: the first time, or since it has grown old."""
        asked_at_ms = self._asked_at_ms.get(self._range)
        return asked_at_ms is None or now_ms - asked_at_ms >= REFRESH_MS

    def turn_range(self, by: int) -> None:
        """Go to a longer range, or to a shorter one."""
        at = _RANGES.index(self._range) + by
        self._range = _RANGES[max(0, min(at, len(_RANGES) - 1))]

    def click(self, x: int, line: int) -> None:
        """Go to the range that stands in a place of the drawing."""
        if line + self._top == 0:
            self._range = next((each for each, cells in self._ranges_at if x in cells), self._range)

    def toggle_candles(self) -> None:
        """Draw candles, or a line."""
        self._has_candles = not self._has_candles

    def scroll(self, pages: int) -> None:
        """Move down by as many pages."""
        self.scroll_lines(pages * self._page)

    def scroll_lines(self, lines: int) -> None:
        """Move down by as many lines."""
        self._top = max(0, min(self._top + lines, self._most_top))

    def put_chart(self, range: HistoryRange, chart: Chart | str, now_ms: int) -> None:  # noqa: A002 - the wire's word
        """Take the chart of a range, or the sentence that says why there is none; an old one is better than that."""
        self._asked_at_ms[range] = now_ms
        if isinstance(chart, Chart) or not isinstance(self._charts.get(range), Chart):
            self._charts[range] = chart

    def put_company(self, company: CompanyInfo) -> None:
        """Take what is known of the company."""
        self._company = company

    def put_dividends(self, dividends: Iterable[Dividend]) -> None:
        """Take what it paid last."""
        self._dividends = tuple(dividends)

    def put_news(self, news: Iterable[Headline]) -> None:
        """Take its headlines."""
        self._news = tuple(news)

    @property
    def links(self) -> tuple[str, ...]:
        """The links of the headlines that have one, in their order."""
        return tuple(each.link for each in self._news if each.link)

    def lines(self, width: int, height: int, now_ms: int) -> list[Line]:
        """Exactly `height` lines of exactly `width` cells."""
        below = [*self._facts(width, now_ms), *self._headlines(width, now_ms)]
        # What lies below can be scrolled to.
        least = max(LEAST_ROWS, min(height * 3 // 5, _ENOUGH_CHART_ROWS))
        rows = min(max(least, height - 1 - len(below)), height - 1)
        lines = [self._ranges(width), *self._chart(width, rows, now_ms), *below]
        self._page, self._most_top = max(1, height - 1), max(0, len(lines) - height)
        self._top = min(self._top, self._most_top)
        shown = lines[self._top : self._top + height]
        return [*shown, *([("", " " * width)] for _ in range(height - len(shown)))]

    def _ranges(self, width: int) -> Line:
        labels = [f"[{each.value}]" if each is self._range else f" {each.value} " for each in _RANGES]
        named = f"{safe_symbol(self.symbol)}  "
        if len(named) + sum(map(len, labels)) > width:
            named = ""
        # The range that is shown is in sight.
        at, first = _RANGES.index(self._range), 0
        while first < at and sum(map(len, labels[first : at + 1])) > width:
            first += 1
        line: Line = [("class:symbol", named)] if named else []
        self._ranges_at, x = [], len(named)
        for each, label in zip(_RANGES[first:], labels[first:], strict=True):
            line.append(("class:symbol" if each is self._range else "class:dim", label))
            self._ranges_at.append((each, range(x, x + len(label))))
            x += len(label)
        return cut_line(line, width)

    def _chart(self, width: int, rows: int, now_ms: int) -> Iterator[Line]:
        chart = self._charts.get(self._range)
        if chart is None or isinstance(chart, str):
            for text in wrapped(chart or f"Asking for the chart of {safe_symbol(self.symbol)}…", max(20, width)):
                yield [("class:dim", cut(text, width))]
            return
        live = replace(chart, quote=_live(chart, self._row.price), now_ms=now_ms, has_candles=self._has_candles)
        drawn = draw_chart(live, replace(self._look, columns=width, rows=rows)).splitlines()
        for text in drawn if len(drawn) > 1 else wrapped("".join(drawn), max(20, width)):
            yield cut_line(_styled(text), width)

    def _facts(self, width: int, now_ms: int) -> Iterator[Line]:
        chart = self._charts.get(self._range)
        quote = None if chart is None or isinstance(chart, str) else chart.quote
        facts = [
            *(quote_facts(quote) if quote is not None else ()),
            *(company_facts(self._company, now_ms) if self._company is not None else ()),
        ]
        named: dict[str, str] = {}
        for label, text in facts:
            named.setdefault(label, text)
        named.pop("symbol", None)
        if self._dividends:
            paid = (
                f"{amount_text(each.amount)} {safe(each.currency, 8)}".rstrip() + f" on {each.date}"
                for each in self._dividends
            )
            named["dividends"] = ", ".join(paid)
        if named:
            yield cut_line([], width)
        first = max(map(len, named), default=0) + 2
        for label, text in named.items():
            for index, part in enumerate(wrapped(text, max(20, width - first), break_on_hyphens=False) or [""]):
                begin = f"{label[0].upper()}{label[1:]}" if index == 0 else ""
                yield cut_line([("class:dim", f"{begin:<{first}}"), ("", part)], width)

    def _headlines(self, width: int, now_ms: int) -> Iterator[Line]:
        if self._news:
            yield cut_line([], width)
        number = 0
        for each in self._news:
            age = age_text(each.published, now_ms)
            told = f"{safe(each.title, 300)}  {safe(each.source, 60)}"
            number += 1 if each.link else 0
            # The key that opens it.
            key = str(number) if each.link else " "
            first: Line = [("class:symbol", f"{key} "), ("class:dim", f"{age:>4}  ")]
            indent = sum(len(text) for _, text in first)
            for index, part in enumerate(wrapped(told, max(20, width - indent), max_lines=_MOST_HEADLINE_LINES)):
                yield cut_line([*(first if index == 0 else [("", " " * indent)]), ("", part)], width)


def _live(chart: Chart, price: Price | None) -> BoardQuote | None:
    """The quote that the chart was asked for with, carried on by the pushes."""
    if chart.quote is None or price is None or price.received_at < chart.quote.received_at:
        return chart.quote
    return chart.quote.model_copy(update={name: getattr(price, name) for name in _LIVE})


def _styled(text: str) -> Line:
    """A line of the chart, whose colours are escapes, as parts in the styles of the board."""
    parts = _PARTS.split(text)
    line: Line = [("", parts[0])]
    line += [(_STYLES.get(code, ""), part) for code, part in zip(parts[1::2], parts[2::2], strict=True)]
    return [part for part in line if part[1]]
