"""What sessions are called: by a number, and by their server where several servers know of each other."""

import re

from stocktrack.errors import CommandError, Reason

_NAME = re.compile(r"s([0-9]{1,15})(?:-([a-z0-9]{1,12}))?", re.ASCII)


def session_name(number: int, server: str | None = None) -> str:
    """`s7`, or `s7-k3f9x` for the seventh session of the server `k3f9x`."""
    return f"s{number}" if server is None else f"s{number}-{server}"


def read_session_name(name: str) -> tuple[int, str | None]:
    """The number in a session's name, and its server where it names one; `CommandError` for what can be no name."""
    if (found := _NAME.fullmatch(name)) is None:
        raise CommandError(Reason.INVALID_COMMAND, f"{name!r} is no session's name, such as s7.")
    return int(found[1]), found[2]
