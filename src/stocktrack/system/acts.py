"""What the trail tells of, by the names that stay as they are."""

from enum import StrEnum


class Act(StrEnum):
    """What is told; the value is the event's name."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    REFUSED = "refused"
    STORAGE_FAILED = "storage_failed"
    TOKEN_MADE = "token_made"  # noqa: S105 - an event's name, as the following are
    TOKENS_REVOKED = "tokens_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    USER_ADDED = "user_added"
    USER_REMOVED = "user_removed"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    ADMIN_GRANTED = "admin_granted"
    ADMIN_WITHDRAWN = "admin_withdrawn"
    SESSION_ENDED = "session_ended"
    SESSION_KICKED = "session_kicked"
    ANNOUNCED = "announced"
    USER_MUTED = "user_muted"
    USER_UNMUTED = "user_unmuted"


ALL_TOKENS = "all"  # stands where the id of one token would
