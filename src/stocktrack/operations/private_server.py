"""`stocktrack watch AAPL` where no server runs: a private one inside the command, for whoever typed it alone.

It fetches from the sources that the person's settings name. Of all else that can be set nothing counts: it listens on
loopback at a free port, opens no web port, publishes nowhere and tells no alert target. What is added at it stays, in
the folder `private` of the data folder, which several of its kind use at once.
"""

import contextlib
import hmac
import os
import pwd
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from stocktrack.client.errors import ClientError, CommandFailed
from stocktrack.client.settings import ClientSettings
from stocktrack.config import Settings, load_settings
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.messages import Username
from stocktrack.system.addresses import DEFAULT_HOST
from stocktrack.system.data_folder import PRIVATE_FOLDER, FolderError
from stocktrack.system.logs import configure_logs
from stocktrack.system.processes import raise_descriptor_limit
from stocktrack.terminal.run import say

if TYPE_CHECKING:
    from stocktrack.app import App

# What a private server takes of the settings: where the market's data comes from, and how often it is asked for.
SETTINGS_OF_SOURCES = frozenset(
    {
        *("providers", "sources", "symbols_file", "display_currency", "replay_file", "replay_speed", "replay_loop"),
        *("poll_interval_seconds", "provider_timeout_seconds", "upstream_requests_per_minute"),
        *("yahoo_stream", "yahoo_stream_url", "simulated_interval_seconds", "simulated_seed"),
        *("news_feeds", "symbol_news_feed", "max_headlines_per_feed"),
        *("finnhub_api_key", "finnhub_api_key_file", "finnhub_rest_url", "finnhub_ws_url"),
        *("openalgo_url", "openalgo_rest_url", "openalgo_api_key", "openalgo_api_key_file"),
        *("redis_url", "kafka_url"),
    }
)
_PLAIN_NAMES = {
    "yahoo": "Yahoo",
    "finnhub": "Finnhub",
    "openalgo": "OpenAlgo",
    "redis": "Redis",
    "kafka": "Kafka",
    "rss": "RSS",
    "simulated": "simulated market",
    "replay": "recorded prices",
}
_MAX_NAME_CHARS = 64
_SECRET_BYTES = 32


class RunHasher:
    """Lets in who has the secret of this run: it is never stored, so that two runs in one folder have two."""

    # What stands where a user's hash would. No password matches it at another server.
    _STORED = "private"

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def hash(self, password: bytes) -> str:
        """What is stored for the secret; for any other password what nothing ever matches."""
        return self._STORED if hmac.compare_digest(password, self._secret) else "!"

    def matches(self, password_hash: str, password: bytes) -> bool:
        """Whether it is the secret, for the user of a private server."""
        return password_hash == self._STORED and hmac.compare_digest(password, self._secret)

    def is_outdated(self, password_hash: str) -> bool:
        """Never: there is nothing to renew."""
        return False


@contextlib.asynccontextmanager
async def private_server(address: str) -> AsyncIterator[ClientSettings]:
    """A server for the client in this process, in place of the one that is not at `address`; how to log in to it.

    `ConfigError` where the settings are wrong, `StorageError` where nothing can be written at all.
    """
    # Here it listens, whatever is set: nothing that means anything, or the client would not have come here.
    loaded = load_settings({"host": DEFAULT_HOST, "port": 0})
    _tell(f"No server runs on {address}, so this command asks the market itself: {_listed(loaded.settings.providers)}.")
    for warning in loaded.warnings:
        _tell(warning)
    # A log line would spoil the screen; what a person has to know comes as an answer.
    configure_logs("console", "error")
    secret, user = secrets.token_urlsafe(_SECRET_BYTES), _user_name()
    async with _running(loaded.settings, secret, user) as app:
        try:
            yield _way_in(app, user, secret)
        except ClientError as error:
            if (hint := _hint(error, loaded.settings.providers)) is not None:
                error.add_note(hint)
            raise


def _way_in(app: "App", user: str, secret: str) -> ClientSettings:
    host, port = app.server.addresses[0]
    priced = [each.name for each in app.feed.routes.upstreams if each.quote_source or each.stream_source]
    label = " · ".join(["private", *([_listed(priced)] if priced else [])])
    return ClientSettings(host, port, user, secret, label=label)


@contextlib.asynccontextmanager
async def _running(loaded: Settings, secret: str, user: str) -> "AsyncIterator[App]":
    """The server while it runs, in its own folder, or in one that is thrown away where that cannot be written to."""
    raise_descriptor_limit()
    async with contextlib.AsyncExitStack() as stack:
        folder = loaded.data_dir / PRIVATE_FOLDER
        try:
            _make(folder)
            app = await _started(settings_in(folder, loaded), secret, user)
        except (OSError, StorageError, FolderError) as error:
            _tell(f"{folder} cannot be used ({_why(error)}): what you add now is not kept.", always=True)
            folder = Path(stack.enter_context(_temporary_folder()))
            app = await _started(settings_in(folder, loaded), secret, user)
        stack.push_async_callback(app.close)
        yield app


def settings_in(folder: Path, loaded: Settings) -> Settings:
    """The settings of a private server in `folder`: of those `loaded` what is about the sources."""
    return Settings(
        **{name: getattr(loaded, name) for name in SETTINGS_OF_SOURCES},
        host=DEFAULT_HOST,
        port=0,
        web_port=None,
        data_dir=folder,
        # Its one user may ask for as much as all users of another server together.
        user_upstream_requests_per_minute=loaded.upstream_requests_per_minute,
        user_upstream_burst=loaded.upstream_requests_per_minute,
    )


async def _started(settings: Settings, secret: str, user: str) -> "App":
    # It takes as long as all the rest: by now the person has been told what goes on.
    from stocktrack.app import App

    app = App(settings, hasher=RunHasher(secret), is_private=True)
    await app.start()
    try:
        if await app.accounts.user(user) is None:
            with contextlib.suppress(CommandError):  # another one of its kind was faster
                await app.accounts.add(user, secret)
    except BaseException:
        await app.close()
        raise
    return app


def _make(folder: Path) -> None:
    """Make the folder, and the data folder for the owner alone where it is not there; `OSError` where that fails."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder):
        pass  # it can be written to


def _why(error: Exception) -> str:
    """What is wrong with the folder; what an operator would do about it, such as another database, is not for here."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).partition(". ")[0].rstrip(".")


def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="stocktrack-private-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StorageError(f"Nor can a temporary folder be made: {error.strerror}. TMPDIR names another.") from None


def _user_name() -> str:
    """The login name of whoever runs this, as far as it can be the name of a user here."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
        return TypeAdapter[str](Username).validate_python(name.strip()[:_MAX_NAME_CHARS])
    except (KeyError, ValidationError):  # in a container the user may have no name
        return "me"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_PLAIN_NAMES.get(name, name) for name in names)


def _hint(error: ClientError, providers: Sequence[str]) -> str | None:
    """What a person can do where a source failed; None where that is no question of the source."""
    if not isinstance(error, CommandFailed) or not {"yahoo", "finnhub"} & set(providers):
        return None
    if error.reason is Reason.PROVIDER_BLOCKED:
        return "Try again in some minutes; STOCKTRACK_PROVIDERS names another source."
    if error.reason in {Reason.PROVIDER_ERROR, Reason.PROVIDER_TIMEOUT}:
        return "Is this machine online? `stocktrack demo` shows an invented market without a network."
    return None


def _tell(sentence: str, *, always: bool = False) -> None:
    """Say something to a person; a script's standard error stays empty, unless it must be told."""
    if always or sys.stderr.isatty():
        say(sentence)
