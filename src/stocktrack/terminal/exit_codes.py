"""What the client commands exit with, so that a script knows what happened without reading a sentence."""

import math
import re
from collections.abc import Iterable
from enum import IntEnum

from stocktrack.client.errors import (
    BadRequest,
    ClientError,
    CommandFailed,
    NotAuthorised,
    NotFound,
    NothingListens,
    TooManyRequests,
)
from stocktrack.errors import Code, Reason
from stocktrack.messages import Missing
from stocktrack.quotes import MAX_SYMBOL_LENGTH, clean_text
from stocktrack.terminal.words import lack_words

# So many others that are missing for the same reason are told in one sentence, fewer where it is a long one; and so
# many of them by name.
_MANY = 3
_MOST_NAMED = 8


class ExitCode(IntEnum):
    """The exit codes of every command of StockTrack."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_AUTHORISED = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130
    BROKEN_PIPE = 141  # 128 + SIGPIPE, as `cat` and `grep` end when their reader has gone
    TERMINATED = 143


def exit_code_of(error: ClientError) -> ExitCode:
    """The exit code for a command that ended with `error`."""
    match error:
        case BadRequest():
            return ExitCode.USAGE
        case NotAuthorised():
            return ExitCode.NOT_AUTHORISED
        case NotFound():
            return ExitCode.NOT_FOUND
        case TooManyRequests():
            return ExitCode.UNAVAILABLE
        case CommandFailed():
            return ExitCode.UNAVAILABLE if error.retryable else ExitCode.FAILED
        case _:
            return ExitCode.UNAVAILABLE


def exit_code_of_missing(missing: Iterable[Missing]) -> ExitCode:
    """The exit code for a command that was answered except for `missing`."""
    codes = {each.code for each in missing}
    if not codes:
        return ExitCode.DONE
    return ExitCode.NOT_FOUND if Code.NOT_FOUND in codes else ExitCode.UNAVAILABLE


def sentence_of(error: ClientError) -> str:
    """What went wrong, and where that helps what to do about it; the notes of the error stand behind it."""
    return " ".join([_sentence_of(error), *getattr(error, "__notes__", ())])


def _sentence_of(error: ClientError) -> str:
    if isinstance(error, NothingListens):
        return f"{error.message} Start one with `stocktrack serve`, or look around with `stocktrack demo`."
    if isinstance(error, CommandFailed) and error.reason is Reason.UNKNOWN_COMMAND:
        # This program only sends commands that there are; the server goes on to list those that it has.
        return f"{error.message.partition(';')[0].rstrip('.')} at this server: it is older than this program."
    if isinstance(error, CommandFailed) and len(error.missing) > 1 and _are_unknown(error.missing):
        return _counted(error.missing[0], list(error.missing[1:]))
    if isinstance(error, CommandFailed) and len(error.missing) > _MANY:
        return " ".join(missing_sentences(error.missing))  # the server's sentence is of the first one
    if isinstance(error, CommandFailed):
        told = [each for each in error.missing if each.symbol not in error.message]
        return " ".join([error.message, *map(missing_sentence, told)])
    return error.message


def missing_sentence(missing: Missing) -> str:
    """`NOPE: unknown symbol.`, or what the server says of it, and the time of the next try where it told it."""
    symbol = clean_text(missing.symbol, MAX_SYMBOL_LENGTH)
    if missing.message:
        told = clean_text(missing.message, 500)
        sentence = told if symbol in told else f"{symbol}: {told}"
        sentence = sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."
    else:
        sentence = f"{symbol}: {lack_words(missing.reason)}."
    if missing.retry_after_ms is None:
        return sentence
    return f"{sentence[:-1]}; try again in {math.ceil(missing.retry_after_ms / 1000)} s."


def missing_sentences(missing: Iterable[Missing]) -> list[str]:
    """A sentence for each, and one for many that are missing for the same reason."""
    alike: dict[str, list[Missing]] = {}
    for each in missing:
        told = re.sub(rf"(?<!\w){re.escape(each.symbol)}(?!\w)", "\0", each.message or "")
        alike.setdefault(f"{each.reason} {told} {each.retry_after_ms}", []).append(each)
    sentences: list[str] = []
    for first, *others in alike.values():
        if len(others) < (1 if first.message else _MANY):
            sentences += map(missing_sentence, (first, *others))
            continue
        if not first.message and first.retry_after_ms is None:
            sentences.append(_counted(first, others))
            continue
        names = ", ".join(clean_text(each.symbol, MAX_SYMBOL_LENGTH) for each in others[:_MOST_NAMED])
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        sentences.append(f"{missing_sentence(first)} The same goes for {names}{more}.")
    return sentences


def _are_unknown(missing: Iterable[Missing]) -> bool:
    """Whether nothing else is to be said of them."""
    return all(
        each.reason is Reason.UNKNOWN_SYMBOL and not each.message and each.retry_after_ms is None for each in missing
    )


def _counted(first: Missing, others: list[Missing]) -> str:
    """`60 unknown symbols: X1, X2, …`, with as many names as can be read at a glance."""
    named = [clean_text(each.symbol, MAX_SYMBOL_LENGTH) for each in (first, *others)][:_MOST_NAMED]
    count = 1 + len(others)
    more = f" and {count - len(named)} more" if count > len(named) else ""
    reason = lack_words(first.reason)
    what = f"{count} {reason}s" if first.reason is Reason.UNKNOWN_SYMBOL else f"{count} symbols, {reason}"
    return f"{what}: {', '.join(named)}{more}."
