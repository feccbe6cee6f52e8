"""The protocol, version 1: one frozen model per command and per server message, and the lines they are on the wire.

A message is one JSON object in UTF-8 on one line. Above each model stands a real line of it; the same lines are in
`docs/protocol.md` and in the tests, which parse them. What arrives is parsed by `decode_line`, which refuses what
JSON's own rules or common sense forbid (duplicate keys, NaN, 1e999, lone surrogates, absurd nesting).
"""

import json
import math
from typing import Annotated, Any, ClassVar, Literal, NoReturn, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    SerializeAsAny,
    Strict,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Match, Quote, Symbol, clean_text

PROTOCOL_VERSION = 1
MAX_REPLY_BYTES = 262_144
MIN_INTERVAL_SECONDS = 0.1
MAX_INTERVAL_SECONDS = 3_600.0
MAX_LIST_LIMIT = 100
_MAX_ID_CHARS = 128
_MAX_ID_NUMBER = 2**53 - 1  # what every JSON library keeps exactly

Id = (
    Annotated[str, Strict(), Field(max_length=_MAX_ID_CHARS)]
    | Annotated[int, Strict(), Field(ge=-_MAX_ID_NUMBER, le=_MAX_ID_NUMBER)]
)
StrictSymbol = Annotated[Symbol, Strict()]


def _without_doubles(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(symbols))


def _is_an_interval(seconds: float) -> float:
    if seconds == 0 or MIN_INTERVAL_SECONDS <= seconds <= MAX_INTERVAL_SECONDS:
        return seconds
    raise ValueError(f"must be 0 (as prices change) or {MIN_INTERVAL_SECONDS} to {MAX_INTERVAL_SECONDS:.0f} seconds")


def _is_visible(text: str) -> str:
    if text.isprintable() and text == text.strip():
        return text
    raise ValueError("must be printable, without spaces at its ends")


Symbols = Annotated[tuple[StrictSymbol, ...], Strict(False), Field(min_length=1), AfterValidator(_without_doubles)]
Interval = Annotated[FiniteFloat, Strict(), AfterValidator(_is_an_interval)]
Limit = Annotated[int, Strict(), Field(ge=1, le=MAX_LIST_LIMIT)]
Username = Annotated[str, Strict(), Field(min_length=1, max_length=64), AfterValidator(_is_visible)]
Flag = Annotated[bool, Strict()]


# --- commands: what a client sends -------------------------------------------------------------------------------


class Command(BaseModel):
    """A line from a client. Unknown fields are refused, so that a typing error never passes for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str
    id: Id | None = None


def _offer_symbol(schema: dict[str, Any]) -> None:
    """Tell the schema of `symbol`, which is folded into `symbols` before the model sees it."""
    schema["properties"]["symbol"] = {"type": "string", "description": "one symbol, instead of symbols"}
    if "symbols" in schema.get("required", ()):
        schema["required"] = [name for name in schema["required"] if name != "symbols"]
        schema["oneOf"] = [{"required": ["symbols"]}, {"required": ["symbol"]}]


class _WithSymbols(Command):
    """A command that takes `symbols`, or one `symbol`; both together is an error."""

    model_config = ConfigDict(json_schema_extra=_offer_symbol)

    @model_validator(mode="before")
    @classmethod
    def _fold_symbol(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        if fields.get("symbols", ()) is None:
            # Left out it can mean "all of them"; a null is more likely a script's empty variable.
            raise ValueError("'symbols' is null: send a list of symbols, or leave the field out")
        if "symbol" not in fields:
            return fields
        if "symbols" in fields:
            raise ValueError("there are both 'symbol' and 'symbols': send one of them")
        return {**{key: value for key, value in fields.items() if key != "symbol"}, "symbols": (fields["symbol"],)}


class Auth(Command):
    """`{"type":"AUTH","id":1,"username":"Yosakorn","password":"correct horse"}`."""

    type: Literal["AUTH"] = "AUTH"
    username: Username
    password: Annotated[str, Strict(), Field(min_length=1, max_length=1024, repr=False)]


class Get(_WithSymbols):
    """`{"type":"GET","id":2,"symbols":["AAPL","NOPE"]}`."""

    type: Literal["GET"] = "GET"
    symbols: Symbols


class Subscribe(_WithSymbols):
    """`{"type":"SUBSCRIBE","id":3,"symbols":["AAPL","MSFT"],"interval":5}`; without symbols: all saved ones."""

    type: Literal["SUBSCRIBE"] = "SUBSCRIBE"
    symbols: Symbols | None = None
    interval: Interval | None = Field(default=None, description="seconds between pushes; 0 as prices change")
    save: Flag = Field(default=True, description="false leaves the user's saved list alone")


class Unsubscribe(_WithSymbols):
    """`{"type":"UNSUBSCRIBE","id":4,"symbols":["AAPL"]}`; without symbols: all pushed and all saved ones."""

    type: Literal["UNSUBSCRIBE"] = "UNSUBSCRIBE"
    symbols: Symbols | None = None
    save: Flag = Field(default=True, description="false leaves the user's saved list alone")


class MyStocks(Command):
    """`{"type":"MY_STOCKS","id":5}`."""

    type: Literal["MY_STOCKS"] = "MY_STOCKS"


class News(Command):
    """`{"type":"NEWS","id":6,"limit":10}`."""

    type: Literal["NEWS"] = "NEWS"
    limit: Limit = 10


class Info(Command):
    """`{"type":"INFO","id":7,"symbol":"AAPL"}`."""

    type: Literal["INFO"] = "INFO"
    symbol: StrictSymbol


class Dividends(Command):
    """`{"type":"DIVIDENDS","id":8,"symbol":"AAPL"}`."""

    type: Literal["DIVIDENDS"] = "DIVIDENDS"
    symbol: StrictSymbol
    limit: Limit = 5


class Search(Command):
    """`{"type":"SEARCH","id":9,"query":"apple"}`."""

    type: Literal["SEARCH"] = "SEARCH"
    query: Annotated[str, Strict(), Field(min_length=1, max_length=100), AfterValidator(_is_visible)]
    limit: Limit = 10


class Ping(Command):
    """`{"type":"PING","id":10}`."""

    type: Literal["PING"] = "PING"


class Logout(Command):
    """`{"type":"LOGOUT","id":11}`."""

    type: Literal["LOGOUT"] = "LOGOUT"


AnyCommand = Annotated[
    Auth | Get | Subscribe | Unsubscribe | MyStocks | News | Info | Dividends | Search | Ping | Logout,
    Field(discriminator="type"),
]
CommandType = Literal[
    "AUTH", "GET", "SUBSCRIBE", "UNSUBSCRIBE", "MY_STOCKS", "NEWS", "INFO", "DIVIDENDS", "SEARCH", "PING", "LOGOUT"
]
COMMAND_TYPES: tuple[str, ...] = get_args(CommandType)


# --- server messages: replies and pushes -------------------------------------------------------------------------


class ServerMessage(BaseModel):
    """A line from the server. Clients ignore fields and types they do not know; None is left out on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: str
    code: Code
    status: str = ""

    @model_validator(mode="before")
    @classmethod
    def _name_the_code(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "status" not in fields:
            code = fields.get("code", cls.model_fields["code"].default)
            return {**fields, "status": Code(code).status}
        return fields


class Reply(ServerMessage):
    """The one answer to a command, with the `id` of the command where it had one."""

    code: Code = Code.OK
    id: Id | None = None


class Missing(BaseModel):
    """A symbol of a command that could not be served, and why."""

    model_config = ConfigDict(frozen=True)
    symbol: str
    code: Code
    reason: Reason


class BoardQuote(Quote):
    """A quote as the board holds it: with what is known of its freshness, and its place in the symbol's updates."""

    stale: bool = False
    stale_reason: Reason | None = None
    retry_at: int | None = Field(default=None, description="when the source is asked again, epoch milliseconds")
    seq: int = Field(description="counts the symbol's updates on this instance of the server")


class Limits(BaseModel):
    """What a client has to keep to."""

    model_config = ConfigDict(frozen=True)
    max_line_bytes: int
    max_reply_bytes: int = MAX_REPLY_BYTES
    max_symbols: int
    min_interval: float = MIN_INTERVAL_SECONDS


class Hello(ServerMessage):
    """The first line of every session: protocol, server, which run of it, and the limits."""

    type: Literal["HELLO"] = "HELLO"
    code: Code = Code.CONTINUE
    protocol: int = PROTOCOL_VERSION
    server: str
    instance: str
    auth: tuple[str, ...]
    limits: Limits
    heartbeat_seconds: float


class AuthReply(Reply):
    """Success: who is logged in, and the saved list."""

    type: Literal["AUTH"] = "AUTH"
    message: str
    username: str
    symbols: tuple[str, ...]


class GetReply(Reply):
    """Quotes in the order asked; what could not be served stands in `missing`."""

    type: Literal["GET"] = "GET"
    quotes: tuple[SerializeAsAny[BoardQuote], ...]
    missing: tuple[Missing, ...] = ()


class SubscribeReply(Reply):
    """What was added, what was pushed already, what could not be checked yet, and all that is pushed now."""

    type: Literal["SUBSCRIBE"] = "SUBSCRIBE"
    subscribed: tuple[str, ...]
    already: tuple[str, ...]
    pending: tuple[str, ...]
    missing: tuple[Missing, ...]
    symbols: tuple[str, ...]
    interval: float


class UnsubscribeReply(Reply):
    """What was taken out, and all that is still pushed."""

    type: Literal["UNSUBSCRIBE"] = "UNSUBSCRIBE"
    removed: tuple[str, ...]
    missing: tuple[Missing, ...]
    symbols: tuple[str, ...]


class MyStocksReply(Reply):
    """The user's saved list with its latest quotes; an empty list is a success."""

    type: Literal["MY_STOCKS"] = "MY_STOCKS"
    symbols: tuple[str, ...]
    quotes: tuple[SerializeAsAny[BoardQuote], ...]
    missing: tuple[Missing, ...] = ()


class NewsReply(Reply):
    """Headlines, newest first."""

    type: Literal["NEWS"] = "NEWS"
    articles: tuple[Headline, ...]


class InfoReply(Reply):
    """The company behind a symbol."""

    type: Literal["INFO"] = "INFO"
    company: CompanyInfo


class DividendsReply(Reply):
    """Dividends, newest first."""

    type: Literal["DIVIDENDS"] = "DIVIDENDS"
    symbol: str
    currency: str | None = None
    dividends: tuple[Dividend, ...]


class SearchReply(Reply):
    """Symbols that match; an empty list is a success."""

    type: Literal["SEARCH"] = "SEARCH"
    matches: tuple[Match, ...]


class PingReply(Reply):
    """The server's time, epoch milliseconds."""

    type: Literal["PING"] = "PING"
    timestamp: int


class LogoutReply(Reply):
    """The session ends after this line."""

    type: Literal["LOGOUT"] = "LOGOUT"
    code: Code = Code.LOGGED_OUT
    message: str


class Failure(Reply):
    """A command that failed; `type` is the command's, or ERROR for a line that is no command."""

    type: Literal[CommandType, "ERROR"]
    code: Code
    reason: Reason
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    missing: tuple[Missing, ...] | None = None


class Price(ServerMessage):
    """A push of one symbol: flat, with what moves and what is needed to read it alone."""

    type: Literal["PRICE"] = "PRICE"
    code: Code = Code.CONTINUE
    symbol: str
    price: float
    currency: str | None = None
    change: float | None = None
    change_percent: float | None = None
    volume: int | None = None
    bid: float | None = None
    ask: float | None = None
    market_state: MarketState
    timestamp: int | None = None
    received_at: int
    provider: str
    stale: bool
    stale_reason: Reason | None = None
    seq: int

    FROM_QUOTE: ClassVar[tuple[str, ...]] = (
        *("symbol", "price", "currency", "change", "change_percent", "volume", "bid", "ask", "market_state"),
        *("timestamp", "received_at", "provider", "stale", "stale_reason", "seq"),
    )

    @classmethod
    def of(cls, quote: BoardQuote) -> "Price":
        """The push that tells `quote`; its fields were validated when the quote was made."""
        fields = quote.__dict__
        return cls.model_construct(status="CONTINUE", **{name: fields[name] for name in cls.FROM_QUOTE})


class Heartbeat(ServerMessage):
    """Sent after `heartbeat_seconds` without other output; wants no answer."""

    type: Literal["HEARTBEAT"] = "HEARTBEAT"
    code: Code = Code.CONTINUE
    timestamp: int


class Notice(ServerMessage):
    """Something a session should know without having asked: an outage, its end, why the session ends."""

    type: Literal["NOTICE"] = "NOTICE"
    reason: Reason
    symbols: tuple[str, ...] | None = None
    message: str
    retry_after_ms: int | None = None


def _server_tag(message: Any) -> str | None:
    """Which server message it is: a failed command has its command's type, so the `reason` decides."""
    if isinstance(message, ServerMessage):
        return "FAILURE" if isinstance(message, Failure) else message.type
    if not isinstance(message, dict):
        return None
    kind = message.get("type")
    return "FAILURE" if "reason" in message and kind != "NOTICE" else kind


AnyServerMessage = Annotated[
    Annotated[Hello, Tag("HELLO")]
    | Annotated[AuthReply, Tag("AUTH")]
    | Annotated[GetReply, Tag("GET")]
    | Annotated[SubscribeReply, Tag("SUBSCRIBE")]
    | Annotated[UnsubscribeReply, Tag("UNSUBSCRIBE")]
    | Annotated[MyStocksReply, Tag("MY_STOCKS")]
    | Annotated[NewsReply, Tag("NEWS")]
    | Annotated[InfoReply, Tag("INFO")]
    | Annotated[DividendsReply, Tag("DIVIDENDS")]
    | Annotated[SearchReply, Tag("SEARCH")]
    | Annotated[PingReply, Tag("PING")]
    | Annotated[LogoutReply, Tag("LOGOUT")]
    | Annotated[Failure, Tag("FAILURE")]
    | Annotated[Price, Tag("PRICE")]
    | Annotated[Heartbeat, Tag("HEARTBEAT")]
    | Annotated[Notice, Tag("NOTICE")],
    Discriminator(_server_tag),
]

COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand)
SERVER_MESSAGES: TypeAdapter[AnyServerMessage] = TypeAdapter(AnyServerMessage)


# --- lines --------------------------------------------------------------------------------------------------------


class BadLine(CommandError):  # noqa: N818 - it is the line that is bad
    """A line that is no command: what could be read of its type and id is kept for the reply."""

    def __init__(self, reason: Reason, message: str, *, command_type: str = "ERROR", id: Id | None = None) -> None:  # noqa: A002 - the wire's word
        super().__init__(reason, message)
        self.command_type = command_type
        self.id = id


def encode_line(message: ServerMessage | Command) -> bytes:
    r"""The message as one line of JSON with its ``\n``; fields that are None are left out."""
    return message.__pydantic_serializer__.to_json(message, exclude_none=True) + b"\n"


def decode_line(line: bytes) -> AnyCommand:
    """The command on a line; `BadLine` with the reason, a sentence, and the type and id where they could be read."""
    fields = parse_object(line)
    kind, id_ = fields.get("type"), _readable_id(fields.get("id"))
    if not isinstance(kind, str):
        raise BadLine(Reason.INVALID_COMMAND, 'A command needs a "type", such as {"type":"PING"}.', id=id_)
    if kind not in COMMAND_TYPES:
        shown = clean_text(kind, 40)
        raise BadLine(
            Reason.UNKNOWN_COMMAND, f"There is no command {shown!r}; there are {', '.join(COMMAND_TYPES)}.", id=id_
        )
    try:
        return COMMANDS.validate_python(fields)
    except ValidationError as error:
        message = f"{kind}: {_first_complaint(error)}"
        raise BadLine(Reason.INVALID_COMMAND, message, command_type=kind, id=id_) from None


def decode_server_line(line: bytes) -> AnyServerMessage | None:
    """The server message on a line, None for a type this version does not know; `ValueError` for anything else."""
    try:
        fields = json.loads(line)
    except RecursionError as error:
        raise ValueError("a line nested too deeply") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise ValueError("not a line of the StockTrack protocol")  # noqa: TRY004 - the bytes are wrong, not their type
    if fields["type"] not in _SERVER_TYPES:
        return None
    return SERVER_MESSAGES.validate_python(fields)


def failure(
    error: StockTrackError, command: Command | None = None, missing: tuple[Missing, ...] | None = None
) -> Failure:
    """The reply that tells `error` to the sender of `command`, or of a line that was none."""
    kind, id_ = (command.type, command.id) if command is not None else ("ERROR", None)
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


def protocol_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of both directions, made from the models."""
    commands = COMMANDS.json_schema()
    messages = SERVER_MESSAGES.json_schema(mode="serialization")
    definitions = {**commands.pop("$defs"), **messages.pop("$defs")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "StockTrack protocol",
        "description": f"Version {PROTOCOL_VERSION}: one JSON object a line, UTF-8.",
        "$defs": {**definitions, "command": commands, "server_message": messages},
    }


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object on a line, by strict rules; `BadLine` (`malformed_json`) says what is wrong with it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        _malformed(f"The line is not UTF-8: byte {error.start} cannot be read.")
    try:
        value = json.loads(
            text, object_pairs_hook=_object_of_pairs, parse_constant=_no_constant, parse_float=_finite, parse_int=_int
        )
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
        _malformed(f"The line is not JSON: {error.msg} at character {error.pos + 1}.")
    if not isinstance(value, dict):
        raise BadLine(Reason.INVALID_COMMAND, 'A command is a JSON object, such as {"type":"PING"}.')
    return value


def _malformed(message: str) -> NoReturn:
    raise BadLine(Reason.MALFORMED_JSON, message) from None


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        _malformed(f"The field {clean_text(double, 40)!r} stands twice in one object.")
    return fields


def _no_constant(name: str) -> NoReturn:
    _malformed(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _malformed(f"The number {clean_text(text, 40)} is too large.")
    return value


def _int(text: str) -> int:
    if len(text) > 20:
        _malformed(f"The number {clean_text(text, 40)} is too large.")
    return int(text)


def _readable_id(value: Any) -> Id | None:
    if isinstance(value, str) and len(value) <= _MAX_ID_CHARS:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_ID_NUMBER:
        return value
    return None


def _first_complaint(error: ValidationError) -> str:
    """The first thing wrong, as a sentence that names the field."""
    complaint = error.errors(include_url=False, include_context=True)[0]
    # The location begins with the union's tag, and ends with a union member's or an index's name.
    field = next((str(part) for part in complaint["loc"][1:]), "")
    field = clean_text(field, 40)
    match complaint["type"]:
        case "extra_forbidden":
            return f"there is no field {field!r}."
        case "missing":
            return f"the field {field!r} is missing."
        case "value_error":
            reason = str(complaint["ctx"]["error"])
            return f"{field}: {reason}." if field else f"{reason}."
        case "too_short" | "tuple_type":
            return f"the field {field!r} must be a list with at least one entry."
        case _ if field == "id":
            return f"the field 'id' must be a string of at most {_MAX_ID_CHARS} characters or a whole number."
        case _:
            plain = complaint["msg"].removeprefix("Input ").removeprefix("String ")
            return f"the field {field!r} {plain}."


_SERVER_TYPES = frozenset((*COMMAND_TYPES, "ERROR", "HELLO", "PRICE", "HEARTBEAT", "NOTICE"))
