"""What the sessions that a token opens may do."""

from enum import StrEnum


class Scope(StrEnum):
    """Read prices, news and lists, or everything that the token's user may."""

    READ = "read"
    FULL = "full"
