"""REST under `/api/v1`: each operation is a command of the protocol, and each answer its reply as it is on the wire.

Errors are problem details (RFC 9457) with the protocol's `reason`.
"""

from fastapi import FastAPI

from stocktrack.web.asgi import AsgiApp
from stocktrack.web.rest import account, admin, lists, market, own, stream  # noqa: F401 - their operations are put into the router
from stocktrack.web.rest.manners import Manners
from stocktrack.web.rest.parts import router
from stocktrack.web.rest.problems import HANDLERS
from stocktrack.web.rest.sessions import RestSessions


def rest_app(sessions: RestSessions) -> AsgiApp:
    """The application of `/api/v1`."""
    # Its descriptions are documents of ours: FastAPI's page of the operations loads its script from another host.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.sessions = sessions
    app.include_router(router)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return Manners(app, router.routes)
