"""What answers a command: the registry that the files of answers fill, and what their errors share.

A new command gets its function in one of these files, with `@answers(Model)` above it. It raises a `StockTrackError`
where it fails.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from stocktrack.errors import CommandError, StockTrackError
from stocktrack.messages import Command, Reply
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.pages import as_missing

REPLY_HEAD_BYTES = 1_024  # what stands around what a reply lists, the command's id included

Asked = TypeVar("Asked", bound=Command)
Answered = TypeVar("Answered", bound=Reply)

ANSWERS: dict[type[Command], Callable[[Asker, Any], Awaitable[Reply]]] = {}


def answers(
    command: type[Asked],
) -> Callable[[Callable[[Asker, Asked], Awaitable[Answered]]], Callable[[Asker, Asked], Awaitable[Answered]]]:
    """Make the function below it the answer to `command`."""

    def register(
        answer: Callable[[Asker, Asked], Awaitable[Answered]],
    ) -> Callable[[Asker, Asked], Awaitable[Answered]]:
        ANSWERS[command] = answer
        return answer

    return register


class AllMissingError(CommandError):
    """Every symbol of a command failed: 500 where any of them is one, else 429 where any is, else 404."""

    def __init__(self, missing: Mapping[str, StockTrackError]) -> None:
        worst = max(missing.values(), key=lambda error: (error.code, error.retry_after_ms or 0))
        super().__init__(worst.reason, worst.message, retry_after_ms=worst.retry_after_ms)
        self.missing = as_missing(missing)
