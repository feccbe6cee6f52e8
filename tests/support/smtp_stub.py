"""A server of SMTP on this machine that keeps the emails it takes, and does what a test says instead.

async with smtp_stub(starttls=context) as server:
    server.say("RCPT", "550 nobody of that name")
    server.hang_at = "DATA"
"""

import asyncio
import base64
import contextlib
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.message import EmailMessage

from pacing import comes
from stub_server import StubServer

GREETING = "GREETING"


@dataclass(frozen=True, slots=True)
class Taken:
    """One email, as it came."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    in_tls: bool
    login: str

    @property
    def message(self) -> EmailMessage:
        """What it says."""
        read = email.message_from_bytes(self.data, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        return read


class SmtpStub(StubServer):
    """What listens at `port`."""

    def __init__(self, starttls: ssl.SSLContext | None) -> None:
        super().__init__()
        self.taken: list[Taken] = []
        self.heard: list[str] = []
        """The first word of each command, of all connections."""
        self.hang_at = ""
        """The command that is never answered; `GREETING` is the first word of the server."""
        self.trickle_at = ""
        """The command whose answer comes in drips and never ends."""
        self.flood_at = ""
        """The command whose answer is lines without end."""
        self.cut_at = ""
        """The command at which the connection is closed."""
        self._starttls = starttls
        self._said: dict[str, str] = {}
        self._said_next: dict[str, Iterator[str]] = {}

    def say(self, command: str, answer: str) -> None:
        """Answer `command` so from now on."""
        self._said[command] = answer

    def say_next(self, command: str, answers: Iterator[str]) -> None:
        """Answer `command` by one after the other."""
        self._said_next[command] = answers

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        sender, login, recipients = "", "", list[str]()
        in_tls = writer.get_extra_info("ssl_object") is not None
        if not await self._answer(reader, writer, GREETING, "220 stub ready"):
            return
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            word = word.upper()
            self.heard.append(word)
            await self._tell()
            answer = "250 fine"
            match word:
                case "EHLO":
                    offers = ["STARTTLS"] if self._starttls is not None and not in_tls else []
                    answer = "\r\n".join(["250-stub", *(f"250-{each}" for each in offers), "250 AUTH PLAIN LOGIN"])
                case "STARTTLS":
                    answer = "220 go on"
                case "AUTH":
                    login = base64.b64decode(rest.partition(" ")[2]).decode().replace("\0", " ").strip()
                    answer = "235 welcome"
                case "MAIL":
                    sender, recipients = line.partition("<")[2].partition(">")[0], []
                case "RCPT":
                    recipients.append(line.partition("<")[2].partition(">")[0])
                case "DATA":
                    answer = "354 go on"
                case "QUIT":
                    answer = "221 bye"
            if not await self._answer(reader, writer, word, answer):
                return
            if word == "STARTTLS" and self._starttls is not None and word not in self._said:
                await writer.start_tls(self._starttls)
                in_tls = True
            elif word == "DATA" and word not in self._said:
                data = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                if not await self._answer(reader, writer, "END", "250 taken"):
                    return
                if "END" not in self._said:
                    self.taken.append(Taken(sender, tuple(recipients), data, in_tls, login))
                    await self._tell()
            elif word == "QUIT":
                return

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str, answer: str
    ) -> bool:
        """Answer `command`, or do what is to be done at it; False where that was the end."""
        if self.hang_at == command:
            while await reader.read(65_536):
                pass
            return False
        if self.cut_at == command:
            return False
        if self.flood_at == command:
            while not self._over.is_set():
                writer.write(b"250-and more\r\n" * 4_096)
                await writer.drain()
            return False
        if self.trickle_at == command:
            while not (writer.is_closing() or await comes(self._over.wait(), 0.01)):
                writer.write(b"2")
            return False
        answer = next(self._said_next.get(command, iter([self._said.get(command, answer)])))
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def smtp_stub(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[SmtpStub]:
    """A server while the block runs, that offers STARTTLS, or speaks TLS from the first byte on."""
    stub = SmtpStub(starttls)
    async with stub.listening(tls=tls):
        yield stub
