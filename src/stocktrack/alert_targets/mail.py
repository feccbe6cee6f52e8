"""The kind `email`: one email a message, handed to a server of SMTP by the standard library.

That library blocks, so that each delivery runs in a thread of the target's own. Its time-out is one for each read; what
trickles, and what nobody waits for any more, is ended by cutting its connection.
"""

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import IO, Final

import structlog

from stocktrack import __version__
from stocktrack.alert_targets.base import AlertMessage, TargetError, unreachable
from stocktrack.alert_targets.posting import trusted
from stocktrack.alert_targets.under_way import UnderWay
from stocktrack.clock import Clock
from stocktrack.quotes import clean_text
from stocktrack.system.addresses import DEFAULT_HOST
from stocktrack.system.blocking import BlockingPool
from stocktrack.target_settings import EmailSettings, mail_address

log = structlog.get_logger()

# Servers of email let one client have few connections.
AT_ONCE: Final = 2
MAX_SUBJECT_CHARS: Final = 200
MAX_SAID_BYTES: Final = 262_144
GOODBYE_SECONDS: Final = 1.0
_LEAST_SECONDS = 0.001  # a time-out of zero would be none


class EmailTarget:
    """A `Target`."""

    kind: Final = "email"
    at_once: Final = AT_ONCE

    def __init__(self, name: str, settings: EmailSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._tls = ssl.create_default_context() if settings.ca_file is None else trusted(name, settings.ca_file)
        self._under_way = UnderWay(name, settings.timeout_seconds)
        self._pool = BlockingPool(f"email to {name}", AT_ONCE)

    async def send(self, message: AlertMessage) -> None:
        """Return once the server has taken the email for at least one of those that it goes to."""
        await self._under_way.run(lambda: self._send(message))

    async def close(self) -> None:
        """Break off what is under way."""
        await self._under_way.close()
        self._pool.close()

    async def _send(self, message: AlertMessage) -> None:
        now = datetime.fromtimestamp(self._clock.now_ms() / 1_000, UTC)
        delivery = _Delivery(self.name, self._settings, self._tls, written(message, self._settings, now))
        try:
            await self._pool.run(delivery.make)
        except asyncio.CancelledError:
            if not delivery.is_taken:
                raise
        finally:
            delivery.cut()


def written(message: AlertMessage, settings: EmailSettings, now: datetime) -> EmailMessage:
    """The email. Its Message-ID is the delivery's id, by which a mailbox drops doubles."""
    email = EmailMessage(policy=SMTP)
    _, sender = mail_address(settings.sender)
    email["From"] = _header(settings.sender)
    email["To"] = [_header(address) for address in settings.to]
    # It is cleaned, so that it is one line whatever was written; the policy refuses any other.
    email["Subject"] = clean_text(message.text, MAX_SUBJECT_CHARS)
    email["Date"] = now
    email["Message-ID"] = f"<stocktrack.{message.id}@{sender.rpartition('@')[2]}>"
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered to it
    email["X-Mailer"] = f"StockTrack {__version__}"
    values = message.values()
    told_at = datetime.fromtimestamp(message.timestamp / 1_000, UTC)
    facts = [f"Alert {values['alert']} of {values['username']}" if "alert" in values else f"For {values['username']}"]
    facts.append(format_datetime(told_at, usegmt=True))
    email.set_content(f"{message.text}\n\n{', '.join(facts)}.\n")
    return email


def _header(text: str) -> Address:
    name, address = mail_address(text)
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


class _Delivery:
    """One email on its way; `make` in a thread, `cut` from the event loop, at any time and as often as you like."""

    def __init__(self, name: str, settings: EmailSettings, tls: ssl.SSLContext, email: EmailMessage) -> None:
        self._name = name
        self._settings = settings
        self._tls = tls
        self._email = email
        self._deadline = time.monotonic() + settings.timeout_seconds
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._is_cut = False
        self.is_taken = False
        """Whether the server has taken it: what is said after that changes nothing."""

    def make(self) -> None:
        """Hand the email over; `TargetError` where it is refused, `TimeoutError` where that takes too long."""
        try:
            with self._connected() as connection:
                self._log_in(connection)
                addresses = [mail_address(to)[1] for to in self._settings.to]
                sender = mail_address(self._settings.sender)[1]
                refused = connection.send_message(self._email, sender, addresses)
                self.is_taken = True
        except smtplib.SMTPResponseException as error:
            raise TargetError(f"The target {self._name} answered {error.smtp_code}{_meaning(error)}.") from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = ", ".join(sorted({str(code) for code, _ in error.recipients.values()}))
            raise TargetError(f"The target {self._name} answered {codes} to everybody it goes to.") from None
        except smtplib.SMTPNotSupportedError as error:
            lacks = "STARTTLS" if "STARTTLS" in str(error) else "what the login or the email needs"
            raise TargetError(f"The target {self._name} does not offer {lacks}.") from None
        except smtplib.SMTPServerDisconnected as error:
            raise unreachable(self._name, error) from None
        except smtplib.SMTPException:
            raise TargetError(f"The target {self._name} offers no login that works here.") from None
        except TimeoutError:
            raise
        except OSError as error:
            raise unreachable(self._name, error) from None
        except (ValueError, IndexError):
            raise TargetError(f"The target {self._name} answered what is no SMTP.") from None
        if refused:
            log.warning("an alert's email was refused for some", target=self._name, refused=len(refused))

    def cut(self) -> None:
        """End the connection under the library, which then raises."""
        with self._lock:
            self._is_cut = True
            line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        kind: type[_Smtp] = _SmtpInTls if settings.tls == "tls" else _Smtp
        connection = kind(self)
        try:
            connection.connect_to(settings.host, settings.port_used)
            yield connection
            # It is taken; how the server says goodbye does not matter any more.
            with contextlib.suppress(smtplib.SMTPException, OSError, ValueError):
                connection.hurry(GOODBYE_SECONDS)
                connection.quit()
        finally:
            connection.close()

    def _log_in(self, connection: smtplib.SMTP) -> None:
        settings = self._settings
        if settings.tls == "starttls":
            connection.starttls(context=self._tls)
        if settings.username is not None and settings.password is not None:
            connection.login(settings.username, settings.password.get_secret_value())

    @property
    def tls(self) -> ssl.SSLContext:
        """What the connection trusts."""
        return self._tls

    def seconds_left(self) -> float:
        """The time that a read may take now."""
        left = self._deadline - time.monotonic()
        if left <= 0 or self._is_cut:
            raise TimeoutError
        return max(left, _LEAST_SECONDS)

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection that `cut` ends."""
        connection = socket.create_connection((host, port), self.seconds_left())
        # The connection under a second descriptor: the library wraps the first one in TLS, and lets go of it there.
        line = connection.dup()
        with self._lock:
            if not self._is_cut:
                self._line = line
                return connection
        line.close()
        connection.close()
        raise TimeoutError


class _Smtp(smtplib.SMTP):
    """The library's client, connected by a `_Delivery`."""

    def __init__(self, delivery: _Delivery) -> None:
        # By itself it asks the name server what this machine is called, which can take longer than an email may.
        super().__init__(local_hostname=_own_name(), timeout=delivery.seconds_left())
        self._delivery = delivery

    def connect_to(self, host: str, port: int) -> None:
        """Connect, and read the server's greeting."""
        self._host = host  # STARTTLS holds the certificate to it
        code, greeting = self.connect(host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, greeting)

    def hurry(self, seconds: float) -> None:
        """Let reads take no longer than that."""
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def getreply(self) -> tuple[int, bytes]:
        """The server's answer, of any number of lines, as long as there is an end to it."""
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._delivery.connect(host, port)


class _SmtpInTls(_Smtp):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = super()._get_socket(host, port, timeout)
        try:
            return self._delivery.tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise


class _Bounded:
    """What a server says, up to `MAX_SAID_BYTES`: the library keeps the lines of an answer until the last one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = MAX_SAID_BYTES

    def readline(self, most: int) -> bytes:
        """The next line; nothing, as at the end, where it was too much."""
        line = self._file.readline(min(most, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        """Close it."""
        self._file.close()


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() and name.isprintable() else f"[{DEFAULT_HOST}]"


def _meaning(error: smtplib.SMTPResponseException) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return ": it refuses the login"
    return ", which is no greeting of SMTP" if isinstance(error, smtplib.SMTPConnectError) else ""
