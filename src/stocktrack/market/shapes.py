"""Whether what a source answered is an answer at all: the types of Python keep no source of others from anything."""

import math
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from stocktrack.bars import Split
from stocktrack.errors import StockTrackError
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Capability, QuoteAnswer, SourceBars
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote, TradingDay

_LISTS: Mapping[Capability, type[object]] = {
    Capability.NEWS: Headline,
    Capability.SYMBOL_NEWS: Headline,
    Capability.DIVIDENDS: Dividend,
    Capability.SEARCH: Match,
}
_SINGLES: Mapping[Capability, type[object]] = {Capability.COMPANY: CompanyInfo, Capability.HOURS: TradingDay}
# Where None says that the source has nothing.
_MAY_BE_NONE = frozenset(
    {Capability.SYMBOL_NEWS, Capability.DIVIDENDS, Capability.COMPANY, Capability.HOURS, Capability.HISTORY}
)


def check_quotes(answer: object) -> QuoteAnswer:
    """`answer`, where each part of it is what it has to be; else a `TypeError` that says which is not."""
    if not isinstance(answer, QuoteAnswer):
        raise TypeError(f"quotes() returned {type(answer).__name__}, which is no QuoteAnswer")
    errors = {"failed": answer.failed, "put_off": answer.put_off, "not_offered": answer.not_offered}
    for part, content in {"quotes": answer.quotes, **errors}.items():
        if not isinstance(content, Mapping):
            raise TypeError(f"quotes() answered with {part} that are no mapping, but {type(content).__name__}")
    quotes: Mapping[str, object] = answer.quotes
    for symbol, quote in quotes.items():
        if not isinstance(quote, Quote) or quote.symbol != symbol:
            raise TypeError(f"quotes() answered under {symbol!r} with what is no Quote of it")
        try:
            # A copy with other values is not looked at by pydantic, and a number that is none spoils a whole line.
            kind = BoardQuote if isinstance(quote, BoardQuote) else Quote
            kind.model_validate(quote.__dict__, strict=True)
        except ValidationError as wrong:
            where = ".".join(map(str, wrong.errors(include_url=False, include_input=False)[0]["loc"]))
            raise TypeError(f"quotes() answered under {symbol!r} with a Quote whose {where} cannot be") from wrong
    for part, content in errors.items():
        for symbol, error in content.items():
            if not isinstance(error, StockTrackError):
                raise TypeError(f"quotes() answered in {part} under {symbol!r} with what is no StockTrackError")
    if not isinstance(answer.unknown, frozenset | set):
        raise TypeError(f"quotes() answered with unknown symbols that are no set, but {type(answer.unknown).__name__}")
    return answer


def check_answer(capability: Capability, answer: object) -> None:
    """`TypeError` where `answer` is nothing that can be answered to what was asked, which is no question of quotes."""
    if answer is None and capability in _MAY_BE_NONE:
        return
    if capability is Capability.HISTORY:
        _check_history(answer)
        return
    if (single := _SINGLES.get(capability)) is not None:
        is_right, what = isinstance(answer, single), single.__name__
    else:
        each = _LISTS[capability]
        is_right = isinstance(answer, Sequence) and all(isinstance(item, each) for item in answer)
        what = f"sequence of {each.__name__}"
    if not is_right:
        raise TypeError(f"asked for {capability}, the source answered with {type(answer).__name__} that is no {what}")


def _check_history(answer: object) -> None:
    """`TypeError` where it is neither bars, in order and each possible, nor splits."""
    if isinstance(answer, Sequence) and all(isinstance(item, Split) and item.ratio > 0 for item in answer):
        return
    if not isinstance(answer, SourceBars):
        raise TypeError(f"asked for history, the source answered with {type(answer).__name__}")
    before = -math.inf
    for bar in answer.bars:
        prices = (bar.open, bar.high, bar.low, bar.close)
        if not all(map(math.isfinite, prices)) or not bar.low <= min(bar.open, bar.close) <= max(prices) <= bar.high:
            raise TypeError(f"asked for history, the source answered with a bar that cannot be, of {bar.time}")
        if bar.time <= before:
            raise TypeError(f"asked for history, the source answered with bars out of order, at {bar.time}")
        before = bar.time
    if answer.factors is not None and len(answer.factors) != len(answer.bars):
        raise TypeError("asked for history, the source answered with more or fewer factors than bars")
