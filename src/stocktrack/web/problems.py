"""What goes wrong as problem details (RFC 9457), with the protocol's reason: one shape for all of REST's failures."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, Field

from stocktrack.errors import CommandError, Reason
from stocktrack.messages import Failure, Missing
from stocktrack.web.asgi import Send, respond
from stocktrack.web.statuses import status_of
from stocktrack.wire.lines import failure

PROBLEM_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457), with the protocol's reason and when to try again."""

    type: str = "about:blank"
    title: str = Field(description="what the status means")
    status: int
    detail: str = Field(description="a sentence: what happened, which value, and what to do")
    reason: Reason
    retryable: bool = Field(description="whether the same request can succeed later")
    retry_after_ms: int | None = Field(default=None, description="when, where that is known")
    missing: tuple[Missing, ...] | None = Field(default=None, description="of several symbols, which failed and why")


def problem_of(failure: Failure, status: HTTPStatus | None = None) -> Problem:
    """The failure as a problem; its status is what HTTP means by its reason, unless it was HTTP itself that failed."""
    code = status_of(failure) if status is None else status
    return Problem(
        title=code.phrase,
        status=code.value,
        detail=failure.message,
        reason=failure.reason,
        retryable=failure.retryable,
        retry_after_ms=failure.retry_after_ms,
        missing=failure.missing,
    )


def problem_bytes(status: HTTPStatus, reason: Reason, detail: str) -> bytes:
    """The body that tells what HTTP itself refuses."""
    problem = problem_of(failure(CommandError(reason, detail)), status)
    return problem.model_dump_json(exclude_none=True).encode()


async def respond_problem(
    send: Send, status: HTTPStatus, reason: Reason, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer a request with a problem."""
    await respond(
        send,
        status,
        problem_bytes(status, reason, detail),
        [(b"cache-control", b"no-store"), *headers],
        content_type=PROBLEM_TYPE,
    )
