"""What goes wrong as the answer of REST: problem details (RFC 9457) with the protocol's reason."""

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.messages import Failure
from stocktrack.quotes import shown
from stocktrack.web.problems import PROBLEM_TYPE, problem_of
from stocktrack.web.rest.parts import json_answer, sessions_of
from stocktrack.web.rest.sessions import RefusedError
from stocktrack.web.statuses import headers_of
from stocktrack.wire.lines import failure


def _problem(failure: Failure, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    problem = problem_of(failure, None if status is None else HTTPStatus(status))
    return json_answer(problem, problem.status, {**(headers or {}), **headers_of(failure)}, PROBLEM_TYPE)


# For bytes that are no UTF-8, too deep nesting and a number without end, too.
_NO_JSON: Final = "The body is no JSON that can be read here."

Handler = Callable[[Request, Exception], Awaitable[Response]]


async def _on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - it is registered for these alone
    return _problem(error.failure)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StockTrackError)  # noqa: S101 - it is registered for these alone
    sessions_of(request).trail.failed(error)
    return _problem(failure(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these alone
    # What was sent is not repeated: it may be a password.
    first = error.errors()[0]
    if first["loc"] == ("body",) and not _says_json(request):
        # As `curl -d` sends it, which says that it is a form.
        why = "The body has to be JSON, with the header Content-Type: application/json."
        told = failure(CommandError(Reason.INVALID_COMMAND, why))
        if first["type"] == "missing":
            return _problem(told)
        return _problem(told, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"accept": "application/json"})
    return _problem(failure(CommandError(Reason.INVALID_COMMAND, _complaint(first))))


def _complaint(error: Mapping[str, Any]) -> str:
    """What is wrong with a parameter or a field, in a sentence; its value is told where it stood in the address."""
    place, *names = error["loc"]
    if error["type"] == "json_invalid" or not names:
        return _NO_JSON
    of = "The field {} of the body" if place == "body" else "The parameter {}"
    named = of.format(shown(".".join(map(str, names))))
    if error["type"] == "missing":
        return f"{named} is missing."
    why = str(error["msg"]).removeprefix("Value error, ")  # of a rule of ours, as pydantic tells it
    why = re.sub(r"^Input |^String |^Value |^(?=must )", "it ", why)
    was = f" is {shown(str(error['input']))}" if place != "body" else ""
    return f"{named}{was}: {why}."


async def _on_crash(_: Request, error: Exception) -> Response:
    return _problem(failure(CommandError(Reason.INTERNAL_ERROR, "The server failed to do this; its log says why.")))


def _says_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower().endswith("json")


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # The one that FastAPI raises by itself.
        return _problem(failure(CommandError(Reason.INVALID_COMMAND, _NO_JSON)))
    why = CommandError(Reason.UNKNOWN_COMMAND, f"{error.detail}: /docs lists the operations there are.")
    return _problem(failure(why), error.status_code, error.headers)


HANDLERS: dict[type[Exception], Handler] = {
    RefusedError: _on_refused,
    StockTrackError: _on_error,
    RequestValidationError: _on_invalid,
    HTTPException: _on_http_error,
    Exception: _on_crash,
}
