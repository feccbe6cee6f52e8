"""Which status of HTTP a failure has, and the headers that say what would help."""

from http import HTTPStatus
from typing import Final

from stocktrack.errors import Reason, StockTrackError
from stocktrack.messages import Failure, Notice

# Where HTTP means something else by the number of the protocol, or can say more: whether it was this server that failed
# or one that it asked (RFC 9110, section 15.6).
STATUS_OF: Final = {
    Reason.SHUTDOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    Reason.LINE_TOO_LONG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.SESSION_LIMIT: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.STORAGE_ERROR: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.SERVER_UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.PROVIDER_ERROR: HTTPStatus.BAD_GATEWAY,
    Reason.PROVIDER_BLOCKED: HTTPStatus.BAD_GATEWAY,
    Reason.PROVIDER_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
}
# With these a client is told when to come back, also where nobody knows: that is when a source is first tried again.
_COMES_BACK: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
)
_RETRY_SECONDS: Final = 2


def status_of(failure: Failure | Notice | StockTrackError) -> HTTPStatus:
    """The status, which is the code of the protocol where HTTP means the same by it."""
    return HTTPStatus(STATUS_OF.get(failure.reason, int(failure.code)))


def headers_of(failure: Failure) -> dict[str, str]:
    """When to try again, in whole seconds, unless another try would come to the same; and of a 401 what is missing.

    That is never a password, for which a browser would ask whoever looks at a page.
    """
    if status_of(failure) is HTTPStatus.UNAUTHORIZED:
        return {**_retry_after(failure), "www-authenticate": "Bearer"}
    return _retry_after(failure)


def _retry_after(failure: Failure) -> dict[str, str]:
    if failure.retry_after_ms is not None:
        return {"retry-after": str(-(-failure.retry_after_ms // 1000))}
    return {"retry-after": str(_RETRY_SECONDS)} if status_of(failure) in _COMES_BACK else {}
