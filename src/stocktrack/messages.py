"""The protocol, version 1: one frozen model per command and per server message.

A message is one JSON object in UTF-8 on one line (`wire/lines.py`). With each model stands a real line of it; the same
lines are in `docs/protocol.md` and in `tests/lines`, and a test holds the three together.
"""

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializeAsAny,
    Strict,
    WithJsonSchema,
    model_validator,
)

from stocktrack.alerting import AlertState, AlertWhen, Repeat, known_zone, quiet_minutes
from stocktrack.bars import DEFAULT_INTERVALS, Adjust, Bar, BarInterval, HistoryRange
from stocktrack.errors import Code, Reason
from stocktrack.quotes import (
    ASSUMED_PRICE_HINT,
    MAX_SYMBOL_LENGTH,
    SYMBOL_CHARACTERS,
    CompanyInfo,
    Dividend,
    Headline,
    MarketState,
    Match,
    Quote,
    Symbol,
    may_be_negative,
    price_digits,
)
from stocktrack.scopes import Scope
from stocktrack.segments import SEGMENT_WORDS, segment_word

PROTOCOL_VERSION = 1
MAIN_LIST = "main"
MAX_LISTS = 20  # of one user, the main list among them
MAX_REPLY_BYTES = 262_144
# What a reply needs at most for each of its symbols, quotes apart: a name in three lists, or in one and in `missing`.
# Where `max_symbols` is so high that such a reply could be longer than `MAX_REPLY_BYTES`, replies may be longer.
REPLY_BYTES_OF_A_SYMBOL = 256
MIN_INTERVAL_SECONDS = 0.1
MAX_INTERVAL_SECONDS = 3_600.0
MAX_LIST_LIMIT = 100
MAX_TOKEN_DAYS = 365
MAX_TOKENS = 500  # of one user
MAX_ALERT_MINUTES = 1_440
MAX_ALERT_PERCENT = 10_000
MIN_COOLDOWN_SECONDS, MAX_COOLDOWN_SECONDS = 60, 604_800
MAX_ALERT_TARGETS = 10  # of one alert
MAX_SAID_CHARS = 500
MAX_MUTE_MINUTES = 525_600
MAX_ID_CHARS = 128
MAX_ID_NUMBER = 2**53 - 1  # what every JSON library keeps exactly

Id = (
    Annotated[str, Strict(), Field(max_length=MAX_ID_CHARS)]
    | Annotated[int, Strict(), Field(ge=-MAX_ID_NUMBER, le=MAX_ID_NUMBER)]
)
# The schema cannot say that lower case is raised, so it takes both.
_SYMBOL_SCHEMA = {"type": "string", "pattern": rf"^[a-z{SYMBOL_CHARACTERS}]{{1,{MAX_SYMBOL_LENGTH}}}$"}
StrictSymbol = Annotated[Symbol, Strict(), WithJsonSchema(_SYMBOL_SCHEMA)]


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


# The first bad symbol is all that is told: 10,000 complaints about one line would cost 50 ms of the loop.
Symbols = Annotated[
    tuple[StrictSymbol, ...], Strict(False), Field(min_length=1, fail_fast=True), AfterValidator(_without_doubles)
]
# The same where none is an answer as well.
SymbolsOrNone = Annotated[
    tuple[StrictSymbol, ...], Strict(False), Field(fail_fast=True), AfterValidator(_without_doubles)
]
_INTERVAL_SCHEMA = {
    "type": "number",
    "anyOf": [{"const": 0}, {"minimum": MIN_INTERVAL_SECONDS, "maximum": MAX_INTERVAL_SECONDS}],
}
Interval = Annotated[FiniteFloat, Strict(), AfterValidator(_is_an_interval), WithJsonSchema(_INTERVAL_SCHEMA)]
Limit = Annotated[int, Strict(), Field(ge=1, le=MAX_LIST_LIMIT)]
Username = Annotated[str, Strict(), Field(min_length=1, max_length=64), AfterValidator(_is_visible)]
TokenName = Annotated[str, Strict(), Field(min_length=1, max_length=64), AfterValidator(_is_visible)]
ListName = Annotated[str, Strict(), Field(min_length=1, max_length=64), AfterValidator(_is_visible)]
# More than a user may have are not looked at.
ListNames = Annotated[
    tuple[ListName, ...],
    Strict(False),
    Field(min_length=1, max_length=MAX_LISTS, fail_fast=True),
    AfterValidator(_without_doubles),
]
Flag = Annotated[bool, Strict()]
Password = Annotated[str, Strict(), Field(min_length=1, max_length=1024)]
TokenId = Annotated[str, Strict(), Field(min_length=1, max_length=16), AfterValidator(_is_visible)]
# The schema cannot say that capitals do not matter, so it only says what the words are made of.
SegmentWord = Annotated[
    str,
    Strict(),
    AfterValidator(segment_word),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_]{1,9}$", "examples": list(SEGMENT_WORDS)}),
]
AlertName = Annotated[str, Strict(), Field(pattern=r"^a[1-9][0-9]{0,17}$")]
LotName = Annotated[str, Strict(), Field(pattern=r"^l[1-9][0-9]{0,17}$")]
TargetName = Annotated[str, Strict(), Field(min_length=1, max_length=64), AfterValidator(_is_visible)]
CurrencyCode = Annotated[str, Strict(), Field(pattern=r"^[A-Z]{3}$")]
# A trillion of anything is more than anybody has, and sums of it are exact to the cent.
Amount = Annotated[FiniteFloat, Strict(), Field(ge=-1e12, le=1e12)]
SessionName = Annotated[str, Strict(), Field(min_length=1, max_length=32), AfterValidator(_is_visible)]


def _are_quiet_hours(text: str) -> str:
    quiet_minutes(text)
    return text


QuietHours = Annotated[
    str,
    Strict(),
    AfterValidator(_are_quiet_hours),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
Zone = Annotated[str, Strict(), Field(min_length=1, max_length=64), AfterValidator(known_zone)]

# What a moment may be: more than any market has, and well within what every zone's calendar can tell.
FIRST_YEAR, LAST_YEAR = 1800, 2139
LEAST_EPOCH_MS, MOST_EPOCH_MS = (
    round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (FIRST_YEAR, LAST_YEAR + 1)
)
_DATE_CHARS = len("2024-02-09")


def _as_moment(value: Any) -> Any:
    if type(value) is int and LEAST_EPOCH_MS <= value < MOST_EPOCH_MS:
        return value
    day = value
    if isinstance(value, str) and len(value) == _DATE_CHARS:
        with contextlib.suppress(ValueError):
            day = date.fromisoformat(value)
    if type(day) is date and FIRST_YEAR <= day.year <= LAST_YEAR:
        return day
    raise ValueError(
        f"must be epoch milliseconds or a date such as 2024-02-09, of the years {FIRST_YEAR} to {LAST_YEAR}"
    )


_MOMENT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": LEAST_EPOCH_MS, "exclusiveMaximum": MOST_EPOCH_MS},
        {"type": "string", "format": "date"},
    ]
}
Moment = Annotated[int | date, BeforeValidator(_as_moment), WithJsonSchema(_MOMENT_SCHEMA)]


class _Addressed(BaseModel):
    """What commands and replies share: the `id` stands second on the line, where a person looks for it."""

    type: str
    id: Id | None = None


# --- commands: what a client sends -------------------------------------------------------------------------------


class Command(_Addressed):
    """A line from a client. Unknown fields are refused, so that a typing error never passes for a default."""

    # The input stays out of pydantic's own errors: it may be a password.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def _offer_symbol(schema: dict[str, Any]) -> None:
    """Tell the schema of `symbol`, which is folded into `symbols` before the model sees it."""
    schema["properties"]["symbol"] = {**_SYMBOL_SCHEMA, "description": "one symbol, instead of symbols"}
    if "symbols" in schema["required"]:
        schema["required"] = [name for name in schema["required"] if name != "symbols"]
        schema["oneOf"] = [{"required": ["symbols"]}, {"required": ["symbol"]}]
    else:
        schema["not"] = {"required": ["symbols", "symbol"]}


class WithSymbols(Command):
    """A command that takes `symbols`, or one `symbol`; both together is an error."""

    model_config = ConfigDict(json_schema_extra=_offer_symbol)

    @model_validator(mode="before")
    @classmethod
    def _fold_symbol(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "symbol" not in fields:
            return fields
        if "symbols" in fields:
            raise ValueError("there are both 'symbol' and 'symbols': send one of them")
        return {**{key: value for key, value in fields.items() if key != "symbol"}, "symbols": (fields["symbol"],)}


def _one_way_to_log_in(schema: dict[str, Any]) -> None:
    """Tell the schema what `Auth` checks."""
    schema["oneOf"] = [{"required": ["username"]}, {"required": ["token"]}]
    schema["dependentRequired"] = {"password": ["username"]}


class Auth(Command):
    """`{"type":"AUTH","id":1,"username":"Yosakorn","password":"correct horse"}`, or with a `token` instead of both."""

    model_config = ConfigDict(json_schema_extra=_one_way_to_log_in)

    type: Literal["AUTH"] = "AUTH"
    username: Username | None = None
    password: Password | None = Field(
        default=None, repr=False, description="may be left out where HELLO's auth lists allowlist"
    )
    token: Annotated[str, Strict(), Field(min_length=1, max_length=2048)] | None = Field(
        default=None, repr=False, description="instead of username and password"
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        for name in ("username", "password", "token"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"the field {name!r} must be a string")
        if self.token is None and self.username is None:
            raise ValueError("the field 'username' is missing")
        if self.token is not None and (self.username is not None or self.password is not None):
            raise ValueError("there is a 'token' beside 'username' or 'password': send either a token or these two")
        return self


class Get(WithSymbols):
    """`{"type":"GET","id":2,"symbols":["AAPL","NOPE"]}`."""

    type: Literal["GET"] = "GET"
    symbols: Symbols
    after: StrictSymbol | None = Field(default=None, description="answers for the symbols behind this one")


class Subscribe(WithSymbols):
    """`{"type":"SUBSCRIBE","id":3,"symbols":["AAPL","MSFT"],"interval":5}`; without symbols: all of the list."""

    type: Literal["SUBSCRIBE"] = "SUBSCRIBE"
    symbols: Symbols | None = None
    list: ListName | None = Field(default=None, description="which of the user's saved lists; left out: main")
    interval: Interval | None = Field(default=None, description="seconds between pushes; 0 as prices change")
    save: Flag = Field(default=True, description="false leaves the user's saved lists alone")


class Unsubscribe(WithSymbols):
    """`{"type":"UNSUBSCRIBE","id":4,"symbols":["AAPL"]}`; without symbols: all of the list, or all pushed and main."""

    type: Literal["UNSUBSCRIBE"] = "UNSUBSCRIBE"
    symbols: Symbols | None = None
    list: ListName | None = Field(default=None, description="which of the user's saved lists; left out: main")
    save: Flag = Field(default=True, description="false leaves the user's saved lists alone")


class MyStocks(Command):
    """`{"type":"MY_STOCKS","id":5}`."""

    type: Literal["MY_STOCKS"] = "MY_STOCKS"
    list: ListName | None = Field(default=None, description="which of the user's saved lists; left out: main")
    after: StrictSymbol | None = Field(default=None, description="quotes of the symbols behind this one")


class ListChange(StrEnum):
    """What SET_LIST does with the symbols that it names."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"
    ORDER = "order"


def _some_unless_replacing(schema: dict[str, Any]) -> None:
    """Tell the schema what `SetList` checks."""
    _offer_symbol(schema)
    changes = {"properties": {"change": {"enum": ["add", "remove", "order"]}}, "required": ["change"]}
    schema |= {"if": changes, "then": {"properties": {"symbols": {"minItems": 1}}}}


class SetList(WithSymbols):
    """`{"type":"SET_LIST","id":30,"list":"tech","symbols":["NVDA","AMD"]}`: the list holds these and no others."""

    model_config = ConfigDict(json_schema_extra=_some_unless_replacing)

    type: Literal["SET_LIST"] = "SET_LIST"
    list: ListName | None = Field(default=None, description="which of the user's saved lists; left out: main")
    symbols: SymbolsOrNone = Field(description="may be empty where they replace what the list holds")
    change: ListChange = Field(
        default=ListChange.REPLACE,
        description="replace: the list holds these alone, in this order; add: these as well, at its end; remove: these "
        "no longer; order: these stand first",
    )
    keep: Literal[True] | None = Field(
        default=None, description="from now on the list is there also while it is empty, until REMOVE_LIST"
    )

    @model_validator(mode="after")
    def _names_some_unless_replacing(self) -> Self:
        if not self.symbols and self.change is not ListChange.REPLACE:
            raise ValueError(f"there are no 'symbols' to {self.change}")
        return self


class Lists(Command):
    """`{"type":"LISTS","id":31}`."""

    type: Literal["LISTS"] = "LISTS"
    follow: Flag | None = Field(
        default=None,
        description="true: from now on a NOTICE tells this session what others change in the lists; false: no longer",
    )


class RenameList(Command):
    """`{"type":"RENAME_LIST","id":32,"list":"tech","name":"chips"}`."""

    type: Literal["RENAME_LIST"] = "RENAME_LIST"
    list: ListName
    name: ListName = Field(description="what it is called from now on")


class RemoveList(Command):
    """`{"type":"REMOVE_LIST","id":33,"list":"chips"}`."""

    type: Literal["REMOVE_LIST"] = "REMOVE_LIST"
    list: ListName


class OrderLists(Command):
    """`{"type":"ORDER_LISTS","id":34,"lists":["chips","main"]}`; those that are not named stand behind."""

    type: Literal["ORDER_LISTS"] = "ORDER_LISTS"
    lists: ListNames


class News(Command):
    """`{"type":"NEWS","id":6,"limit":10}`, or with a `symbol`: headlines of that one."""

    type: Literal["NEWS"] = "NEWS"
    symbol: StrictSymbol | None = Field(default=None, description="headlines of it; left out: of the whole market")
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


def _a_range_or_a_start(schema: dict[str, Any]) -> None:
    """Tell the schema what `History` checks."""
    schema["not"] = {"required": ["range", "start"]}
    schema["dependentRequired"] = {"end": ["start"]}


class History(Command):
    """`{"type":"HISTORY","id":20,"symbol":"AAPL","range":"1mo","interval":"1d"}`, or from a `start` to an `end`."""

    model_config = ConfigDict(json_schema_extra=_a_range_or_a_start)

    type: Literal["HISTORY"] = "HISTORY"
    symbol: StrictSymbol
    range: HistoryRange | None = Field(default=None, description="how far back from now; 1mo where no start is given")
    start: Moment | None = Field(
        default=None, description="of the first bar: epoch milliseconds, or a date at the exchange such as 2024-02-09"
    )
    end: Moment | None = Field(
        default=None, description="no bar begins after it; a date is the whole day. Left out: now"
    )
    interval: BarInterval | None = Field(
        default=None, description="the length of a bar; left out: by the range, 1d with a start"
    )
    adjust: Adjust = Field(default=Adjust.SPLITS, description="what prices of the past are corrected for")
    prepost: Flag = Field(default=False, description="with the bars before and after the regular hours")

    @model_validator(mode="after")
    def _is_a_range_or_a_start(self) -> Self:
        if self.range is not None and self.start is not None:
            raise ValueError("there are both 'range' and 'start': send one of them")
        if self.end is not None and self.start is None:
            raise ValueError("there is an 'end' without a 'start': send both, or a 'range'")
        return self

    @property
    def asked_range(self) -> HistoryRange | None:
        """How far back from now; None where a `start` says from when on."""
        return self.range if self.range is not None or self.start is not None else HistoryRange.MONTH

    @property
    def asked_interval(self) -> BarInterval:
        """The length of a bar, named or not."""
        if self.interval is not None:
            return self.interval
        return BarInterval.DAY if self.asked_range is None else DEFAULT_INTERVALS[self.asked_range]


class Alert(Command):
    """`{"type":"ALERT","id":21,"symbol":"AAPL","when":"crosses_above","value":200,"targets":["phone"]}`."""

    type: Literal["ALERT"] = "ALERT"
    symbol: StrictSymbol
    when: AlertWhen
    value: Annotated[FiniteFloat, Strict(), Field(ge=-1e15, le=1e15)] = Field(
        description="a price in the symbol's currency, percent, or pieces traded on the day"
    )
    minutes: Annotated[int, Strict(), Field(ge=1, le=MAX_ALERT_MINUTES)] | None = Field(
        default=None, description="how far back percent_within looks; it alone has it"
    )
    repeat: Repeat = Field(
        default=Repeat.ONCE, description="how often; each time only after the condition has stopped holding"
    )
    cooldown_seconds: Annotated[int, Strict(), Field(ge=MIN_COOLDOWN_SECONDS, le=MAX_COOLDOWN_SECONDS)] | None = Field(
        default=None, description="with repeat every: at least so long between two; left out: 60"
    )
    quiet_hours: QuietHours | None = Field(
        default=None, description="what fires in them is told at their end: 22:00-07:00 in the timezone"
    )
    timezone: Zone | None = Field(default=None, description="of the quiet hours and of daily; left out: UTC")
    targets: Annotated[tuple[TargetName, ...], Strict(False), Field(max_length=MAX_ALERT_TARGETS)] = Field(
        default=(), description="whom else to tell: names that MY_ALERTS lists"
    )
    replaces: AlertName | None = Field(
        default=None,
        description="the alert that this one takes the place of: it goes when this one is made, and not before",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.when is AlertWhen.PERCENT_WITHIN) != (self.minutes is not None):
            only = "needs 'minutes'" if self.minutes is None else "has no 'minutes': only percent_within looks back"
            raise ValueError(f"{self.when} {only}")
        if self.cooldown_seconds is not None and self.repeat is not Repeat.EVERY:
            raise ValueError("there is 'cooldown_seconds' without repeat 'every'")
        if not (self.when.is_percent or self.value > 0 or (self.when.is_of_prices and may_be_negative(self.symbol))):
            raise ValueError("'value' must be above 0")
        if self.when.is_percent and not (-100 < self.value <= MAX_ALERT_PERCENT and self.value):
            raise ValueError(
                f"'value' must be percent: up to {MAX_ALERT_PERCENT} for a rise, below 0 and above -100 for a fall"
            )
        return self


class MyAlerts(Command):
    """`{"type":"MY_ALERTS","id":22}`, or with a `symbol`: those of that one."""

    type: Literal["MY_ALERTS"] = "MY_ALERTS"
    symbol: StrictSymbol | None = Field(default=None, description="only its alerts; left out: all")
    after: AlertName | None = Field(default=None, description="lists the alerts made after this one")


class Unalert(Command):
    """`{"type":"UNALERT","id":23,"alert":"a7"}`."""

    type: Literal["UNALERT"] = "UNALERT"
    alert: AlertName


class AlertTest(Command):
    """`{"type":"TEST_ALERT","id":24,"target":"phone"}`."""

    type: Literal["TEST_ALERT"] = "TEST_ALERT"
    target: TargetName


def _lots_after_a_symbol(schema: dict[str, Any]) -> None:
    """Tell the schema what `Holdings` checks."""
    schema["dependentRequired"] = {"after_lot": ["after"]}


class Holdings(Command):
    """`{"type":"HOLDINGS","id":25,"currency":"EUR"}`."""

    model_config = ConfigDict(json_schema_extra=_lots_after_a_symbol)

    type: Literal["HOLDINGS"] = "HOLDINGS"
    currency: CurrencyCode | None = Field(default=None, description="of the totals; left out: the server's")
    group: ListName | None = Field(default=None, description="only lots of this group; left out: all")
    after: StrictSymbol | None = Field(default=None, description="holdings of the symbols behind this one")
    after_lot: LotName | None = Field(default=None, description="with after: first what is left of its lots")

    @model_validator(mode="after")
    def _goes_on_after_both(self) -> Self:
        if self.after_lot is not None and self.after is None:
            raise ValueError("there is an 'after_lot' without an 'after': send both, as the last lot has them")
        return self


class AddLot(Command):
    """`{"type":"ADD_LOT","id":26,"symbol":"AAPL","quantity":10,"unit_cost":146,"fixed_cost":1}`."""

    type: Literal["ADD_LOT"] = "ADD_LOT"
    symbol: StrictSymbol
    quantity: Amount = Field(description="pieces; below zero for a sale")
    unit_cost: Annotated[Amount, Field(ge=0)] = Field(description="of one, in the currency of the price: pence for GBp")
    fixed_cost: Annotated[Amount, Field(ge=0)] = Field(default=0.0, description="fees, in the same currency")
    group: ListName | None = Field(default=None, description="left out: main")

    @model_validator(mode="after")
    def _is_of_something(self) -> Self:
        if self.quantity == 0:
            raise ValueError("'quantity' must not be 0")
        return self


class RemoveLot(Command):
    """`{"type":"REMOVE_LOT","id":27,"lot":"l3"}`."""

    type: Literal["REMOVE_LOT"] = "REMOVE_LOT"
    lot: LotName


class Say(Command):
    """`{"type":"SAY","id":28,"symbol":"AAPL","text":"What a day!"}`; without a symbol: to all that are logged in."""

    type: Literal["SAY"] = "SAY"
    symbol: StrictSymbol | None = Field(default=None, description="to the sessions that are pushed it")
    text: Annotated[str, Strict(), Field(min_length=1, max_length=MAX_SAID_CHARS)]


class Search(Command):
    """`{"type":"SEARCH","id":9,"query":"apple"}`."""

    type: Literal["SEARCH"] = "SEARCH"
    query: Annotated[str, Strict(), Field(min_length=1, max_length=100), AfterValidator(_is_visible)]
    segment: SegmentWord | None = Field(default=None, description="only matches of it: a code, or C, FO, F, O")
    limit: Limit = 10


class Sources(Command):
    """`{"type":"SOURCES","id":19}`, or for an administrator `{"type":"SOURCES","id":36,"detail":true}`."""

    type: Literal["SOURCES"] = "SOURCES"
    detail: Flag | None = Field(default=None, description="also which symbols each source leads; for administrators")


class Ping(Command):
    """`{"type":"PING","id":10}`."""

    type: Literal["PING"] = "PING"


class Logout(Command):
    """`{"type":"LOGOUT","id":11}`."""

    type: Literal["LOGOUT"] = "LOGOUT"


class Token(Command):
    """`{"type":"TOKEN","id":12,"days":30,"name":"laptop","scope":"full"}`."""

    type: Literal["TOKEN"] = "TOKEN"
    days: Annotated[int, Strict(), Field(ge=1, le=MAX_TOKEN_DAYS)] = 30
    name: TokenName | None = Field(default=None, description="what TOKENS lists it by")
    scope: Scope = Field(default=Scope.FULL, description="read: prices, news and lists, and nothing is changed")


class Tokens(Command):
    """`{"type":"TOKENS","id":16}`."""

    type: Literal["TOKENS"] = "TOKENS"


class Revoke(Command):
    """`{"type":"REVOKE","id":17,"token_id":"k3f9a2c7d"}`; without a token_id: all of the user's tokens."""

    type: Literal["REVOKE"] = "REVOKE"
    token_id: TokenId | None = Field(default=None, description="which of the user's tokens; left out: all of them")


class ChangePassword(Command):
    """`{"type":"PASSWORD","id":18,"password":"correct horse","new_password":"battery staple"}`."""

    type: Literal["PASSWORD"] = "PASSWORD"
    password: Password = Field(repr=False, description="the one that counts now")
    new_password: Password = Field(repr=False)


class ListSessions(Command):
    """`{"type":"SESSIONS","id":13}`."""

    type: Literal["SESSIONS"] = "SESSIONS"
    after: SessionName | None = Field(default=None, description="lists the sessions opened after this one")
    brief: Flag | None = Field(default=None, description="lists how many symbols each is pushed, and not which")


class ListUsers(Command):
    """`{"type":"USERS","id":35}`."""

    type: Literal["USERS"] = "USERS"
    after: Username | None = Field(default=None, description="lists the users whose names come after this one")


def _one_session_or_all_of_a_user(schema: dict[str, Any]) -> None:
    """Tell the schema what `Kick` checks."""
    schema["oneOf"] = [{"required": ["session"]}, {"required": ["username"]}]


class Kick(Command):
    """`{"type":"KICK","id":14,"session":"s7"}`, or with a `username` instead: all sessions of that user."""

    model_config = ConfigDict(json_schema_extra=_one_session_or_all_of_a_user)

    type: Literal["KICK"] = "KICK"
    session: SessionName | None = None
    username: Username | None = Field(default=None, description="instead of session: all sessions of this user")

    @model_validator(mode="after")
    def _is_one_or_all_of_a_user(self) -> Self:
        for name in ("session", "username"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"the field {name!r} must be a string")
        if self.session is None and self.username is None:
            raise ValueError("the field 'session' is missing")
        if self.session is not None and self.username is not None:
            raise ValueError("there are both 'session' and 'username': send one of them")
        return self


class Announce(Command):
    """`{"type":"ANNOUNCE","id":15,"text":"The server restarts at noon."}`."""

    type: Literal["ANNOUNCE"] = "ANNOUNCE"
    text: Annotated[str, Strict(), Field(min_length=1, max_length=500), AfterValidator(_is_visible)]


class Mute(Command):
    """`{"type":"MUTE","id":29,"username":"Mallory","minutes":60}`; 0 minutes let the user talk again."""

    type: Literal["MUTE"] = "MUTE"
    username: Username
    minutes: Annotated[int, Strict(), Field(ge=0, le=MAX_MUTE_MINUTES)] = 60


# --- server messages: replies and pushes -------------------------------------------------------------------------


def _fix_code(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Tell the schema that a message with a default code never has another one."""
    if isinstance(code := model.model_fields["code"].default, Code):
        schema["properties"] |= {"code": {"const": int(code)}, "status": {"const": code.status}}


class ServerMessage(BaseModel):
    """A line from the server. Clients ignore fields and types they do not know; None is left out on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra=_fix_code, defer_build=True)
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


class Reply(ServerMessage, _Addressed):
    """The one answer to a command, with the `id` of the command where it had one."""

    code: Code = Code.OK


class Missing(BaseModel):
    """A symbol of a command that could not be served, and why."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    symbol: str
    code: Code
    reason: Reason
    message: str | None = Field(default=None, description="a sentence, where the reason alone does not say why")
    retry_after_ms: int | None = None


class BoardQuote(Quote):
    """A quote as the board holds it: with what is known of its freshness, and its place in the symbol's updates."""

    stale: bool = False
    stale_reason: Reason | None = None
    retry_at: int | None = Field(default=None, description="when the source is asked again, epoch milliseconds")
    seq: int = Field(description="counts the symbol's updates on this instance of the server")

    @classmethod
    def of(cls, quote: Quote, *, seq: int, stale_reason: Reason | None, retry_at: int | None) -> "BoardQuote":
        """What the board holds of `quote`, whose values were validated when its source gave it and are not again."""
        freshness = {"stale": stale_reason is not None, "stale_reason": stale_reason, "retry_at": retry_at}
        return _A_BOARD_QUOTE.model_copy(update={**quote.__dict__, **freshness, "seq": seq})


# Copying a model is several times as fast as making one, which `model_construct` is not.
_A_BOARD_QUOTE = BoardQuote(symbol="A", price=0.0, received_at=0, provider="", seq=0)


class SourceBudget(BaseModel):
    """How often a source may be asked: of so many requests in so many seconds, how many were made in the last ones."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    used: int
    limit: int
    seconds: int


class SourceState(StrEnum):
    """How a source is."""

    OK = "ok"
    FAILING = "failing"  # what it was asked last, it did not answer
    BLOCKED = "blocked"  # it refuses requests for a while (429)
    WAITING = "waiting"  # another server uses its key
    NOT_OFFERED = "not_offered"  # it cannot be used as it is set up
    UNUSED = "unused"  # nothing was asked of it so far


class SourceStream(BaseModel):
    """The stream of a source: whether it is up, and how many symbols it has places for and carries."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    is_up: bool
    symbols: int
    places: int | None = Field(default=None, description="left out: any number")


class SourceInfo(BaseModel):
    """One source of this server, and how it is; times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    provider: str
    capabilities: tuple[str, ...]
    state: SourceState
    last_success_at: int | None = None
    retry_at: int | None = Field(default=None, description="when it is asked again, while it is not well")
    reason: Reason | None = Field(default=None, description="why it is not well")
    message: str | None = Field(default=None, description="the same as a sentence")
    budget: SourceBudget | None = Field(default=None, description="left out: it may be asked as often as one likes")
    stream: SourceStream | None = Field(default=None, description="left out: it has none")
    leads: int = Field(default=0, description="how many of the symbols that are wanted it is asked for first")
    streamed: tuple[str, ...] | None = Field(
        default=None, description="with detail: the first 200 of those that its stream leads"
    )
    polled: tuple[str, ...] | None = Field(
        default=None, description="with detail: the first 200 of those that it is asked for again and again"
    )


class FeedInfo(BaseModel):
    """The feed that leads at Redis: it asks the market for the servers there, and these are its sources."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    host: str = Field(description="the machine that it runs on, by the name that it has there")
    pid: int
    sources: tuple[SourceInfo, ...]


class SinkState(StrEnum):
    """How a sink is."""

    OPENING = "opening"  # it was not connected so far
    OK = "ok"
    FAILING = "failing"  # it took nothing when it was tried last


class SinkInfo(BaseModel):
    """One address that this server publishes to, and how that is; times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    sink: str = Field(description="its address, without a name and a password")
    state: SinkState
    waiting: int = Field(description="changes that it has not taken yet")
    written: int = Field(description="prices that it has taken")
    merged: int = Field(description="changes that it never got because a newer one of their symbol took their place")
    dropped: int = Field(default=0, description="changes of symbols that there was no room to keep")
    failures: int = Field(default=0, description="how often it could not be opened or written to")
    last_success_at: int | None = Field(default=None, description="when it took something last")
    retry_at: int | None = Field(default=None, description="when it is tried again, while it is failing")
    reason: str | None = Field(default=None, description="why it is failing, as a sentence")


class Limits(BaseModel):
    """What a client has to keep to."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    max_line_bytes: int
    max_reply_bytes: int = MAX_REPLY_BYTES
    max_symbols: int
    min_interval: float = MIN_INTERVAL_SECONDS


# {"type":"HELLO","code":100,"status":"CONTINUE","protocol":1,"server":"stocktrack/0.1.0","instance":"b7c1",
# "auth":["password","token"],"limits":{"max_line_bytes":32768,"max_reply_bytes":262144,"max_symbols":500,
# "min_interval":0.1},"heartbeat_seconds":30.0}
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
    features: tuple[str, ...] | None = Field(
        default=None, description="what is switched on here beyond what every server has: chat"
    )


# {"type":"AUTH","id":1,"code":200,"status":"OK","message":"Welcome Yosakorn! Login successful.","username":"Yosakorn",
# "symbols":["TSLA"]}
class AuthReply(Reply):
    """Success: who is logged in, and the saved list."""

    type: Literal["AUTH"] = "AUTH"
    message: str
    username: str
    symbols: tuple[str, ...]
    token_id: str | None = Field(default=None, description="of the token that was logged in with; old ones have none")
    scope: Scope | None = Field(default=None, description="of the token that was logged in with")
    expires_at: int | None = Field(default=None, description="when that token and this session end, epoch milliseconds")
    is_admin: Literal[True] | None = Field(
        default=None, description="true for an administrator, as of now: it is looked up again at each command"
    )


# {"type":"GET","id":2,"code":200,"status":"OK","quotes":[{"symbol":"AAPL","price":189.45,"currency":"USD","change":1.2,
# "change_percent":0.64,"previous_close":188.25,"open":188.6,"high":190.1,"low":188.02,"volume":31250412,"bid":189.44,
# "ask":189.46,"name":"Apple Inc.","exchange":"NASDAQ","market_state":"open","timestamp":1712331900000,
# "received_at":1712331901204,"provider":"yahoo","delay_seconds":0,"stale":false,"seq":41}],"missing":[{"symbol":"NOPE",
# "code":404,"reason":"unknown_symbol"}]}
class GetReply(Reply):
    """Quotes in the order asked; what could not be served stands in `missing`."""

    type: Literal["GET"] = "GET"
    quotes: tuple[SerializeAsAny[BoardQuote], ...]
    missing: tuple[Missing, ...] = ()
    more: Literal[True] | None = Field(default=None, description="not all fit; ask again, `after` the last quote")


# {"type":"SUBSCRIBE","id":3,"code":200,"status":"OK","subscribed":["AAPL","MSFT"],"already":[],"pending":[],
# "missing":[],"symbols":["AAPL","MSFT"],"interval":5.0}
class SubscribeReply(Reply):
    """What was added, what was pushed already, what could not be checked yet, and all that is pushed now."""

    type: Literal["SUBSCRIBE"] = "SUBSCRIBE"
    subscribed: tuple[str, ...]
    already: tuple[str, ...]
    pending: tuple[str, ...]
    missing: tuple[Missing, ...]
    symbols: tuple[str, ...]
    interval: float


# {"type":"UNSUBSCRIBE","id":4,"code":200,"status":"OK","removed":["AAPL"],"missing":[],"symbols":["MSFT"]}
class UnsubscribeReply(Reply):
    """What was taken out, and all that is still pushed."""

    type: Literal["UNSUBSCRIBE"] = "UNSUBSCRIBE"
    removed: tuple[str, ...]
    missing: tuple[Missing, ...]
    symbols: tuple[str, ...]


# {"type":"MY_STOCKS","id":5,"code":200,"status":"OK","list":"main","lists":["main","tech"],"symbols":["MSFT","TSLA"],
# "quotes":[{"symbol":"MSFT","price":425.52,"currency":"USD","market_state":"closed","timestamp":1712347200000,
# "received_at":1712350800000,"provider":"yahoo","stale":true,"stale_reason":"provider_timeout",
# "retry_at":1712350830000,"seq":7}],"missing":[{"symbol":"TSLA","code":500,"reason":"provider_timeout"}]}
class MyStocksReply(Reply):
    """A saved list of the user with its latest quotes, and the names of all of them; an empty list is a success."""

    type: Literal["MY_STOCKS"] = "MY_STOCKS"
    list: str = MAIN_LIST
    lists: tuple[str, ...] = (MAIN_LIST,)
    symbols: tuple[str, ...]
    quotes: tuple[SerializeAsAny[BoardQuote], ...]
    missing: tuple[Missing, ...] = ()
    more: Literal[True] | None = Field(default=None, description="not all fit; ask again, `after` the last quote")


# {"type":"HISTORY","id":20,"code":200,"status":"OK","symbol":"AAPL","interval":"1d","adjust":"splits",
# "timezone":"America/New_York","currency":"USD","provider":"yahoo","bars":[{"time":1712237400000,"open":170.29,
# "high":171.92,"low":168.82,"close":168.82,"volume":53704400},{"time":1712323800000,"open":169.59,"high":170.39,
# "low":168.95,"close":169.58,"volume":42104800,"live":true}],"more":false}
class HistoryReply(Reply):
    """Bars, the oldest first; where not all fit on the line the oldest come, and `more` is true.

    Then go on with the last bar's time + 1 as `start`, with the same interval, and the same `end` if there was one.
    """

    type: Literal["HISTORY"] = "HISTORY"
    symbol: str
    interval: BarInterval
    adjust: Adjust = Field(description="what the prices are corrected for; none also where nothing is known of splits")
    timezone: str = Field(description="of the exchange, by its IANA name; UTC where that is not known")
    currency: str | None = None
    provider: str = Field(description="whose bars they are, unless a bar names another one")
    bars: tuple[Bar, ...]
    more: bool = False
    stale: Literal[True] | None = Field(default=None, description="true where the newest bars may be missing")
    stale_reason: Reason | None = Field(default=None, description="then, why they could not be had")


def join_pages(reply: Reply, page: Reply) -> Reply:
    """A reply with the page that was asked for after it; `page` where it is something else."""
    if isinstance(reply, HistoryReply) and isinstance(page, HistoryReply):
        before = reply.bars
        if page.provider != reply.provider:
            # Each page names whose most of its own bars are.
            before = tuple(replace(bar, provider=bar.provider or reply.provider) for bar in before)
        return page.model_copy(update={"bars": (*before, *page.bars)})
    if isinstance(reply, MyAlertsReply) and isinstance(page, MyAlertsReply):
        return page.model_copy(update={"alerts": (*reply.alerts, *page.alerts)})
    if isinstance(reply, HoldingsReply) and isinstance(page, HoldingsReply):
        listed = {name: (*getattr(reply, name), *getattr(page, name)) for name in ("holdings", "lots", "missing")}
        return page.model_copy(update=listed)
    if not isinstance(reply, GetReply | MyStocksReply) or not isinstance(page, GetReply | MyStocksReply):
        return page
    both = {"quotes": (*reply.quotes, *page.quotes), "missing": (*reply.missing, *page.missing), "more": page.more}
    return reply.model_copy(update=both)


# {"type":"SET_LIST","id":30,"code":200,"status":"OK","list":"tech","symbols":["NVDA","AMD"],"pending":[],"missing":[]}
class SetListReply(Reply):
    """The list as it is now, on disk; `pending` could not be checked, and what stands in `missing` was not done."""

    type: Literal["SET_LIST"] = "SET_LIST"
    list: str
    symbols: tuple[str, ...]
    pending: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


class ListInfo(BaseModel):
    """One of a user's lists."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    list: str
    count: int = Field(description="of its symbols")


# {"type":"LISTS","id":31,"code":200,"status":"OK","lists":[{"list":"main","count":2},{"list":"tech","count":2}]}
class ListsReply(Reply):
    """The user's lists in their order."""

    type: Literal["LISTS"] = "LISTS"
    lists: tuple[ListInfo, ...]


# {"type":"RENAME_LIST","id":32,"code":200,"status":"OK","list":"tech","name":"chips"}
class RenameListReply(Reply):
    """What the list was called, and what it is called now."""

    type: Literal["RENAME_LIST"] = "RENAME_LIST"
    list: str
    name: str


# {"type":"REMOVE_LIST","id":33,"code":200,"status":"OK","list":"chips","symbols":["NVDA","AMD"]}
class RemoveListReply(Reply):
    """Which list is no more, and what was in it."""

    type: Literal["REMOVE_LIST"] = "REMOVE_LIST"
    list: str
    symbols: tuple[str, ...]


# {"type":"ORDER_LISTS","id":34,"code":200,"status":"OK","lists":[{"list":"chips","count":2},{"list":"main","count":2}]}
class OrderListsReply(Reply):
    """The user's lists in their new order."""

    type: Literal["ORDER_LISTS"] = "ORDER_LISTS"
    lists: tuple[ListInfo, ...]


def next_page(reply: Reply) -> dict[str, Any] | None:
    """What to change in the fields of the command to get the page after a reply; None where nothing follows.

    A field that becomes None is left out.
    """
    if isinstance(reply, GetReply | MyStocksReply) and reply.more and reply.quotes:
        return {"after": reply.quotes[-1].symbol}
    if isinstance(reply, HistoryReply) and reply.more and reply.bars:
        return {"range": None, "start": reply.bars[-1].time + 1, "interval": reply.interval}
    if isinstance(reply, MyAlertsReply) and reply.more and reply.alerts:
        return {"after": reply.alerts[-1].alert}
    if isinstance(reply, HoldingsReply) and reply.more and reply.lots:
        return {"after": reply.lots[-1].symbol, "after_lot": reply.lots[-1].lot}
    return None


# {"type":"NEWS","id":6,"code":200,"status":"OK","articles":[{"title":"Stocks rise as yields ease",
# "source":"MarketWatch","link":"https://www.example.com/story","published":1712331000000}]}
class NewsReply(Reply):
    """Headlines, newest first."""

    type: Literal["NEWS"] = "NEWS"
    symbol: str | None = Field(default=None, description="the one that was asked for")
    articles: tuple[Headline, ...]


# {"type":"INFO","id":7,"code":200,"status":"OK","company":{"symbol":"AAPL","name":"Apple Inc.","sector":"Technology",
# "industry":"Consumer Electronics","website":"https://www.apple.com","country":"United States","employees":150000,
# "exchange":"NASDAQ","currency":"USD","market_cap":2925000000000.0,"market_cap_currency":"USD","summary":"Apple designs
#  phones, computers and services."}}
class InfoReply(Reply):
    """The company behind a symbol."""

    type: Literal["INFO"] = "INFO"
    company: CompanyInfo


# {"type":"DIVIDENDS","id":8,"code":200,"status":"OK","symbol":"AAPL","currency":"USD",
# "dividends":[{"date":"2024-02-09","amount":0.24,"currency":"USD"},
# {"date":"2023-11-10","amount":0.24,"currency":"USD"}]}
class DividendsReply(Reply):
    """Dividends, newest first."""

    type: Literal["DIVIDENDS"] = "DIVIDENDS"
    symbol: str
    currency: str | None = Field(default=None, description="of all of them, where they are in one")
    dividends: tuple[Dividend, ...]


# {"type":"SEARCH","id":9,"code":200,"status":"OK","matches":[{"symbol":"AAPL","name":"Apple Inc.",
# "exchange":"NASDAQ"}]}
class SearchReply(Reply):
    """Symbols that match; an empty list is a success."""

    type: Literal["SEARCH"] = "SEARCH"
    matches: tuple[Match, ...]


# {"type":"SOURCES","id":19,"code":200,"status":"OK","sources":[{"provider":"finnhub","capabilities":["quotes",
# "stream"],"state":"ok","last_success_at":1712331901204,"budget":{"used":12,"limit":60,"seconds":60},
# "stream":{"is_up":true,"symbols":50,"places":50},"leads":50},{"provider":"yahoo","capabilities":["company",
# "dividends","quotes","search"],"state":"blocked","last_success_at":1712331880000,"retry_at":1712331930000,
# "reason":"provider_blocked","message":"yahoo refuses requests (429); it is asked again in 28 s.","leads":0}],
# "sinks":[{"sink":"redis://localhost:6379/0","state":"ok","waiting":0,"written":81200,"merged":0,"dropped":0,
# "failures":0,"last_success_at":1712331901310}]}
class SourcesReply(Reply):
    """The sources of this server, in the order in which they are asked, and where it publishes to."""

    type: Literal["SOURCES"] = "SOURCES"
    sources: tuple[SourceInfo, ...]
    sinks: tuple[SinkInfo, ...] | None = Field(default=None, description="left out: it publishes nowhere")
    feed: FeedInfo | None = Field(
        default=None, description="with detail, where a feed asks the market: what that one says of itself"
    )


# {"type":"PING","id":10,"code":200,"status":"OK","timestamp":1712331900000}
class PingReply(Reply):
    """The server's time, epoch milliseconds."""

    type: Literal["PING"] = "PING"
    timestamp: int


# {"type":"LOGOUT","id":11,"code":2000,"status":"OK","message":"Goodbye Yosakorn!"}
class LogoutReply(Reply):
    """The session ends after this line."""

    type: Literal["LOGOUT"] = "LOGOUT"
    code: Code = Code.LOGGED_OUT
    message: str


# {"type":"TOKEN","id":12,"code":200,"status":"OK","username":"Yosakorn","token":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
# "expires_at":1714923900000,"token_id":"k3f9a2c7d","name":"laptop","scope":"full"}
class TokenReply(Reply):
    """A token to log in with from now on; it is told this once."""

    type: Literal["TOKEN"] = "TOKEN"
    username: str
    token: str = Field(repr=False)
    expires_at: int
    token_id: str
    name: str | None = None
    scope: Scope


class TokenInfo(BaseModel):
    """One token, as its user sees it; times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    token_id: str
    name: str | None = None
    scope: Scope
    created_at: int
    expires_at: int
    last_used_at: int | None = Field(default=None, description="to a minute or so; left out: never")


# {"type":"TOKENS","id":16,"code":200,"status":"OK","tokens":[{"token_id":"k3f9a2c7d","name":"laptop","scope":"full",
# "created_at":1712331900000,"expires_at":1714923900000,"last_used_at":1712418300000}]}
class TokensReply(Reply):
    """The user's tokens that are valid, the oldest first."""

    type: Literal["TOKENS"] = "TOKENS"
    tokens: tuple[TokenInfo, ...]


# {"type":"REVOKE","id":17,"code":200,"status":"OK","revoked":["k3f9a2c7d"]}
class RevokeReply(Reply):
    """Which tokens were ended, and with them the sessions that they had opened."""

    type: Literal["REVOKE"] = "REVOKE"
    revoked: tuple[str, ...]


# {"type":"PASSWORD","id":18,"code":200,"status":"OK","message":"The password was changed; all other sessions and all
#  tokens have ended."}
class ChangePasswordReply(Reply):
    """The new password counts; all tokens and all other sessions of the user have ended."""

    type: Literal["PASSWORD"] = "PASSWORD"
    message: str


class SessionInfo(BaseModel):
    """One open session, as an administrator sees it."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    session: str
    username: str | None = None
    address: str
    door: str
    since: int = Field(description="when it was opened, epoch milliseconds")
    symbols: tuple[str, ...] = Field(description="what it is pushed, the first 500; none where the command is brief")
    behind: int = Field(description="bytes that wait for the client to take them")
    symbol_count: int | None = Field(default=None, description="how many symbols it is pushed")
    idle_seconds: int | None = Field(default=None, description="since its last command")


class OverServers(Reply):
    """What is told of the sessions of all servers that know of each other."""

    partial: Literal[True] | None = Field(default=None, description="true where this is not of all of them")
    message: str | None = Field(default=None, description="then, which are missing and why")


# {"type":"SESSIONS","id":13,"code":200,"status":"OK","sessions":[{"session":"s7","username":"Yosakorn",
# "address":"192.0.2.7","door":"tcp","since":1712331900000,"symbols":["AAPL","MSFT"],"behind":0,"symbol_count":2,
# "idle_seconds":4}],"count":1,"more":false,"own":"s7"}
class SessionsReply(OverServers):
    """The open sessions, in the order in which they came; `more` says that they did not all fit on the line."""

    type: Literal["SESSIONS"] = "SESSIONS"
    sessions: tuple[SessionInfo, ...]
    count: int
    more: bool
    own: str | None = Field(default=None, description="the name of the session that asks")


class UserInfo(BaseModel):
    """One account, as an administrator sees it; times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    username: str
    created_at: int
    is_admin: bool
    is_disabled: bool
    saved_count: int = Field(description="the symbols of all saved lists, each once")
    tokens: int = Field(description="that are not revoked; some of them may have expired")
    sessions: int = Field(description="that are open now")
    muted_until: int | None = Field(default=None, description="till when the user may say nothing")


# {"type":"USERS","id":35,"code":200,"status":"OK","users":[{"username":"Yosakorn","created_at":1712331900000,
# "is_admin":false,"is_disabled":false,"saved_count":12,"tokens":1,"sessions":2}],"count":1,"more":false}
class UsersReply(OverServers):
    """The accounts by name, in the order of its characters' numbers; `more` as in SESSIONS."""

    type: Literal["USERS"] = "USERS"
    users: tuple[UserInfo, ...]
    count: int = Field(description="how many accounts there are in all")
    more: bool


# {"type":"KICK","id":14,"code":200,"status":"OK","session":"s7","username":"Yosakorn","count":1}
class KickReply(OverServers):
    """Which session was ended, or how many of a user, and whose it was."""

    type: Literal["KICK"] = "KICK"
    session: str | None = None
    username: str | None = None
    count: int = Field(description="how many sessions were ended")


# {"type":"ANNOUNCE","id":15,"code":200,"status":"OK","recipients":3}
class AnnounceReply(OverServers):
    """How many sessions were told."""

    type: Literal["ANNOUNCE"] = "ANNOUNCE"
    recipients: int


class AlertInfo(BaseModel):
    """One alert, as its user sees it; times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    alert: str
    symbol: str
    when: AlertWhen
    value: float
    minutes: int | None = None
    repeat: Repeat
    cooldown_seconds: int | None = None
    quiet_hours: str | None = None
    timezone: str | None = None
    targets: tuple[str, ...] = ()
    state: AlertState
    why: str | None = Field(default=None, description="it is disarmed, as a sentence")
    created_at: int
    fired_at: int | None = Field(default=None, description="when it fired last")
    fired_count: int = 0
    message: str | None = Field(default=None, description="what it told last")
    undelivered: int | None = Field(default=None, description="words to targets that are still tried")
    error: str | None = Field(default=None, description="what the last try to deliver one of them came to")


# {"type":"ALERT","id":21,"code":200,"status":"OK","alert":{"alert":"a7","symbol":"AAPL","when":"crosses_above",
# "value":200.0,"repeat":"once","targets":["phone"],"state":"armed","created_at":1712331900000,"fired_count":0}}
class AlertReply(Reply):
    """The alert, which is on disk."""

    type: Literal["ALERT"] = "ALERT"
    alert: AlertInfo


# {"type":"MY_ALERTS","id":22,"code":200,"status":"OK","alerts":[{"alert":"a7","symbol":"AAPL","when":"crosses_above",
# "value":200.0,"repeat":"once","targets":["phone"],"state":"fired","created_at":1712331900000,
# "fired_at":1712335500000,"fired_count":1,"message":"AAPL 200.12 USD rose above 200."}],"targets":["phone"]}
class MyAlertsReply(Reply):
    """The user's alerts, the oldest first, and the targets that they may name."""

    type: Literal["MY_ALERTS"] = "MY_ALERTS"
    alerts: tuple[AlertInfo, ...]
    targets: tuple[str, ...] = ()
    more: Literal[True] | None = Field(default=None, description="not all fit; ask again, `after` the last one")


# {"type":"UNALERT","id":23,"code":200,"status":"OK","alert":"a7","symbol":"AAPL"}
class UnalertReply(Reply):
    """Which alert is no more; what it has told already is still delivered."""

    type: Literal["UNALERT"] = "UNALERT"
    alert: str
    symbol: str


# {"type":"TEST_ALERT","id":24,"code":200,"status":"OK","target":"phone","delivered":true,
# "message":"phone took a test message."}
class AlertTestReply(Reply):
    """Whether a target took a test message at the first try, and else why not; it is not tried again."""

    type: Literal["TEST_ALERT"] = "TEST_ALERT"
    target: str
    delivered: bool
    message: str


class Amounts(BaseModel):
    """Money of one currency; what is not known is left out."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    cost: float | None = Field(default=None, description="what was paid, fees included")
    value: float | None = Field(default=None, description="what it is worth at the newest price")
    day_change: float | None = Field(default=None, description="of the value since the previous close")
    gain: float | None = Field(default=None, description="value less cost")


class HoldingInfo(Amounts):
    """What a user holds of a symbol; its money is in `currency`, which is the price's: pence for GBp."""

    symbol: str
    name: str | None = None
    quantity: float
    unit_cost: float | None = Field(default=None, description="cost by quantity; left out: nothing is left of it")
    price: float | None = None
    currency: str | None = None
    day_change_percent: float | None = None
    gain_percent: float | None = Field(default=None, description="of the cost")
    weight: float | None = Field(default=None, description="percent of the value of all holdings")
    stale: Literal[True] | None = Field(default=None, description="true where its price or rate is")
    rate: float | None = Field(default=None, description="what one of its currency is in that of the totals")
    converted: Amounts | None = Field(default=None, description="the same money in the currency of the totals")


class HoldingTotals(Amounts):
    """The money of all holdings whose price and rate are known, in one currency."""

    day_change_percent: float | None = None
    gain_percent: float | None = None


class LotInfo(BaseModel):
    """One lot; `created_at` is epoch milliseconds."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    lot: str
    symbol: str
    quantity: float
    unit_cost: float
    fixed_cost: float = 0.0
    group: str = MAIN_LIST
    created_at: int


# {"type":"HOLDINGS","id":25,"code":200,"status":"OK","holdings":[{"cost":1461.0,"value":1894.5,"day_change":12.0,
# "gain":433.5,"symbol":"AAPL","name":"Apple Inc.","quantity":10.0,"unit_cost":146.1,"price":189.45,"currency":"USD",
# "day_change_percent":0.64,"gain_percent":29.67,"weight":100.0,"rate":1.0,"converted":{"cost":1461.0,"value":1894.5,
# "day_change":12.0,"gain":433.5}}],"currency":"USD","totals":{"cost":1461.0,"value":1894.5,"day_change":12.0,
# "gain":433.5,"day_change_percent":0.64,"gain_percent":29.67},"lots":[{"lot":"l3","symbol":"AAPL","quantity":10.0,
# "unit_cost":146.0,"fixed_cost":1.0,"group":"main","created_at":1712331900000}],"groups":["main"],"missing":[]}
class HoldingsReply(Reply):
    """What the user holds, by symbol, with the lots; what has no price or no rate is in `missing` and in no total.

    The totals are of all holdings, on each page of them.
    """

    type: Literal["HOLDINGS"] = "HOLDINGS"
    holdings: tuple[HoldingInfo, ...]
    currency: str
    totals: HoldingTotals
    lots: tuple[LotInfo, ...]
    groups: tuple[str, ...] = (MAIN_LIST,)
    missing: tuple[Missing, ...] = ()
    more: Literal[True] | None = Field(
        default=None, description="not all fit; ask again, `after` the last lot's symbol and `after_lot` itself"
    )


# {"type":"ADD_LOT","id":26,"code":200,"status":"OK","lot":"l3","symbol":"AAPL","quantity":10.0,"unit_cost":146.0,
# "fixed_cost":1.0,"group":"main"}
class AddLotReply(Reply):
    """The lot, which is on disk."""

    type: Literal["ADD_LOT"] = "ADD_LOT"
    lot: str
    symbol: str
    quantity: float
    unit_cost: float
    fixed_cost: float
    group: str


# {"type":"REMOVE_LOT","id":27,"code":200,"status":"OK","lot":"l3","symbol":"AAPL"}
class RemoveLotReply(Reply):
    """Which lot is no more."""

    type: Literal["REMOVE_LOT"] = "REMOVE_LOT"
    lot: str
    symbol: str


# {"type":"SAY","id":28,"code":200,"status":"OK","recipients":2}
class SayReply(OverServers):
    """To how many sessions it goes; one that is far behind does not get it."""

    type: Literal["SAY"] = "SAY"
    recipients: int


# {"type":"MUTE","id":29,"code":200,"status":"OK","username":"Mallory","muted_until":1712335500000}
class MuteReply(Reply):
    """Till when the user may say nothing; left out: the user may."""

    type: Literal["MUTE"] = "MUTE"
    username: str
    muted_until: int | None = None


# {"type":"PRICE","code":100,"status":"CONTINUE","symbol":"AAPL","price":189.45,"currency":"USD","change":1.2,
# "change_percent":0.64,"volume":31250412,"bid":189.44,"ask":189.46,"market_state":"open","timestamp":1712331900000,
# "received_at":1712331901204,"provider":"yahoo","stale":false,"seq":41}
class Price(ServerMessage):
    """A push of one symbol: flat, with what moves and what is needed to read it alone.

    The price before or after the regular hours comes along while the market is `pre` or `post`, and `price_hint` where
    it is not two, which a client assumes. Where the source has none, it is what `shown_digits` makes of the quote.
    """

    type: Literal["PRICE"] = "PRICE"
    code: Code = Code.CONTINUE
    symbol: str
    price: FiniteFloat
    currency: str | None = None
    change: FiniteFloat | None = None
    change_percent: FiniteFloat | None = None
    volume: int | None = None
    volume_currency: str | None = None
    bid: FiniteFloat | None = None
    ask: FiniteFloat | None = None
    market_state: MarketState
    timestamp: int | None = None
    received_at: int
    provider: str
    extended_price: FiniteFloat | None = None
    extended_change: FiniteFloat | None = Field(default=None, description="of extended_price, since price")
    extended_change_percent: FiniteFloat | None = None
    extended_time: int | None = None
    price_hint: int | None = Field(default=None, description="decimals that its prices are shown with; left out: two")
    stale: bool
    stale_reason: Reason | None = None
    seq: int

    @classmethod
    def of(cls, quote: BoardQuote) -> "Price":
        """The push that tells `quote`, which is valid already."""
        fields = quote.__dict__
        told = {name: fields[name] for name in _FROM_QUOTE}
        if fields["extended_price"] is not None and fields["market_state"] in _EXTENDED_HOURS:
            told |= {name: fields[name] for name in _IN_EXTENDED_HOURS}
        hint = shown_digits(quote) if fields["price_hint"] is None else fields["price_hint"]
        if hint != ASSUMED_PRICE_HINT:
            told["price_hint"] = hint
        return _A_PRICE.model_copy(update=told)


_A_PRICE = Price(
    symbol="A", price=0.0, market_state=MarketState.UNKNOWN, received_at=0, provider="", stale=False, seq=0
)
_EXTENDED_HOURS = (MarketState.PRE, MarketState.POST)
_IN_EXTENDED_HOURS = ("extended_price", "extended_change", "extended_change_percent", "extended_time")
# Every other field of its own: one that no quote has is a KeyError at the first price.
_FROM_QUOTE = tuple(
    name for name in Price.model_fields if name not in {*ServerMessage.model_fields, *_IN_EXTENDED_HOURS, "price_hint"}
)


def shown_digits(quote: BoardQuote | Price) -> int:
    """The decimals that every surface shows the prices of a symbol with, by `price_digits`."""
    if isinstance(quote, Price):
        hint = ASSUMED_PRICE_HINT if quote.price_hint is None else quote.price_hint
        return price_digits(quote.price, hint)
    return price_digits(quote.price, quote.price_hint, (quote.previous_close, quote.bid, quote.ask))


# {"type":"HEARTBEAT","code":100,"status":"CONTINUE","timestamp":1712331930000}
class Heartbeat(ServerMessage):
    """Sent after `heartbeat_seconds` without other output; wants no answer."""

    type: Literal["HEARTBEAT"] = "HEARTBEAT"
    code: Code = Code.CONTINUE
    timestamp: int


# {"type":"NOTICE","code":500,"status":"SERVER_ERROR","reason":"provider_blocked","symbols":["AAPL","MSFT"],
# "message":"Yahoo refuses to answer for now. Prices stay as they were, marked stale.","retry_after_ms":30000}
class Notice(ServerMessage):
    """Something a session should know without having asked: an outage, its end, why the session ends."""

    type: Literal["NOTICE"] = "NOTICE"
    reason: Reason
    symbols: tuple[str, ...] | None = None
    message: str
    retry_after_ms: int | None = None
    alert: str | None = Field(default=None, description="which of the user's alerts fired")
    delivery: str | None = Field(default=None, description="of an alert: the same one twice is a double")
    timestamp: int | None = Field(
        default=None, description="of an alert: the market's time of the price that it fired at, epoch milliseconds"
    )
    lists: tuple[str, ...] | None = Field(
        default=None, description="of lists_changed: which, by their names before and after"
    )


# {"type":"SAID","code":100,"status":"CONTINUE","username":"Yosakorn","symbol":"AAPL","text":"What a day!",
# "timestamp":1712331900000}
class Said(ServerMessage):
    """A word of another user, to those who are pushed `symbol`, or to all that are logged in."""

    type: Literal["SAID"] = "SAID"
    code: Code = Code.CONTINUE
    username: str
    symbol: str | None = None
    text: str
    timestamp: int


# --- the table of commands ---------------------------------------------------------------------------------------


class Who(Enum):
    """From whom a command is taken; `sessions/life.py` says when a session is one of them."""

    ANYBODY = "anybody"
    STRANGERS = "strangers"  # who has not logged in
    GUESTS = "guests"  # who is let in without a login as well as users
    USERS = "users"
    ADMINS = "administrators"


class CommandRow(NamedTuple):
    """A command, the reply that it gets when it succeeds, who may send it, and the least scope of a token for it."""

    command: type[Command]
    reply: type[Reply]
    who: Who
    scope: Scope = Scope.FULL


# A new command is its two models, its row here, and its answer in sessions/answers.py. What else has to know it is
# derived from this table, or named by tests/test_commands.py while it is missing.
COMMANDS: dict[str, CommandRow] = {
    str(row.command.model_fields["type"].default): row
    for row in (
        CommandRow(Auth, AuthReply, Who.STRANGERS),
        CommandRow(Get, GetReply, Who.GUESTS, Scope.READ),
        CommandRow(Subscribe, SubscribeReply, Who.GUESTS, Scope.READ),
        CommandRow(Unsubscribe, UnsubscribeReply, Who.GUESTS, Scope.READ),
        CommandRow(MyStocks, MyStocksReply, Who.USERS, Scope.READ),
        CommandRow(SetList, SetListReply, Who.USERS),
        CommandRow(Lists, ListsReply, Who.USERS, Scope.READ),
        CommandRow(RenameList, RenameListReply, Who.USERS),
        CommandRow(RemoveList, RemoveListReply, Who.USERS),
        CommandRow(OrderLists, OrderListsReply, Who.USERS),
        CommandRow(News, NewsReply, Who.USERS, Scope.READ),
        CommandRow(Info, InfoReply, Who.GUESTS, Scope.READ),
        CommandRow(Dividends, DividendsReply, Who.USERS, Scope.READ),
        CommandRow(History, HistoryReply, Who.GUESTS, Scope.READ),
        CommandRow(Alert, AlertReply, Who.USERS),
        CommandRow(MyAlerts, MyAlertsReply, Who.USERS, Scope.READ),
        CommandRow(Unalert, UnalertReply, Who.USERS),
        CommandRow(AlertTest, AlertTestReply, Who.USERS),
        CommandRow(Holdings, HoldingsReply, Who.USERS),
        CommandRow(AddLot, AddLotReply, Who.USERS),
        CommandRow(RemoveLot, RemoveLotReply, Who.USERS),
        CommandRow(Say, SayReply, Who.USERS),
        CommandRow(Search, SearchReply, Who.GUESTS, Scope.READ),
        CommandRow(Sources, SourcesReply, Who.USERS, Scope.READ),
        CommandRow(Ping, PingReply, Who.ANYBODY, Scope.READ),
        CommandRow(Logout, LogoutReply, Who.ANYBODY, Scope.READ),
        CommandRow(Token, TokenReply, Who.USERS),
        CommandRow(Tokens, TokensReply, Who.USERS),
        CommandRow(Revoke, RevokeReply, Who.USERS),
        CommandRow(ChangePassword, ChangePasswordReply, Who.USERS),
        CommandRow(ListSessions, SessionsReply, Who.ADMINS),
        CommandRow(ListUsers, UsersReply, Who.ADMINS),
        CommandRow(Kick, KickReply, Who.ADMINS),
        CommandRow(Announce, AnnounceReply, Who.ADMINS),
        CommandRow(Mute, MuteReply, Who.ADMINS),
    )
}
COMMAND_TYPES: tuple[str, ...] = tuple(COMMANDS)
# The type of a failed command's reply; ERROR is for a line that is no command.
ERROR_TYPE = "ERROR"


def _is_a_reply_type(kind: str) -> str:
    if kind in COMMANDS or kind == ERROR_TYPE:
        return kind
    raise ValueError("is no command's type")


CommandTypeOrError = Annotated[
    str,
    AfterValidator(_is_a_reply_type),
    WithJsonSchema({"type": "string", "enum": [*COMMAND_TYPES, ERROR_TYPE]}),
]


# {"type":"GET","id":12,"code":404,"status":"NOT_FOUND","reason":"unknown_symbol","message":"No source knows NOPE.",
# "retryable":false,"missing":[{"symbol":"NOPE","code":404,"reason":"unknown_symbol"}]}
class Failure(Reply):
    """A command that failed; `type` is the command's, or ERROR for a line that is no command."""

    type: CommandTypeOrError
    code: Code
    reason: Reason
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    missing: tuple[Missing, ...] | None = None


PUSHES: dict[str, type[ServerMessage]] = {
    str(model.model_fields["type"].default): model for model in (Hello, Price, Heartbeat, Notice, Said)
}
SERVER_TYPES = frozenset((*COMMANDS, *PUSHES, ERROR_TYPE))


def server_model_of(kind: str, *, is_failure: bool) -> type[ServerMessage]:
    """The model of a server message by its `type`, one of `SERVER_TYPES`; a failed command has its command's type."""
    if kind in PUSHES:
        return PUSHES[kind]
    return Failure if is_failure or kind == ERROR_TYPE else COMMANDS[kind].reply
