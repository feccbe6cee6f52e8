"""What all operations of REST share: whose session asks, and the answer as it is on the wire."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from stocktrack.errors import CommandError, Reason
from stocktrack.messages import Missing
from stocktrack.web.asgi import IS_FORWARDED
from stocktrack.web.rest_sessions import RestSession, RestSessions


class Problem(BaseModel):
    """What went wrong (RFC 9457), with the protocol's reason and when to try again."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    reason: str
    retryable: bool
    retry_after_ms: int | None = None
    missing: tuple[Missing, ...] | None = None


def sessions_of(request: Request) -> RestSessions:
    """The sessions behind REST of the application that a request came to."""
    sessions = request.app.state.sessions
    assert isinstance(sessions, RestSessions)  # noqa: S101 - `rest_app` puts it there
    return sessions


async def _asking(request: Request, sessions: Annotated[RestSessions, Depends(sessions_of)]) -> RestSession:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise CommandError(
            Reason.NOT_AUTHENTICATED,
            "This needs a token: get one from /api/v1/login and send it as Authorization: Bearer TOKEN.",
        )
    return await sessions.of_token(token.strip(), address_of(request), is_forwarded=request.scope[IS_FORWARDED])


Asking = Annotated[RestSession, Depends(_asking)]
# The files of operations put theirs here.
router = APIRouter(prefix="/api/v1", responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})


def address_of(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client is not None else "unknown"


def json_answer(
    answer: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """The answer as it is on the wire: what is None is left out."""
    content = answer.__pydantic_serializer__.to_json(answer, exclude_none=True)
    return Response(content, status, headers={"cache-control": "no-store", **(headers or {})}, media_type=media_type)
