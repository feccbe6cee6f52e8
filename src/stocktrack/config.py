"""The server's settings: one frozen object, made of flags, the environment and files.

Precedence, the strongest first: flag, environment (`STOCKTRACK_*`), `.env`, the file of `--config`, the user's own
TOML file, default. Each field has its unit in its name and its reason in its description; `docs/configuration.md`
lists them, and a test holds the two together.
"""

import difflib
import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from stocktrack.errors import ConfigError
from stocktrack.messages import MAX_INTERVAL_SECONDS, MAX_LIST_LIMIT, MIN_INTERVAL_SECONDS, Username
from stocktrack.quotes import major_currency
from stocktrack.setting_values import OwnFile, none_if_blank, split_addresses
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, MAX_PORT, host_of
from stocktrack.system.data_folder import as_folder, default_data_folder
from stocktrack.system.setting_sources import ENV_FILE, ENV_PREFIX, ClientVariable, setting_sources
from stocktrack.target_settings import AlertTargets, target_complaint

# The project's own tests read these; a server that they start ignores them without a warning.
TEST_PREFIX = "STOCKTRACK_TEST_"
DEFAULT_NEWS_FEEDS = (
    "https://feeds.content.dowjones.io/public/rss/mw_topstories",
    "https://www.cnbc.com/id/100003114/device/rss/rss.html",
    "https://feeds.content.dowjones.io/public/rss/RSSMarketsMain",
)

SYMBOL_PLACE = "{symbol}"  # where a symbol goes in an address of the settings


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part for part in re.split(r"[,\s]+", value) if part)
    return value


def _is_address(url: str, *schemes: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        begins = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"must be an address that begins with {begins}")
    if parts.port == 0:  # one that is no port at all is an error of its own
        raise ValueError("must be an address of a port from 1 to 65535")
    return url


def _is_plain_address(url: str, *schemes: str) -> str:
    """An address that may be shown: no key or password stands in it."""
    parts = urlsplit(_is_address(url, *schemes))
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an address without a key, a password or anything else after ? or #")
    return url


def _is_web_address(url: str) -> str:
    try:
        return _is_address(url, "http", "https")
    except ValueError:  # it may be one of several, so that the sentence has to say which
        raise ValueError(f"{url!r} is not an http(s) address") from None


def _has_a_place_for_a_symbol(url: str) -> str:
    parts = urlsplit(url)
    if SYMBOL_PLACE in parts.netloc or SYMBOL_PLACE not in parts.path + parts.query:
        raise ValueError(
            f"{url!r} must say where the symbol goes, behind the host: https://example.com/rss?s={SYMBOL_PLACE}"
        )
    if {"{", "}"} & set(url.replace(SYMBOL_PLACE, "")):
        raise ValueError(f"{url!r} must have no braces but those of {SYMBOL_PLACE}: nothing else is put in its place")
    return url


def _is_websocket_address(url: str) -> str:
    return _is_address(url, "wss", "ws")


def _is_rest_address(url: str) -> str:
    return _is_plain_address(url, "https", "http").rstrip("/")


def _is_stream_address(url: str) -> str:
    return _is_plain_address(url, "wss", "ws")


def _is_openalgo_address(url: str) -> str:
    return _is_plain_address(url, "wss", "ws", "https", "http").rstrip("/")


def _is_redis_address(url: str) -> str:
    parts = urlsplit(url)
    if re.search(r"[,\s]", parts.netloc.rpartition("@")[2]):
        raise ValueError("must be addresses that each begin with redis:// or rediss:// or unix://")
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("must name a socket by its whole path, as unix:///run/redis/redis.sock")
        return url
    return _is_address(url, "redis", "rediss", "unix")


def _is_kafka_address(url: str) -> str:
    parts = urlsplit(_is_plain_address(url, "kafka"))
    if not re.fullmatch(r"/[A-Za-z0-9._-]{1,249}", parts.path):
        raise ValueError("must end with the name of a topic, as kafka://localhost:9092/quotes")
    return url


def _is_file_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.path.endswith("/"):
        raise ValueError("must name a file by its whole path, as file:///var/lib/stocktrack/ticks.csv")
    return url


def _is_unknown_address(_url: str) -> str:
    raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in _WAYS_OUT)}")


_WAYS_OUT = {
    "redis": _is_redis_address,
    "rediss": _is_redis_address,
    "unix": _is_redis_address,
    "kafka": _is_kafka_address,
    "file": _is_file_address,
}


def _is_way_out(url: str) -> str:
    return _WAYS_OUT.get(urlsplit(url).scheme, _is_unknown_address)(url)


def _speed(value: Any) -> Any:
    return math.inf if isinstance(value, str) and value.strip().lower() == "max" else value


def _without_doubles(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _are_shards(urls: tuple[str, ...]) -> tuple[str, ...]:
    if not urls:
        raise ValueError("must name a Redis, such as redis://localhost:6379")
    if len(set(urls)) < len(urls):
        # Left out silently, it would move prices: where each lies follows from how many addresses there are.
        raise ValueError("must not name an address twice")
    return urls


def _names_a_source(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name a source, such as yahoo, or several in their order")
    return names


Mark = TypeVar("Mark")
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_without_doubles)]
RedisAddresses = Annotated[
    tuple[Annotated[str, AfterValidator(_is_redis_address)], ...],
    BeforeValidator(split_addresses),
    AfterValidator(_are_shards),
]
KafkaAddress = Annotated[Annotated[str, AfterValidator(_is_kafka_address)] | None, BeforeValidator(none_if_blank)]
WaysOut = Annotated[
    tuple[Annotated[str, AfterValidator(_is_way_out)], ...], BeforeValidator(_split), AfterValidator(_without_doubles)
]
Speed = Annotated[float, BeforeValidator(_speed), Field(gt=0)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_is_web_address)], ...], BeforeValidator(_split)]


def _switched_off(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in {"", "off", "none"} else value


AddressOfASymbol = Annotated[
    Annotated[str, AfterValidator(_is_web_address), AfterValidator(_has_a_place_for_a_symbol)] | None,
    BeforeValidator(_switched_off),
]


def _is_origin(origin: str) -> str:
    parts = urlsplit(origin.rstrip("/"))
    if origin != "*" and (not parts.scheme or not parts.netloc or parts.path or parts.query):
        raise ValueError(f"{origin!r} is not an origin such as https://example.com")
    return origin.rstrip("/").lower()


def _is_host_name(name: str) -> str:
    host = host_of(name)
    if host is None or host.port is not None or host.name == "*":
        raise ValueError(f"{name!r} is not a host's name such as quotes.example, without https:// and without a port")
    return host.name


def _is_network(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network))
    except ValueError as error:
        raise ValueError(f"{network!r} is not an address or a network such as 10.0.0.0/8: {error}") from None


def _is_whole_currency(text: str) -> str:
    if not re.fullmatch("[A-Z]{3}", text) or major_currency(text) != text:
        raise ValueError(f"{text!r} is not the code of a currency such as USD or EUR")
    return text


_USERNAME: TypeAdapter[str] = TypeAdapter(Username)
Origins = Annotated[tuple[Annotated[str, AfterValidator(_is_origin)], ...], BeforeValidator(_split)]
HostNames = Annotated[tuple[Annotated[str, AfterValidator(_is_host_name)], ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_is_network)], ...], BeforeValidator(_split)]
Port = Annotated[int, Field(ge=0, le=MAX_PORT)]
PortOrOff = Annotated[Port | None, BeforeValidator(_switched_off)]


class Reload(Enum):
    """Marks a setting that SIGHUP changes in a running server, and says for whom; the others need a restart.

    They are what is built once from the settings, and what a HELLO has promised to sessions that are open: the longest
    line, the heartbeats.
    """

    AT_ONCE = "open sessions too"
    FOR_NEW_CLIENTS = "clients to come"


@dataclass(frozen=True, slots=True)
class Flag:
    """Marks a setting that `stocktrack serve` has an option for."""

    name: str


class Settings(BaseModel):
    """Everything that can be set.

    A setting is one field here, and a row of the same words in `docs/configuration.md`. What else must know of it is
    derived from the field and its marks, or tests hold it to them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: Annotated[str, Flag("--host")] = Field(
        default=DEFAULT_HOST, min_length=1, description="address to listen on; 0.0.0.0 is every network"
    )
    port: Annotated[Port, Flag("--port")] = Field(
        default=DEFAULT_PORT, description="TCP port of the JSON-lines door; 0 takes a free one"
    )
    tls_cert: Annotated[Path | None, Reload.FOR_NEW_CLIENTS] = Field(
        default=None, description="PEM file of the TLS certificate and its chain; with tls_key it switches TLS on"
    )
    tls_key: Annotated[Path | None, Reload.FOR_NEW_CLIENTS] = Field(
        default=None, description="PEM file of the certificate's private key, not encrypted"
    )
    tls_handshake_timeout_seconds: Annotated[Seconds, Reload.FOR_NEW_CLIENTS] = Field(
        default=5.0, description="how long a TLS handshake may take; a client that does not speak TLS learns it then"
    )
    web_port: Annotated[PortOrOff, Flag("--web-port")] = Field(
        default=8_080,
        description="port of the web door: page, WebSocket and REST; 0 takes a free one, off switches it off",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="other sites whose pages may ask and open a WebSocket here, such as https://example.com; * is all",
    )
    public_names: HostNames = Field(
        default=(),
        description="names of the web port, such as quotes.example; addresses and localhost need not be named",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="addresses and networks of reverse proxies that are believed when they say who the client is",
    )
    live_price_needs_token: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="whether /live-price, the other dialects and /udf are for users only; auto asks beyond loopback",
    )
    metrics_host: str | None = Field(
        default=None, min_length=1, description="address of metrics_port; left out, it is host"
    )
    metrics_port: PortOrOff = Field(
        default=None, description="port of /metrics, /healthz and /readyz alone; left out, they are on web_port"
    )
    providers: Annotated[Names, AfterValidator(_names_a_source), Flag("--provider")] = Field(
        default=("yahoo", "rss"), description="market sources; the first that offers a thing serves it"
    )
    workers: Annotated[int, Flag("--workers")] = Field(
        default=1, ge=1, le=64, description="processes that serve clients at the same ports; several need redis_url"
    )
    symbols_file: Annotated[Path | None, BeforeValidator(_switched_off), Reload.AT_ONCE] = Field(
        default=None, description="CSV of symbols and what each is, or Kite's instruments file; may be gzip"
    )
    sources: Mapping[str, Mapping[str, Any]] = Field(
        default={}, repr=False, description="settings of sources that others wrote, under the name of each"
    )
    display_currency: Annotated[str, AfterValidator(_is_whole_currency), Reload.AT_ONCE] = Field(
        default="USD",
        description="currency of the totals of HOLDINGS where a client names none; not a part such as GBp",
    )
    data_dir: Annotated[Path, BeforeValidator(as_folder)] = Field(
        default_factory=default_data_folder,
        description="folder of the database, the caches and the prompt's history; made with mode 0700",
    )
    database_url: str | None = Field(
        default=None,
        description="database of users, saved lists and bars: sqlite:…, postgresql:…; left out, SQLite in data_dir",
    )
    max_alerts_per_user: Annotated[int, Field(ge=0)] = Field(
        default=1_000, description="how many alerts a user may have"
    )
    record_bars: bool = Field(
        default=True, description="whether what this server sees of the market is kept as 1-minute bars in the database"
    )
    bars_retention_days: Annotated[int, Reload.AT_ONCE] = Field(
        default=30, ge=1, le=3_650, description="how long they are kept; 500 symbols take some 14 MB a trading day"
    )
    token_secret_file: OwnFile = Field(
        default=None,
        description="file of the secret that signs tokens, the same for servers that share users; it is in data_dir",
    )
    push_interval_seconds: Annotated[float, Reload.FOR_NEW_CLIENTS] = Field(
        default=5.0,
        ge=MIN_INTERVAL_SECONDS,
        le=MAX_INTERVAL_SECONDS,
        description="time between pushes to a session that did not choose its own",
    )
    poll_interval_seconds: Seconds = Field(
        default=5.0, description="time between two requests for the watched symbols; shorter provokes a 429"
    )
    provider_timeout_seconds: Seconds = Field(default=10.0, description="how long a source may take to answer")
    yahoo_stream: bool = Field(
        default=True, description="whether Yahoo's streamer sends its prices as they come; false only polls them"
    )
    yahoo_stream_url: Annotated[
        Annotated[str, AfterValidator(_is_websocket_address)] | None, BeforeValidator(none_if_blank)
    ] = Field(default=None, description="another address of Yahoo's streamer than the one that yfinance knows")
    simulated_interval_seconds: Seconds = Field(default=1.0, description="time between prices of the simulated market")
    simulated_seed: int | None = Field(default=None, description="makes the simulated market repeat itself")
    news_feeds: Addresses = Field(
        default=DEFAULT_NEWS_FEEDS, description="addresses of the RSS or Atom feeds that NEWS merges"
    )
    symbol_news_feed: AddressOfASymbol = Field(
        default=None,
        description="address of a feed for each symbol, with {symbol} in it: for NEWS of a symbol, by the source rss",
    )
    max_headlines_per_feed: int = Field(
        default=50,
        ge=1,
        le=MAX_LIST_LIMIT,
        description="newest headlines that NEWS takes of each feed; fewer keep one busy feed from filling it",
    )
    finnhub_api_key: Annotated[SecretStr | None, BeforeValidator(none_if_blank)] = Field(
        default=None, description="key of the source finnhub; FINNHUB_API_KEY is read, too, and no page or log shows it"
    )
    finnhub_api_key_file: OwnFile = Field(
        default=None, description="file that holds nothing but that key, with mode 0600"
    )
    finnhub_rest_url: Annotated[str, AfterValidator(_is_rest_address)] = Field(
        default="https://finnhub.io/api/v1", description="address of Finnhub's REST, or of what stands in for it"
    )
    finnhub_ws_url: Annotated[str, AfterValidator(_is_stream_address)] = Field(
        default="wss://ws.finnhub.io", description="address of Finnhub's stream, or of what stands in for it"
    )
    openalgo_url: Annotated[str, AfterValidator(_is_openalgo_address)] = Field(
        default=f"ws://{DEFAULT_HOST}:8765",
        description="address of OpenAlgo: its stream (ws) or its page (http); either will do",
    )
    openalgo_rest_url: Annotated[
        Annotated[str, AfterValidator(_is_rest_address)] | None, BeforeValidator(none_if_blank)
    ] = Field(default=None, description="address of OpenAlgo's page; left out, it follows from openalgo_url")
    openalgo_api_key: Annotated[SecretStr | None, BeforeValidator(none_if_blank)] = Field(
        default=None,
        description="key of the source openalgo; OPENALGO_API_KEY is read, too, and no page or log shows it",
    )
    openalgo_api_key_file: OwnFile = Field(
        default=None, description="file that holds nothing but the key of OpenAlgo, with mode 0600"
    )
    redis_url: Annotated[RedisAddresses, Flag("--redis-url")] = Field(
        default=(f"redis://{DEFAULT_HOST}:6379",),
        description="Redis that prices come from and several servers share: redis://, rediss:// with TLS, or unix://; "
        "of several the first is the home of all but prices, and each has its part of those",
    )
    kafka_url: KafkaAddress = Field(
        default=None, description="broker and topic of the source kafka, as kafka://localhost:9092/quotes"
    )
    publish_to: WaysOut = Field(
        default=(),
        description="where every change of a price goes as well: redis://…, kafka://host:9092/topic, file:///…/ticks.csv",
    )
    alert_targets: AlertTargets = Field(
        default={}, description="whom alerts can be told to besides sessions, a table for each target"
    )
    replay_file: OwnFile = Field(default=None, description="recorded file, or folder of them, of the source replay")
    replay_speed: Speed = Field(
        default=1.0, description="how many times as fast as they were recorded prices come; max does not wait"
    )
    replay_loop: bool = Field(default=False, description="whether a replay begins anew at its end")
    heartbeat_seconds: Seconds = Field(default=30.0, description="silence after which a session gets a HEARTBEAT")
    auth_timeout_seconds: Annotated[Seconds, Reload.AT_ONCE] = Field(
        default=30.0, description="time from connecting to a successful AUTH, for people typing into nc"
    )
    slow_client_timeout_seconds: Annotated[Seconds, Reload.AT_ONCE] = Field(
        default=10.0, description="how long a client may take nothing before it is closed"
    )
    max_line_bytes: int = Field(default=32_768, ge=1_024, le=1_048_576, description="longest line a client may send")
    max_symbols: Annotated[int, Reload.AT_ONCE] = Field(
        default=500, ge=1, le=10_000, description="symbols of one command, one session's pushes, and one saved list"
    )
    max_lots_per_user: Annotated[int, Reload.AT_ONCE] = Field(
        default=1_000, ge=1, le=10_000, description="lots that a user may keep; a lot is one purchase or sale"
    )
    max_sessions: Annotated[int, Reload.FOR_NEW_CLIENTS] = Field(
        default=20_000, ge=1, description="sessions at once; lowered at start to what the descriptors allow"
    )
    max_unauthenticated_sessions: Annotated[int, Reload.FOR_NEW_CLIENTS] = Field(
        default=2_000, ge=1, description="sessions that have not logged in yet; keeps strangers from filling the server"
    )
    max_unauthenticated_per_address: Annotated[int, Reload.FOR_NEW_CLIENTS] = Field(
        default=0, ge=0, description="those of them from one address, an IPv6 one by its /64; 0 for half of them"
    )
    max_guests: Annotated[int, Reload.FOR_NEW_CLIENTS] = Field(
        default=4_000,
        ge=1,
        description="guests of /live-price, the other dialects, Socket.IO and /udf; half of them from one address",
    )
    guest_idle_seconds: Annotated[Seconds, Reload.AT_ONCE] = Field(
        default=60.0, description="how long a guest may watch nothing before it is closed"
    )
    max_sessions_per_user: Annotated[int, Reload.FOR_NEW_CLIENTS] = Field(
        default=0, ge=0, description="sessions of one user at once; 0 for no limit"
    )
    max_sessions_per_address: Annotated[int, Reload.FOR_NEW_CLIENTS] = Field(
        default=0, ge=0, description="sessions from one address at once; 0 for no limit"
    )
    commands_per_second: Annotated[float, Reload.AT_ONCE] = Field(
        default=50.0, gt=0, allow_inf_nan=False, description="commands a session may send on average"
    )
    command_burst: Annotated[int, Reload.AT_ONCE] = Field(
        default=200, ge=1, description="commands a session may send at once"
    )
    bytes_per_second: Annotated[int, Reload.AT_ONCE] = Field(
        default=65_536, ge=1_024, description="bytes of commands a session may send on average; at once 4 longest lines"
    )
    user_upstream_requests_per_minute: Annotated[float, Reload.AT_ONCE] = Field(
        default=60.0,
        gt=0,
        allow_inf_nan=False,
        description="requests to the market's sources that a user may cause on average, over all sessions",
    )
    user_upstream_burst: Annotated[int, Reload.AT_ONCE] = Field(
        default=30, ge=1, description="requests to the market's sources that a user may cause at once"
    )
    chat: Annotated[bool, Reload.AT_ONCE] = Field(
        default=False, description="whether users may talk to each other, which administrators can moderate"
    )
    chat_messages_per_minute: Annotated[float, Reload.AT_ONCE] = Field(
        default=60.0,
        gt=0,
        allow_inf_nan=False,
        description="what a user may say on average, over all sessions; at once 10 of them",
    )
    chat_messages_per_second: Annotated[float, Reload.AT_ONCE] = Field(
        default=100.0, gt=0, allow_inf_nan=False, description="what all users together may say on average"
    )
    upstream_requests_per_minute: int = Field(
        default=300, ge=60, description="requests to one source a minute for all together; polls come before questions"
    )
    login_failures_per_minute: int = Field(
        default=30, ge=1, description="wrong passwords for one name or from one address before a pause"
    )
    allowlist: Names = Field(
        default=(), description="names that log in without a password, for a classroom; on loopback only, unless forced"
    )
    allowlist_force: bool = Field(
        default=False, description="allows the allowlist on a network, where whoever knows a name is let in"
    )
    event_loop: Literal["auto", "uvloop", "asyncio"] = Field(
        default="auto", description="auto takes uvloop where it is installed"
    )
    log_format: Literal["console", "json"] = Field(default="console", description="json for log collectors")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Reload.AT_ONCE] = Field(
        default="info", description="least level logged"
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _allowlist_stays_at_home(self) -> Self:
        for name in self.allowlist:
            try:
                _USERNAME.validate_python(name)
            except ValidationError:
                raise ValueError(f"allowlist: {name!r} cannot be a user's name") from None
        if self.allowlist and not (self.is_loopback or self.allowlist_force):
            raise ValueError(
                f"allowlist lets in whoever knows a name, and host = {self.host!r} is open to a network; "
                f"listen on {DEFAULT_HOST}, or set allowlist_force = true if that is what you want"
            )
        return self

    @model_validator(mode="after")
    def _publishes_in_no_circle(self) -> Self:
        for source, addresses in (("kafka", (self.kafka_url,)), ("redis", self.redis_url)):
            if source in self.providers and not set(self.publish_to).isdisjoint(addresses):
                raise ValueError(
                    f"publish_to names the address that the source {source} takes prices from: "
                    "what is published there would come back for ever; choose another one"
                )
        return self

    @property
    def redis_home(self) -> str:
        """The address of the Redis that has all but prices, and of those its part."""
        return self.redis_url[0]

    @property
    def token_secret(self) -> Path:
        """The file of the secret that signs the tokens."""
        return self.token_secret_file or self.data_dir / "token.secret"

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'stocktrack.db'}"

    def may_name_target(self, username: str, name: str) -> bool:
        """Whether an alert of this user may go to a target; one that is not defined is refused to nobody."""
        target = self.alert_targets.get(name)
        return target is None or target.is_for(username)


def settings_marked(mark: type[Mark]) -> dict[str, Mark]:
    """The settings that carry a mark of this type, each with its mark, in the order of the page."""
    return {
        name: each for name, field in Settings.model_fields.items() for each in field.metadata if isinstance(each, mark)
    }


# Settings whose values may be secrets: an error says what would be right, and not what it was.
_UNTOLD = {"sources": "each source has a table of its own, such as sources.acme.api_key"}

RELOADABLE = frozenset(settings_marked(Reload))
_SECRETS = frozenset(name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation))


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, where each that is not a default came from, and what the operator should be told."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...]


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    config_file: Path | None = None,
    env_file: Path = ENV_FILE,
    user_file: Path | None = None,
    is_for_redis: bool = False,
) -> LoadedSettings:
    """The settings from all sources; `ConfigError` names the setting, the value and what would be right.

    `flags` are those given on the command line (a None counts as not given). `config_file` must exist; the user's own
    file and `.env` need not. `is_for_redis` where the command itself needs a Redis, whatever its sources are.
    """
    if config_file is not None and not config_file.is_file():
        raise ConfigError(f"--config {config_file}: there is no such file.")
    merged = {name: value for name, value in (flags or {}).items() if value is not None}
    origins = dict.fromkeys(merged, "flag")
    unknown: set[str] = set()
    plain_key: tuple[str, str] | None = None
    redis_place: tuple[str, str] | None = None
    for source in setting_sources(env_file=env_file, config_file=config_file, user_file=user_file):
        for name, value in _unfolded(source.values).items():
            if name not in Settings.model_fields:
                if source.is_ours:
                    raise ConfigError(f"{source.origin}: there is no setting {name!r}.{_suggestion(name)}")
                unknown.add(f"{ENV_PREFIX}{name}".upper())
            elif name not in merged:
                merged[name], origins[name] = value, source.origin
            elif isinstance(value, Mapping):
                merged[name] = _beneath(merged[name], value)
        if source.plain_key and "finnhub_api_key" not in merged:
            plain_key = source.plain_key, source.origin
        if source.redis_place and redis_place is None:
            redis_place = source.redis_place, source.origin
    _settle_finnhub_key(merged, origins, plain_key)
    _settle_redis(merged, origins, redis_place, is_for_redis=is_for_redis)
    _prefer_key_files(merged, origins)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_complaint(error, origins)) from None
    return LoadedSettings(settings, origins, _warnings(unknown))


def _settle_finnhub_key(merged: dict[str, Any], origins: dict[str, str], plain_key: tuple[str, str] | None) -> None:
    """Take a plain `API_KEY` as Finnhub's where the source is named: else it may be anybody's."""
    named = _split(merged.get("providers", ()))
    if plain_key is not None and isinstance(named, list | tuple) and "finnhub" in named:
        merged["finnhub_api_key"], origins["finnhub_api_key"] = plain_key


def _settle_redis(
    merged: dict[str, Any], origins: dict[str, str], place: tuple[str, str] | None, *, is_for_redis: bool
) -> None:
    """Take `REDIS_HOST` and `REDIS_PORT` where Redis is asked for and no other is named: they may be anybody's."""
    named = _split(merged.get("providers", ()))
    is_named = is_for_redis or (isinstance(named, list | tuple) and "redis" in named)
    if none_if_blank(merged.get("redis_url")) is None:
        # A compose file may leave it empty.
        merged.pop("redis_url", None)
        origins.pop("redis_url", None)
        if place is not None and is_named:
            merged["redis_url"], origins["redis_url"] = place


def _prefer_key_files(merged: dict[str, Any], origins: dict[str, str]) -> None:
    """Let the file that is named for a key win over a key that stands in other files."""
    for name in _SECRETS:
        if none_if_blank(merged.get(f"{name}_file")) and origins.get(name) not in {"flag", "environment"}:
            merged.pop(name, None)
            origins.pop(name, None)


def _unfolded(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{"sources": {"acme": {"key": "k"}}}` of `{"sources__acme__key": "k"}`, as variables write what is in a table."""
    unfolded: dict[str, Any] = {}
    for name, value in values.items():
        first, *path = name.split("__")
        if not (path and all(path) and first in Settings.model_fields):
            unfolded[name] = _beneath(unfolded[name], value) if name in unfolded else value
            continue
        for part in reversed(path):
            value = {part: value}  # noqa: PLW2901 - it grows from the inside
        unfolded[first] = _beneath(unfolded.get(first, {}), value)
    return unfolded


def _beneath(stronger: Any, weaker: Any) -> Any:
    """Both tables in one; where both say something, the stronger one counts."""
    if not (isinstance(stronger, Mapping) and isinstance(weaker, Mapping)):
        return stronger
    both = {name: _beneath(stronger[name], weaker[name]) for name in stronger.keys() & weaker.keys()}
    return {**weaker, **stronger, **both}


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _warnings(unknown: set[str]) -> tuple[str, ...]:
    """A sentence for each variable that is not a setting, unless the clients or the tests read it."""
    return tuple(
        f"{variable} is no setting and is ignored.{_suggestion(variable.removeprefix(ENV_PREFIX).lower())}"
        for variable in sorted(unknown.difference(ClientVariable))
        if not variable.startswith(TEST_PREFIX)
    )


def _complaint(error: ValidationError, origins: Mapping[str, str]) -> str:
    complaints = error.errors(include_url=False)
    complaint = complaints[0]
    if not complaint["loc"]:  # a rule about several settings
        return f"{complaint['ctx']['error']}."
    name = str(complaint["loc"][0])
    if name == "alert_targets":
        return target_complaint([dict(each) for each in complaints], origins.get(name, "the default"))
    if complaint["type"] == "extra_forbidden":
        return f"There is no setting {name!r}.{_suggestion(name)}"
    if name in _UNTOLD:
        where = ".".join(map(str, complaint["loc"]))
        return f"{where} (from {origins.get(name, 'the default')}): {_UNTOLD[name]}."
    why = complaint["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{name} = {_shown(name, complaint['input'])} (from {origins.get(name, 'the default')}): {why}."


def _shown(name: str, value: Any) -> str:
    """The value for an error's sentence, without what may be a key or a password."""
    if name in _SECRETS:
        return "…"
    if name.endswith("_url") or name == "publish_to":
        if isinstance(value, list | tuple):
            return f"[{', '.join(_shown(name, each) for each in value)}]"
        if isinstance(value, str):
            value = re.sub(r"//[^/]*@", "//…@", re.sub(r"[?#].*", "?…", value, flags=re.DOTALL))
    return repr(value)
