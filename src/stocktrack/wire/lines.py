"""Messages to lines and back: what arrives is refused where JSON's own rules or common sense forbid it.

That is twice the same key, NaN, 1e999, lone surrogates, and absurd nesting. Each refusal is a sentence that names the
field and never tells its value, which may be a password.
"""

import functools
import json
import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.messages import (
    COMMAND_TYPES,
    COMMANDS,
    ERROR_TYPE,
    MAX_ID_CHARS,
    MAX_ID_NUMBER,
    SERVER_TYPES,
    Command,
    Failure,
    Id,
    Missing,
    ServerMessage,
    WithSymbols,
    server_model_of,
)
from stocktrack.quotes import shown

_MAX_FIELDS_NAMED = 5
_MAX_INT_CHARS = 20  # no field takes as many; turning thousands of digits into a number takes long


class BadLine(CommandError):  # noqa: N818 - it is the line that is bad
    """What is no command: of its type and id is kept what could be read, for the reply."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        command_type: str = ERROR_TYPE,
        id: Id | None = None,  # noqa: A002 - the wire's word
    ) -> None:
        super().__init__(reason, message)
        self.command_type = command_type
        self.id = id


def encode_line(message: ServerMessage | Command) -> bytes:
    r"""The message as one line of JSON with its ``\n``; fields that are None are left out."""
    return encode(message) + b"\n"


def encode(message: ServerMessage | Command) -> bytes:
    """The message as one object of JSON; fields that are None are left out."""
    return message.__pydantic_serializer__.to_json(message, exclude_none=True)


def decode_line(line: bytes) -> Command:
    """The command on a line; `BadLine` with the reason, a sentence, and the type and id where they could be read."""
    return parse_command(parse_object(line))


def command_of(command_type: str, /, **fields: Any) -> Command:
    """The command of a program's own values, those that are None left out; `BadLine` where it would be refused."""
    return parse_command({"type": command_type, **{name: value for name, value in fields.items() if value is not None}})


def parse_command(fields: dict[str, Any]) -> Command:
    """The command of the fields of an object; errors as in `decode_line`."""
    kind, id_ = fields.get("type"), _readable_id(fields.get("id"))
    if not isinstance(kind, str):
        message = 'A command needs a "type", such as {"type":"PING"}.'
        if "action" in fields:
            message += ' What has an "action" is taken by the WebSocket /live-price, at the web port.'
        raise BadLine(Reason.INVALID_COMMAND, message, id=id_)
    if kind not in COMMANDS:
        message = f"There is no command {shown(kind)}; there are {', '.join(COMMAND_TYPES)}."
        raise BadLine(Reason.UNKNOWN_COMMAND, message, id=id_)
    for field, what in (("symbols", "a list of symbols"), ("list", "the name of a list")):
        if fields.get(field, ()) is None and field in _fields_of(kind):
            # Left out it can mean "all of them"; a null is more likely a script's empty variable.
            message = f"{kind}: the field {field!r} is null: send {what}, or leave the field out."
            raise BadLine(Reason.INVALID_COMMAND, message, command_type=kind, id=id_)
    try:
        return COMMANDS[kind].command.model_validate(fields)
    except ValidationError as error:
        message = f"{kind}: {_complaint(error, kind, fields)}"
        raise BadLine(Reason.INVALID_COMMAND, message, command_type=kind, id=id_) from None


def decode_server_line(line: bytes) -> ServerMessage | None:
    """The server message on a line, None for a type this version does not know; `ValueError` for anything else."""
    try:
        fields = json.loads(line)
    except RecursionError as error:
        raise ValueError("a line nested too deeply") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise ValueError("not a line of the StockTrack protocol")  # noqa: TRY004 - the bytes are wrong, not their type
    if fields["type"] not in SERVER_TYPES:
        return None
    model = server_model_of(fields["type"], is_failure="reason" in fields)
    # Values such as a quote forbid unknown fields, which finds mistakes of ours; a newer server's are no mistakes.
    return model.model_validate(fields, extra="ignore")


def failure(
    error: StockTrackError, command: Command | None = None, missing: tuple[Missing, ...] | None = None
) -> Failure:
    """The reply that tells `error` to the sender of `command`, or of a line that was none."""
    kind, id_ = (command.type, command.id) if command is not None else (ERROR_TYPE, None)
    if isinstance(error, BadLine):
        kind, id_ = error.command_type, error.id
    return Failure(
        type=kind,
        id=id_,
        code=error.code,
        reason=error.reason,
        message=error.message,
        retryable=error.reason.retryable,
        retry_after_ms=error.retry_after_ms,
        missing=missing,
    )


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object on a line, by strict rules; `BadLine` (`malformed_json`) says what is wrong with it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        _malformed(f"The line is not UTF-8: byte {error.start + 1} cannot be read.")
    if text.startswith("\ufeff"):
        _malformed("The line begins with a byte order mark; send UTF-8 without one.")
    try:
        value = _decode(text)
        if "\\u" in text:
            # An escaped half of a surrogate pair parses, but no line of UTF-8 can ever repeat it.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except BadLine:
        raise
    except UnicodeEncodeError:
        _malformed("The line holds half of a surrogate pair (\\ud800 to \\udfff), which is no character.")
    except RecursionError:
        _malformed("The line is nested too deeply.")
    except json.JSONDecodeError as error:
        # Some of the library's texts end in "at" or a colon themselves.
        what = error.msg.rstrip(": ").removesuffix(" at")
        _malformed(f"The line is not JSON: {what} at character {error.pos + 1}.")
    if not isinstance(value, dict):
        raise BadLine(Reason.INVALID_COMMAND, 'A command is a JSON object, such as {"type":"PING"}.')
    return value


def _malformed(message: str) -> NoReturn:
    raise BadLine(Reason.MALFORMED_JSON, message) from None


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                _malformed(f"The field {shown(key)} stands twice in one object.")
            seen.add(key)
    return fields


def _no_constant(name: str) -> NoReturn:
    _malformed(f"{name} is not JSON.")


# A number that is refused is not repeated: it may be a password without its quotes.


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _malformed("A number is too large: at most 1.8e308 is taken.")
    return value


def _int(text: str) -> int:
    if len(text) > _MAX_INT_CHARS:
        _malformed(f"A number is too long: at most {_MAX_INT_CHARS} digits are taken.")
    return int(text)


# One decoder for all lines: `json.loads` would make one for each.
_decode = json.JSONDecoder(
    object_pairs_hook=_object_of_pairs, parse_constant=_no_constant, parse_float=_finite, parse_int=_int
).decode


def _readable_id(value: Any) -> Id | None:
    if isinstance(value, str) and len(value) <= MAX_ID_CHARS:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_ID_NUMBER:
        return value
    return None


# Fields whose text has a form, and what is of it.
_LOOKS: Final[Mapping[str, str]] = {
    "currency": "EUR, a code of three capital letters",
    **dict.fromkeys(("lot", "after_lot"), "l3, as HOLDINGS lists it"),
    **dict.fromkeys(("alert", "after"), "a7, as MY_ALERTS lists it"),
}


def _complaint(error: ValidationError, kind: str, sent: dict[str, Any]) -> str:
    """What is wrong with a command, as the end of a sentence that names the field and never tells its value."""
    complaints = error.errors(include_url=False, include_input=False)
    # A misspelt field comes first: what is missing then is often only a consequence of it.
    unknown = [shown(str(complaint["loc"][0])) for complaint in complaints if complaint["type"] == "extra_forbidden"]
    if unknown:
        named = ", ".join(unknown[:_MAX_FIELDS_NAMED]) + (", …" if len(unknown) > _MAX_FIELDS_NAMED else "")
        return f"there is no field {named}; there are {', '.join(_fields_of(kind))}."
    complaint = complaints[0]
    # Behind the field may stand an index or a member of a union.
    location = list(complaint["loc"])
    if not location:  # a rule of the whole command
        return f"{complaint['ctx']['error']}."
    field = str(location[0])
    if field == "symbols" and "symbol" in sent:
        field, location = "symbol", location[:1]
    if field == "id":
        return f"the field 'id' must be a string of at most {MAX_ID_CHARS} characters or a whole number below 2^53."
    is_entry = field in {"symbols", "targets"} and len(location) > 1
    what = f"an entry of the field {field!r}" if is_entry else f"the field {field!r}"
    limits = complaint.get("ctx", {})
    match complaint["type"]:
        case "missing":
            return f"{what} is missing."
        case "value_error":
            reason = str(limits["error"])
            return f"{what} {reason}." if reason.startswith("must ") else f"{what}: {reason}."
        case "string_type":
            return f"{what} must be a string."
        case "string_pattern_mismatch":
            return f"{what} must look like {_LOOKS[field]}." if field in _LOOKS else f"{what} is not of the right form."
        case "string_too_short":
            return f"{what} must not be empty."
        case "string_too_long":
            return f"{what} must have at most {limits['max_length']} characters."
        case "enum":
            # As pydantic says it: 'a', 'b' or 'c'.
            return f"{what} must be one of {str(limits['expected']).replace(' or ', ', ').replace(chr(39), '')}."
        case "bool_type":
            return f"{what} must be true or false."
        case "float_type":
            return f"{what} must be a number."
        case "finite_number":
            return f"{what} must be a number, and neither NaN nor infinite."
        case "string_unicode":
            return f"{what} holds half of a surrogate pair, which is no character."
        case "int_type" | "int_from_float" | "greater_than_equal" | "less_than_equal":
            return f"{what} must be {_range_of(kind, field)}."
        case "too_long":
            return f"{what} must have at most {limits['max_length']} entries."
        case "too_short" | "tuple_type":
            least_entries = " with at least one entry" if field == "symbols" else ""
            return f"{what} must be a list{least_entries}."
        case _:
            return f"{what} is not of the right kind."


@functools.cache
def _fields_of(kind: str) -> tuple[str, ...]:
    """The names of a command's fields, as a client may write them."""
    model = COMMANDS[kind].command
    takes_one = issubclass(model, WithSymbols)
    return tuple(
        field
        for name in model.model_fields
        for field in ((name, "symbol") if takes_one and name == "symbols" else (name,))
    )


@functools.cache
def _range_of(kind: str, field: str) -> str:
    """What a field that is a number may be."""
    schema = COMMANDS[kind].command.model_json_schema(by_alias=False)["properties"][field]
    # Of a field that may be null, too, the rules stand in a branch of their own.
    rules = next(each for each in schema.get("anyOf", (schema,)) if each.get("type") in {"integer", "number"})
    least, most = (rules.get(name) for name in ("minimum", "maximum"))
    number = "a whole number" if rules["type"] == "integer" else "a number"
    if least is None or most is None:
        return number
    return f"{number} from {least:.0f} to {most:.0f}"
