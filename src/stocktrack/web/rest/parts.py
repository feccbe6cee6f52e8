"""What all operations of REST share: whose session asks, and the answer as it is on the wire."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from stocktrack.web.asgi import IS_FORWARDED, Scope
from stocktrack.web.credentials import no_login
from stocktrack.web.problems import Problem
from stocktrack.web.queries import no_such, parameters_of, stands_twice, wrong
from stocktrack.web.rest.sessions import RestSession, RestSessions

PREFIX = "/api/v1"
_MAX_PARAMETERS = 1_024
# What may be given once for each.
_IN_A_ROW = frozenset({"symbols"})
# With it programs ask past a cache; it says nothing.
_ASKS_ANEW = "_"
# In a scope of ours: whose request it turned out to be, for the headers of the answer.
_ASKING = "stocktrack.asking"


def whose_request(scope: Scope) -> list[RestSession]:
    """Prepare a request to note whose it is: the list gets the session once that is known."""
    found: list[RestSession] = []
    scope[_ASKING] = found
    return found


def sessions_of(request: Request) -> RestSessions:
    """The sessions behind REST of the application that a request came to."""
    sessions = request.app.state.sessions
    assert isinstance(sessions, RestSessions)  # noqa: S101 - `rest_app` puts it there
    return sessions


async def whose(request: Request, sessions: RestSessions, in_address: str = "") -> RestSession:
    """The session of the user whose request it is, which is noted; a token may also stand `in_address`.

    `CommandError` where the address has a parameter that the operation does not have.
    """
    if (login := sessions.credentials.read(request.headers.getlist, in_address)) is None:
        raise no_login()
    asking = await sessions.of_login(login, address_of(request), is_forwarded=request.scope[IS_FORWARDED])
    request.scope[_ASKING].append(asking)
    _refuse_unknown(request)
    return asking


async def _asking(request: Request, sessions: Annotated[RestSessions, Depends(sessions_of)]) -> RestSession:
    return await whose(request, sessions)


Asking = Annotated[RestSession, Depends(_asking)]


def _refuse_unknown(request: Request) -> None:
    """Refuse a parameter that is misspelt: it would be passed over, and another answer be taken for the right one."""
    if not request.scope["query_string"]:
        return
    seen: set[str] = set()
    known = _parameters_of(request.scope["route"])
    for name, _ in parameters_of(request.scope["query_string"], _MAX_PARAMETERS):
        if name not in known and name != _ASKS_ANEW:
            raise wrong(no_such(name, known))
        if name in seen and name not in _IN_A_ROW:
            raise wrong(stands_twice(name))
        seen.add(name)


def _parameters_of(route: APIRoute) -> Sequence[str]:
    """The names that an operation has after the question mark, in the order of its arguments."""
    found, dependants = [field.alias for field in route.dependant.query_params], [*route.dependant.dependencies]
    while dependants:
        dependant = dependants.pop()
        found += [field.alias for field in dependant.query_params]
        dependants += dependant.dependencies
    return found


# The files of operations put theirs here.
router = APIRouter(prefix=PREFIX, responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})


def address_of(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client is not None else "unknown"


def json_answer(
    answer: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """The answer as it is on the wire: what is None is left out."""
    content = answer.__pydantic_serializer__.to_json(answer, exclude_none=True)
    return Response(content, status, headers={"cache-control": "no-store", **(headers or {})}, media_type=media_type)
