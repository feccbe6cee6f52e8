"""Which status of HTTP a failure has."""

from http import HTTPStatus

from stocktrack.errors import Reason
from stocktrack.messages import Failure

# Where HTTP means something else by the number of the protocol.
_STATUS = {
    Reason.SHUTDOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    Reason.LINE_TOO_LONG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.SESSION_LIMIT: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.STORAGE_ERROR: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.SERVER_UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(failure: Failure) -> HTTPStatus:
    """The status, which is the code of the protocol where HTTP means the same by it."""
    return HTTPStatus(_STATUS.get(failure.reason, int(failure.code)))


def retry_after(failure: Failure) -> dict[str, str]:
    """The header that says when to try again, in whole seconds; none where that is not known."""
    return {} if failure.retry_after_ms is None else {"retry-after": str(-(-failure.retry_after_ms // 1000))}
