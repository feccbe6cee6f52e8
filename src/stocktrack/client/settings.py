"""Where the clients call and as whom: flags, then what settings say, then the person at the terminal.

The address is that of the settings `host` and `port`, wherever `serve` would find them: what it binds clients call.
"""

import getpass
import os
import signal
import sys
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stocktrack.client.client import StockTrackClient
from stocktrack.client.state import StateChange
from stocktrack.client.tokens import stored_token, token_file
from stocktrack.errors import ConfigError
from stocktrack.messages import Notice, Price, Said
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, MAX_PORT, address_text
from stocktrack.system.files import read_private_file
from stocktrack.system.setting_sources import ENV_FILE, ENV_PREFIX, ENVIRONMENT, ClientVariable, setting_sources

# `serve` listens on every network with these; a client that is given one calls this machine.
_CALLED_INSTEAD = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}  # noqa: S104 - nothing is bound here
_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})


class CredentialsMissingError(Exception):
    """The name or the password is missing, and there is no terminal to ask for it."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The server and the user, with a password or a token. What is None has to be asked for before connecting.

    `is_default` where nobody named a server, so that it is the usual address. `label` is what screens call the server
    where that says more than the address.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: str | None = None
    is_default: bool = False
    label: str | None = None

    @property
    def who(self) -> str:
        """The user at the server, or the server's label; a token may not tell the name."""
        if self.label is not None:
            return self.label
        return f"{self.username}@{self.address}" if self.username else self.address

    @property
    def address(self) -> str:
        """The server as a person would write it."""
        return address_text(self.host, self.port)

    def client(
        self,
        *,
        timeout_seconds: float = 10.0,
        reconnect: bool = True,
        on_notice: Callable[[Notice], object] | None = None,
        on_state: Callable[[StateChange], object] | None = None,
        on_price: Callable[[Price], object] | None = None,
        on_said: Callable[[Said], object] | None = None,
    ) -> StockTrackClient:
        """A client of this server for this user, to be used by `async with`."""
        return StockTrackClient(
            self.host,
            self.port,
            self.username,
            self.password,
            token=self.token,
            tls=self.tls,
            ca=self.ca,
            timeout_seconds=timeout_seconds,
            reconnect=reconnect,
            on_notice=on_notice,
            on_state=on_state,
            on_price=on_price,
            on_said=on_said,
        )


def load_client_settings(
    *,
    host: str | None = None,
    port: int | None = None,
    username: str | None = None,
    tls: bool | None = None,
    ca: str | None = None,
    environment: Mapping[str, str] = os.environ,
    env_file: Path = ENV_FILE,
    user_file: Path | None = None,
) -> ClientSettings:
    """The settings from flags (None where not given), the environment, and for the address also from files.

    `user_file` is the user's own TOML file where it is not the usual one. `ConfigError` where one is wrong.
    """
    is_default = False
    if not host or port is None:
        named = _named_address(environment, env_file, user_file)
        # Whoever names a user or asks for TLS at the command line has a server in mind.
        is_default = not (host or port is not None or named or username or tls or ca)
        host = host or _host(named.get("host"))
        port = _port(named.get("port")) if port is None else port
    is_tls, trusted = _tls(tls, ca, environment)
    password = environment.get(ClientVariable.PASSWORD) or _line_of_file(environment, ClientVariable.PASSWORD_FILE)
    return ClientSettings(
        host=_CALLED_INSTEAD.get(host, host),
        port=port,
        username=username or environment.get(ClientVariable.USER) or None,
        password=password,
        # The library takes one of the two; a password that was given is meant.
        token=_line_of_file(environment, ClientVariable.TOKEN_FILE) if password is None else None,
        tls=is_tls,
        ca=trusted,
        is_default=is_default,
    )


def has_to_ask(settings: ClientSettings, *, needs_password: bool = False) -> bool:
    """Whether something is missing to log in with that a person at the terminal is asked for."""
    if not is_person_there():
        return False
    if needs_password:
        return settings.username is None or settings.password is None
    return _with_stored_token(settings) is None


def ask_for_credentials(settings: ClientSettings) -> ClientSettings:
    """The settings with a stored token, or with what was missing asked for on the terminal, the password without echo.

    `CredentialsMissingError` where there is no terminal. Ctrl-C and Ctrl-D raise `KeyboardInterrupt` and `EOFError`.
    """
    complete = _with_stored_token(settings)
    return ask_for_password(settings) if complete is None else complete


def ask_for_password(settings: ClientSettings) -> ClientSettings:
    """As `ask_for_credentials`, but a token is not enough, and left out."""
    settings = replace(settings, token=None)
    if settings.username is not None and settings.password is not None:
        return settings
    if not is_person_there():
        missing = "user name" if settings.username is None else "password"
        raise CredentialsMissingError(
            f"There is no {missing} to log in with. Set STOCKTRACK_USER (or --user) and STOCKTRACK_PASSWORD, "
            "or STOCKTRACK_PASSWORD_FILE to a file with mode 0600; or store a token with `stocktrack login`."
        )
    username = settings.username or _ask_for_name(settings.address)
    password = settings.password
    while not password:  # Enter alone is no password, and no try either
        password = _without_echo(f"Password of {username} at {settings.address}: ")
    return replace(settings, username=username, password=password)


def ask_for_new_password(settings: ClientSettings) -> str:
    """A new password for the user, asked for twice on the terminal without echo; errors as `ask_for_credentials`."""
    while True:
        new = _without_echo(f"New password of {settings.who}: ")
        if new and new == _without_echo("The same again: "):
            return new
        sys.stderr.write("There was none, or the two differ.\n")


def _with_stored_token(settings: ClientSettings) -> ClientSettings | None:
    """The settings with what they log in by, where that is there without asking; else None."""
    if settings.token is not None or (settings.username is not None and settings.password is not None):
        return settings
    stored = stored_token(token_file(settings.host, settings.port)) if settings.password is None else None
    if stored is not None and settings.username in {None, stored.username}:
        return replace(settings, username=stored.username, token=stored.token)
    return None


def is_person_there() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _without_echo(question: str) -> str:
    """The answer, never echoed: not after Ctrl-Z and `fg` either, for which the shell has switched the echo on."""

    def resume(*_: object) -> None:
        attributes = termios.tcgetattr(sys.stdin)
        attributes[3] &= ~termios.ECHO
        # What was typed before the pause is dropped, as getpass does at its beginning.
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, attributes)
        sys.stderr.write(question)
        sys.stderr.flush()

    before = signal.signal(signal.SIGCONT, resume)
    try:
        return getpass.getpass(question, sys.stderr)
    finally:
        signal.signal(signal.SIGCONT, before)


def _ask_for_name(address: str) -> str:
    while True:
        sys.stderr.write(f"User name at {address}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        if name := line.strip():
            return name


def _tls(flag: bool | None, ca: str | None, environment: Mapping[str, str]) -> tuple[bool, str | None]:
    """Whether to use TLS, and whom to trust; a file of certificates means TLS unless that is switched off."""
    text = environment.get(ClientVariable.TLS, "").lower()
    if text not in {"", *_ON, *_OFF}:
        raise ConfigError(f"STOCKTRACK_TLS = {text!r}: it is true or false.")
    if flag is None and ca is None and text:
        flag = text in _ON
    trusted = ca or environment.get(ClientVariable.CA) or None
    is_on = trusted is not None if flag is None else flag
    return is_on, trusted if is_on else None


@dataclass(frozen=True, slots=True)
class _Said:
    """A value of a setting, as it is written where it stands, and how an error calls it."""

    value: Any
    origin: str

    def shown(self, name: str) -> str:
        """`STOCKTRACK_PORT = 'x'`, or `port = 'x' (from .env)`."""
        if self.origin == ENVIRONMENT:
            return f"{ENV_PREFIX}{name.upper()} = {self.value!r}"
        return f"{name} = {self.value!r} (from {self.origin})"


def _named_address(environment: Mapping[str, str], env_file: Path, user_file: Path | None) -> dict[str, _Said]:
    """The settings `host` and `port` where they are set, each from the strongest place that sets it."""
    named: dict[str, _Said] = {}
    for source in setting_sources(environment, env_file=env_file, user_file=user_file):
        for name in ("host", "port"):
            value = source.values.get(name)
            # An empty one, as a compose file may leave it, is none.
            if name not in named and value is not None and value != "":
                named[name] = _Said(value, source.origin)
        if len(named) == 2:
            break  # the reading of a file that is not needed takes time
    return named


def _host(said: _Said | None) -> str:
    if said is None:
        return DEFAULT_HOST
    if not isinstance(said.value, str):
        raise ConfigError(f"{said.shown('host')}: a host is the name or the address of a machine.")
    return said.value


def _port(said: _Said | None) -> int:
    if said is None:
        return DEFAULT_PORT
    text = "" if isinstance(said.value, bool) else str(said.value)
    # str.isdigit and int take the digits of other scripts too, which nobody means as a port.
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT):
        raise ConfigError(f"{said.shown('port')}: a port is a number from 1 to {MAX_PORT}.")
    return int(text)


def _line_of_file(environment: Mapping[str, str], variable: str) -> str | None:
    """The first line of the file that a variable names; None where it names none."""
    name = environment.get(variable)
    if not name:
        return None
    line = read_private_file(Path(name), f"{variable} = {name!r}").splitlines()[:1]
    if not line or not line[0]:
        raise ConfigError(f"{variable} = {name!r} is empty.")
    return line[0]
