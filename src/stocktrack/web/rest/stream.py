"""The stream of prices among the operations of REST, so that it is described with them.

A GET is answered below this, with a session of its own and events (`web/event_streams.py`). What comes here is HEAD,
and whatever asks the application without a connection: it gets the head of the answer.
"""

from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.responses import Response

from stocktrack.messages import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from stocktrack.web.event_text import MEDIA_TYPE
from stocktrack.web.rest.parts import router, sessions_of, whose
from stocktrack.web.rest.sessions import RestSession, RestSessions

_EXAMPLE = (
    'id: b7c1:41:AAPL\ndata: {"type":"PRICE","code":100,"status":"CONTINUE","symbol":"AAPL","price":189.45,…}\n\n'
)


async def _listening(
    request: Request,
    sessions: Annotated[RestSessions, Depends(sessions_of)],
    token: Annotated[str | None, Query(description="instead of the header, which an EventSource can't send")] = None,
) -> RestSession:
    return await whose(request, sessions, (token or "").strip())


@router.get(
    "/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: each price without a name, so that `onmessage` sees it, as the PRICE "
            "of the protocol; a NOTICE as the event `notice`.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        204: {"description": "The stream has ended for good (`Last-Event-ID: over`): a browser does not come back."},
    },
)
async def stream(
    listening: Annotated[RestSession, Depends(_listening)],
    symbols: Annotated[list[str], Query(description="AAPL,TSLA, also as symbols=AAPL&symbols=TSLA")],
    *,
    interval: Annotated[
        float,
        Query(
            description="seconds between pushes of all of them; 0 as prices change, else "
            f"{MIN_INTERVAL_SECONDS:g} to {MAX_INTERVAL_SECONDS:g}"
        ),
    ] = 0,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="the last id that was seen: that price is left out")
    ] = None,
    in_address: Annotated[
        str | None, Query(alias="lastEventId", description="the same, for a stand-in for EventSource")
    ] = None,
) -> Response:
    """Prices as they change, as server-sent events, until the client or the server ends it; nothing is saved."""
    return Response(media_type=MEDIA_TYPE, headers={"cache-control": "no-store, no-transform"})
