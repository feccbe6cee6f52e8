"""The time zone of this machine by its name, for what a server is to do at certain hours of a person's day."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stocktrack.alerting import known_zone

_MOST_BYTES: Final = 256
_DATABASE = "zoneinfo/"
# Copies of the database that differ in how they count leap seconds; the names in them are the same.
_COPIES = ("posix/", "right/")
# Files of the database that are no zone of their own.
_NO_NAMES = frozenset({"localtime", "posixrules", "Factory"})


def machine_zone(*, environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> str | None:
    """The name of the time zone, such as Europe/Berlin; None where the machine's zone has no name that is known.

    `TZ` decides where it is set, then `/etc/localtime` and `/etc/timezone`. Nothing is read but a name.
    """
    if "TZ" in environment:
        # POSIX: empty is UTC, a colon may stand before it, and `CET-1CEST` is a zone without a name.
        return _named(environment["TZ"].removeprefix(":") or "UTC")
    return _of_link(root / "etc/localtime") or _of_file(root / "etc/timezone")


def _of_link(path: Path) -> str | None:
    """The name by where a link leads, followed step by step: aliases in the database are links as well."""
    try:
        for _ in range(8):
            target = path.readlink()
            if found := _named(str(target)):
                return found
            path = path.parent / target
    except (OSError, ValueError):
        pass
    return None


def _of_file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(_MOST_BYTES)
    except OSError:
        return None
    lines = head.decode(errors="replace").splitlines()
    return _named(lines[0].strip()) if lines else None


def _named(text: str) -> str | None:
    """The zone that a name or a path into the database of zones means."""
    name = text.rpartition(_DATABASE)[2]
    for copy in _COPIES:
        name = name.removeprefix(copy)
    if not name or name.startswith(("/", ".")) or name in _NO_NAMES:
        return None
    try:
        return known_zone(name)
    except ValueError:
        return None
