"""The settings of alert targets: one frozen model for each kind, and a sentence for what is wrong with one.

`[alert_targets.phone]` in TOML is one of them, and `phone` is all of it that a user ever names. What may be a secret
is never shown: not in a sentence, not by `repr`, not in the JSON that `stocktrack config show` prints. That includes
the addresses, since a webhook's path and the topic of ntfy are as good as passwords.
"""

import difflib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    model_validator,
)

from stocktrack.messages import TargetName, Username
from stocktrack.setting_values import OwnFile, none_if_blank, split_addresses
from stocktrack.system.addresses import MAX_PORT, host_of

LEAST_SECRET_CHARS: Final = 8
# ntfy takes as a topic what fits into a path: https://docs.ntfy.sh/publish/
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
# The characters of RFC 5322's atoms and their dots; who has an address with quotes in it knows another one.
_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_NAMED_MAIL_ADDRESS = re.compile(r'(?:"?(?P<name>[^<>"@,;:\\]*?)"? *)<(?P<address>[^<>]+)>')
_NO_HOST: Final = "must have a host's name or address behind ://, and a port from 1 to 65535 if any"
_SAFE_IN_HEADER = re.compile(r"[!-~]+")  # what a header of HTTP takes without an encoding


def _is_web_address(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # Python's sentence has a part of the address in it, which may be one of the password
        raise ValueError(_NO_HOST) from None
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
        raise ValueError("must be an address that begins with https:// or http://")
    if port == 0 or (host_of(parts.netloc.rpartition("@")[2]) is None and host.isascii()):
        raise ValueError(_NO_HOST)
    return secret


def _is_topic_address(secret: SecretStr) -> SecretStr:
    parts = urlsplit(_is_web_address(secret).get_secret_value())
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an address without anything after ? or #; a login has settings of its own")
    if not _TOPIC.fullmatch(unquote(parts.path.rstrip("/").rpartition("/")[2])):
        raise ValueError("must end with the topic, as https://ntfy.sh/my-topic")
    return secret


def _is_apprise_address(secret: SecretStr) -> SecretStr:
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://.", secret.get_secret_value()):
        raise ValueError("must be addresses of Apprise, as ntfy://topic or mailto://user:password@example.com")
    return secret


def _is_long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < LEAST_SECRET_CHARS:
        raise ValueError(f"must have at least {LEAST_SECRET_CHARS} characters")
    return secret


def _fits_a_header(secret: SecretStr) -> SecretStr:
    if not _SAFE_IN_HEADER.fullmatch(secret.get_secret_value()):
        raise ValueError("must be plain characters without spaces")
    return secret


def _is_host(text: str) -> str:
    host = host_of(text if ":" not in text or text.startswith("[") else f"[{text}]")
    if host is None or host.port is not None:
        raise ValueError("must be a host's name or address, such as smtp.example.com, and its port has a setting")
    return host.name


def _is_mail_address(text: str) -> str:
    text = text.strip()
    named = _NAMED_MAIL_ADDRESS.fullmatch(text)
    if not _MAIL_ADDRESS.fullmatch(named["address"] if named else text) or not text.isprintable():
        raise ValueError("must be an address of email, as ann@example.com or Ann <ann@example.com>")
    return text


def mail_address(text: str) -> tuple[str, str]:
    """The name, which may be empty, and the plain address of a setting that is one."""
    named = _NAMED_MAIL_ADDRESS.fullmatch(text)
    return (named["name"].strip(), named["address"]) if named else ("", text)


def _is_program(arguments: tuple[str, ...]) -> tuple[str, ...]:
    if not arguments or not arguments[0].strip():
        raise ValueError('must name a program and its arguments, as ["notify-send", "StockTrack"]')
    if any("\0" in argument for argument in arguments):
        raise ValueError("must have no NUL in it")
    return arguments


def _in_parts(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _in_arguments(value: Any) -> Any:
    """A variable holds one text: a list of JSON, or words as a shell would part them, which does nothing else here."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('must be a list such as ["notify-send", "StockTrack"]') from None
    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise ValueError("must have a second quotation mark for each first one") from None


def _shown_secret(value: SecretStr | None) -> str | None:
    return None if value is None else "***"


def shown_host(value: SecretStr | str) -> str:
    """The scheme and the host of an address, which is all of it that is shown."""
    parts = urlsplit(value.get_secret_value() if isinstance(value, SecretStr) else value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"


def _shown_schemes(values: tuple[SecretStr, ...]) -> list[str]:
    # What stands where others have a host is the token of a bot for some of Apprise's services.
    return [f"{value.get_secret_value().partition('://')[0].lower()}://***" for value in values]


def _shown_arguments(arguments: tuple[str, ...]) -> list[str]:
    return [arguments[0], *("***" for _ in arguments[1:])]


_AsStars = PlainSerializer(_shown_secret, return_type=str | None, when_used="json")
_AsHost = PlainSerializer(shown_host, return_type=str, when_used="json")
Secret = Annotated[SecretStr | None, BeforeValidator(none_if_blank), _AsStars]
SigningSecret = Annotated[
    Annotated[SecretStr, AfterValidator(_is_long_enough)] | None, BeforeValidator(none_if_blank), _AsStars
]
HeaderSecret = Annotated[
    Annotated[SecretStr, AfterValidator(_fits_a_header)] | None, BeforeValidator(none_if_blank), _AsStars
]
WebAddress = Annotated[SecretStr, AfterValidator(_is_web_address), _AsHost]
TopicAddress = Annotated[SecretStr, AfterValidator(_is_topic_address), _AsHost]
AppriseAddresses = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_is_apprise_address)], ...],
    BeforeValidator(split_addresses),
    Field(min_length=1, max_length=20),
    PlainSerializer(_shown_schemes, return_type=list[str], when_used="json"),
]
MailAddress = Annotated[str, AfterValidator(_is_mail_address)]
MailAddresses = Annotated[
    tuple[MailAddress, ...],
    BeforeValidator(_in_parts),
    Field(min_length=1, max_length=50),
]
Arguments = Annotated[
    tuple[str, ...],
    BeforeValidator(_in_arguments),
    AfterValidator(_is_program),
    Field(repr=False),
    PlainSerializer(_shown_arguments, return_type=list[str], when_used="json"),
]


class TargetSettings(BaseModel):
    """What every kind has: who may name it, and how long it may take to accept a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    users: Annotated[tuple[Username, ...], BeforeValidator(_in_parts)] = ()
    timeout_seconds: float = Field(default=10.0, gt=0, le=120, allow_inf_nan=False)

    def is_for(self, username: str) -> bool:
        """Whether this user may name the target: with nobody in `users` everybody may."""
        return not self.users or username in self.users


class WebhookSettings(TargetSettings):
    """An address of HTTP that takes the message as JSON, signed where there is a `secret`."""

    kind: Literal["webhook"]
    url: WebAddress
    secret: SigningSecret = None
    ca_file: OwnFile = None


class NtfySettings(TargetSettings):
    """A topic of ntfy, the public one or your own."""

    kind: Literal["ntfy"]
    url: TopicAddress
    token: HeaderSecret = None
    username: str | None = Field(default=None, min_length=1)
    password: Secret = None
    priority: int | None = Field(default=None, ge=1, le=5)
    ca_file: OwnFile = None

    @model_validator(mode="after")
    def _logs_in_one_way(self) -> Self:
        if self.token is not None and self.username is not None:
            raise ValueError("must have either token or username and password, and not both")
        if (self.username is None) != (self.password is None):
            raise ValueError("must have both username and password, or neither")
        if ":" in (self.username or ""):
            raise ValueError("must have a username without a colon")
        return self


class EmailSettings(TargetSettings):
    """A server of SMTP that takes email."""

    kind: Literal["email"]
    host: Annotated[str, AfterValidator(_is_host)]
    tls: Literal["starttls", "tls", "none"] = "starttls"
    port: int | None = Field(default=None, ge=1, le=MAX_PORT)
    username: str | None = Field(default=None, min_length=1)
    password: Secret = None
    sender: MailAddress = Field(alias="from")
    to: MailAddresses
    ca_file: OwnFile = None

    @model_validator(mode="after")
    def _logs_in_whole(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("must have both username and password, or neither")
        return self

    @property
    def port_used(self) -> int:
        """The port that is set, or the usual one: 587 with STARTTLS, 465 with TLS, 25 without."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.tls]


class CommandSettings(TargetSettings):
    """A program of this machine, with arguments that never change."""

    kind: Literal["command"]
    command: Arguments


class AppriseSettings(TargetSettings):
    """Addresses of Apprise, which knows more than a hundred services."""

    kind: Literal["apprise"]
    urls: AppriseAddresses


AnyTarget = WebhookSettings | NtfySettings | EmailSettings | CommandSettings | AppriseSettings
KINDS: Final[Mapping[str, type[TargetSettings]]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(AnyTarget)
}
AlertTargets = Mapping[TargetName, Annotated[AnyTarget, Field(discriminator="kind")]]

# What a value may be said of in a sentence; any other may be a secret, or in the wrong place.
_TELLABLE: Final = frozenset({"timeout_seconds", "port", "tls", "priority", "host", "from", "to", "users", "kind"})
_NAME_RULE = "it must have 1 to 64 printable characters, without spaces at its ends"
_ONE_OF = f"must be one of {', '.join(KINDS)}"
_WORDS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "missing": lambda _: "is missing",
    "union_tag_not_found": lambda _: f"is missing: it {_ONE_OF}",
    "union_tag_invalid": lambda complaint: f"is {complaint['ctx']['tag']!r} and {_ONE_OF}",
    "too_short": lambda _: "must not be empty",
    "tuple_type": lambda _: "must be a list",
    "string_type": lambda _: "must be text in quotation marks",
}


def target_complaint(complaints: Sequence[dict[str, Any]], origin: str) -> str:
    """The sentence about the first of pydantic's complaints, whose `loc` begins with `alert_targets`."""
    complaint = complaints[0]
    if complaint["type"] == "missing":
        # What is missing is often there under a name with a slip in it, and that is what helps.
        table = complaint["loc"][:2]
        slips = (each for each in complaints if each["type"] == "extra_forbidden" and each["loc"][:2] == table)
        complaint = next(slips, complaint)
    first, *path = complaint["loc"]
    if not path or complaint["type"] in {"mapping_type", "model_attributes_type", "model_type", "dict_type"}:
        where = ".".join(map(str, [first, *path[:1]]))
        return f"{where} (from {origin}): each target has a table of its own, such as [alert_targets.phone]."
    name, *inside = path
    if inside[:1] == ["[key]"]:
        return f"{first} (from {origin}): {str(name)[:80]!r} is no name of a target: {_NAME_RULE}."
    kind = str(inside.pop(0)) if inside and inside[0] in KINDS else ""
    table = f"{first}.{name}"
    if complaint["type"] == "extra_forbidden":
        field = str(inside[0])
        return f"{table} (from {origin}): a target of the kind {kind} has no setting {field!r}.{_near(kind, field)}"
    if complaint["type"].startswith("union_tag"):
        inside = ["kind"]
    where = ".".join([table, *map(str, inside[:1])])
    value = complaint["input"]
    is_told = str(inside[0] if inside else "") in _TELLABLE and isinstance(value, str | int | float)
    shown = f" = {value!r}" if is_told and complaint["type"] not in {"missing", "union_tag_invalid"} else ""
    return f"{where}{shown} (from {origin}): {_because(complaint)}."


def _because(complaint: dict[str, Any]) -> str:
    if (words := _WORDS.get(complaint["type"])) is not None:
        return words(complaint)
    return str(complaint["msg"]).removeprefix("Value error, ").removeprefix("Input ")


def _near(kind: str, field: str) -> str:
    known = [info.alias or name for name, info in KINDS[kind].model_fields.items()] if kind else []
    near = difflib.get_close_matches(field, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" It has {', '.join(known)}."
