"""What a recorded row is: the fields of a PRICE in a fixed order, or a hole and why it is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import ValidationError

from stocktrack.errors import Code
from stocktrack.messages import Price, ServerMessage

# What says that a row is a hole, when it began, and why; its end is `received_at`. All three are empty in a price.
HOLE_COLUMNS: Final = ("event", "since", "reason")
_FIRST: Final = ("received_at", "symbol", "price", "currency", "timestamp", "seq")
PRICE_COLUMNS: Final = (
    *_FIRST,
    *(name for name in Price.model_fields if name not in {*ServerMessage.model_fields, *_FIRST}),
)
COLUMNS: Final = (*PRICE_COLUMNS, *HOLE_COLUMNS)
GAP: Final = "gap"


class RecordingError(Exception):
    """A recording cannot be written or read: the sentence names the file, and says what is wrong and what to do."""


class BadRow(ValueError):  # noqa: N818 - it is the row that is bad
    """What stands in a file is no row: the sentence names the column and the value."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A time of which nothing was recorded: `since` and `until` are epoch milliseconds, and `reason` is a sentence."""

    since: int
    until: int
    reason: str


Row = Price | Hole


def _kind_of(name: str) -> type:
    """The type that a column's values have where they are known."""
    if name in HOLE_COLUMNS:
        return int if name == "since" else str
    kinds = _kinds_in(Price.model_fields[name].annotation)
    return next((kind for kind in (bool, int, float) if kind in kinds), str)


def _kinds_in(annotation: Any) -> set[Any]:
    """The types of a union, of an annotated one, or of both in each other."""
    parts = get_args(annotation)
    return {annotation} if not parts else {kind for part in parts for kind in _kinds_in(part)}


KINDS: Final[Mapping[str, type]] = {name: _kind_of(name) for name in COLUMNS}
# What is taken where a file has no such column, as one that somebody wrote by hand.
_ASSUMED: Final = {
    "code": Code.CONTINUE,
    "status": Code.CONTINUE.status,
    "market_state": "unknown",
    "provider": "recorded",
    "stale": False,
    "seq": 0,
}
_INT64: Final = range(-(2**63), 2**63)
_validate = Price.__pydantic_validator__.validate_python


def row_of(fields: Mapping[str, Any]) -> Row:
    """The row with these values of columns, none of which is None; `BadRow` where they make none."""
    for name, value in fields.items():
        if KINDS.get(name) is int and isinstance(value, int) and value not in _INT64:
            raise BadRow(f"{name} is a number of more than 64 bits")
    if "event" in fields:
        return _hole_of(fields["event"], fields)
    given = {**_ASSUMED, **fields}
    if "received_at" not in given and "timestamp" in given:
        given["received_at"] = given["timestamp"]
    for name in ("symbol", "price", "received_at"):
        if name not in given:
            raise BadRow(f"{name} is missing")
    try:
        price: Price = _validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise BadRow(f"{wrong['loc'][0]} = {wrong['input']!r}: {wrong['msg'].removeprefix('Input ')}") from None
    return price


def _hole_of(event: object, fields: Mapping[str, Any]) -> Hole:
    since, until = fields.get("since"), fields.get("received_at")
    if event != GAP:
        raise BadRow(f"event = {event!r}: the only event is {GAP!r}")
    if not isinstance(since, int) or not isinstance(until, int):
        raise BadRow("a gap needs since and received_at, its beginning and its end in epoch milliseconds")
    return Hole(since, until, str(fields.get("reason") or ""))
