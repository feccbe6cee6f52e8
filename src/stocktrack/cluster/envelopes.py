"""What one server tells others, as JSON on its way: a word to all, a question, or the answer to one; no I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from stocktrack.messages import MAX_REPLY_BYTES

# An answer may be a page of sessions, and something stands around it.
MAX_BYTES: Final = 2 * MAX_REPLY_BYTES
_MAX_NAME_CHARS: Final = 32


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message: who sent it, what of, and its fields. A question and its answer have the number `id`."""

    form: Literal["word", "question", "answer"]
    sender: str
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


def write(envelope: Envelope) -> bytes:
    """A message as `read` reads it back."""
    told: dict[str, Any] = {
        "form": envelope.form,
        "from": envelope.sender,
        "kind": envelope.kind,
        "fields": dict(envelope.fields),
    }
    if envelope.id:
        told["id"] = envelope.id
    # Characters as they are: as escapes a page of sessions with names beyond ASCII would be longer than a message may
    # be. What UTF-8 cannot write is an escape all the same, as JSON has it.
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")


def read(payload: bytes) -> Envelope | None:
    """The message; None for whatever else somebody published."""
    if len(payload) > MAX_BYTES:
        return None
    try:
        told = json.loads(payload)
        form, sender, kind = told["form"], told["from"], told["kind"]
        fields, number = told.get("fields", {}), told.get("id", 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    is_one = (
        form in ("word", "question", "answer")
        and all(isinstance(name, str) and 0 < len(name) <= _MAX_NAME_CHARS for name in (sender, kind))
        and isinstance(fields, dict)
        and isinstance(number, int)
    )
    return Envelope(form, sender, kind, fields, number) if is_one else None
