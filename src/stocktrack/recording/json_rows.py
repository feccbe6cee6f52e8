"""Rows as lines of JSON, and back: one object a line, what is not known left out."""

import json
from typing import Final

from stocktrack.messages import Price, ServerMessage
from stocktrack.recording.rows import GAP, KINDS, BadRow, Hole, Row, row_of

BEGINS: Final = b'{"received_at":'  # each line of ours
_APART: Final = {*ServerMessage.model_fields, "received_at"}


def encode(row: Row) -> bytes:
    """The line of a row, with its line end."""
    if isinstance(row, Hole):
        told = {"received_at": row.until, "event": GAP, "since": row.since, "reason": row.reason}
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    rest = Price.__pydantic_serializer__.to_json(row, exclude_none=True, exclude=_APART)
    return b"%b%d,%b\n" % (BEGINS, row.received_at, rest[1:])


def read(line: str) -> Row:
    """The row on a line, which may have other fields beside ours, as a PRICE has; `BadRow` where it is none."""
    try:
        fields = json.loads(line)
    except RecursionError:
        raise BadRow("the line is nested too deeply") from None
    except ValueError as error:
        raise BadRow(f"the line is no JSON ({error})") from None
    if not isinstance(fields, dict):
        raise BadRow("the line is no JSON object")
    known = {name: value for name, value in fields.items() if value is not None and name in KINDS}
    for name, value in known.items():
        kind = KINDS[name]
        kinds = (int, float) if kind is float else kind
        if isinstance(value, bool) is not (kind is bool) or not isinstance(value, kinds):
            raise BadRow(f"{name} = {str(value)[:40]!r} is not of the right kind")
    return row_of(known)
