"""Where the clients call and as whom: flags, then `STOCKTRACK_*` variables, then the person at the terminal."""

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from stocktrack.client.client import StockTrackClient
from stocktrack.client.state import StateChange
from stocktrack.client.tokens import stored_token, token_file
from stocktrack.errors import ConfigError
from stocktrack.messages import Notice, Price, Said
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, MAX_PORT, address_text
from stocktrack.system.files import read_private_file
from stocktrack.system.setting_sources import ClientVariable

# `serve` listens on every network with these; a client that is given one calls this machine.
_CALLED_INSTEAD = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}  # noqa: S104 - nothing is bound here
_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})


class CredentialsMissingError(Exception):
    """The name or the password is missing, and there is no terminal to ask for it."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The server and the user, with a password or a token. What is None has to be asked for before connecting."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: str | None = None

    @property
    def who(self) -> str:
        """The user at the server; a token may not tell the name."""
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
) -> ClientSettings:
    """The settings from flags (None where not given) and the environment; `ConfigError` where one is wrong."""
    host = host or environment.get("STOCKTRACK_HOST") or DEFAULT_HOST
    is_tls, trusted = _tls(tls, ca, environment)
    password = environment.get(ClientVariable.PASSWORD) or _line_of_file(environment, ClientVariable.PASSWORD_FILE)
    return ClientSettings(
        host=_CALLED_INSTEAD.get(host, host),
        port=_port(environment.get("STOCKTRACK_PORT")) if port is None else port,
        username=username or environment.get(ClientVariable.USER) or None,
        password=password,
        # The library takes one of the two; a password that was given is meant.
        token=_line_of_file(environment, ClientVariable.TOKEN_FILE) if password is None else None,
        tls=is_tls,
        ca=trusted,
    )


def ask_for_credentials(settings: ClientSettings) -> ClientSettings:
    """The settings with a stored token, or with what was missing asked for on the terminal, the password without echo.

    `CredentialsMissingError` where there is no terminal. Ctrl-C and Ctrl-D raise `KeyboardInterrupt` and `EOFError`.
    """
    if settings.token is not None or (settings.username is not None and settings.password is not None):
        return settings
    stored = stored_token(token_file(settings.host, settings.port)) if settings.password is None else None
    if stored is not None and settings.username in {None, stored.username}:
        return replace(settings, username=stored.username, token=stored.token)
    return ask_for_password(settings)


def ask_for_password(settings: ClientSettings) -> ClientSettings:
    """As `ask_for_credentials`, but a token is not enough, and left out."""
    settings = replace(settings, token=None)
    if settings.username is not None and settings.password is not None:
        return settings
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        missing = "user name" if settings.username is None else "password"
        raise CredentialsMissingError(
            f"There is no {missing} to log in with. Set STOCKTRACK_USER (or --user) and STOCKTRACK_PASSWORD, "
            "or STOCKTRACK_PASSWORD_FILE to a file with mode 0600; or store a token with `stocktrack login`."
        )
    username = settings.username or _ask_for_name(settings.address)
    password = settings.password
    if password is None:
        password = getpass.getpass(f"Password of {username} at {settings.address}: ", sys.stderr)
    return replace(settings, username=username, password=password)


def ask_for_new_password(settings: ClientSettings) -> str:
    """A new password for the user, asked for twice on the terminal without echo; errors as `ask_for_credentials`."""
    while True:
        new = getpass.getpass(f"New password of {settings.who}: ", sys.stderr)
        if new and new == getpass.getpass("The same again: ", sys.stderr):
            return new
        sys.stderr.write("There was none, or the two differ.\n")


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


def _port(text: str | None) -> int:
    if not text:
        return DEFAULT_PORT
    # str.isdigit and int take the digits of other scripts too, which nobody means as a port.
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT):
        raise ConfigError(f"STOCKTRACK_PORT = {text!r}: a port is a number from 1 to {MAX_PORT}.")
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
