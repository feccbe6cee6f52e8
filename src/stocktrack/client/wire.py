"""The client's side of the protocol without I/O: bytes from the server go in, messages come out."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from stocktrack.client.errors import BadRequest, NotStockTrack
from stocktrack.messages import PROTOCOL_VERSION, Command, Heartbeat, Hello, Id, Notice, Price, Reply, Said
from stocktrack.quotes import clean_text
from stocktrack.wire import lines
from stocktrack.wire.lines import decode_server_line

MAX_LINE_BYTES_BEFORE_HELLO = 1_048_576
# A server may promise longer replies than this, but a client keeps no more of one line in memory.
MAX_LINE_BYTES = 16_777_216

# How this project's servers begin a PRICE. A PRICE with its fields in another order is read too, only more slowly.
_PRICE_START = b'{"type":"PRICE"'
_read_price = Price.__pydantic_validator__.validate_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and the line it stood on, without its line end."""

    reply: Reply
    line: bytes


@dataclass(frozen=True, slots=True)
class UnreadableReply:
    """A reply that this version of the protocol cannot read, with the `id` it carries."""

    id: Id


ReplyType = TypeVar("ReplyType", bound=Reply)
Incoming = Hello | Price | Notice | Said | Heartbeat | Answer | UnreadableReply


class ServerLines:
    """Cuts one connection's bytes into lines and reads them. The first one must be a HELLO, or a NOTICE that refuses.

    `address` is what the errors call the other side.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._greeted = False
        self._max_line_bytes = MAX_LINE_BYTES_BEFORE_HELLO
        self._tail = bytearray()
        self._complained = False

    def receive(self, data: bytes) -> Iterator[Incoming]:
        """The messages that `data` completes; `NotStockTrack` where the bytes are not this protocol."""
        for line in self._split(data):
            if self._greeted and line.startswith(_PRICE_START):
                try:
                    price = _read_price(line)
                except ValidationError:
                    pass  # read again below, which says what is wrong with it
                else:
                    yield price
                    continue
            text = line.strip()
            if not text:
                continue
            message = self._message(text) if self._greeted else self._greeting(text)
            if message is not None:
                yield message

    def _split(self, data: bytes) -> list[bytes]:
        lines = data.split(b"\n")
        self._tail += lines[0]
        if len(lines) == 1:
            lines.clear()
        else:
            lines[0] = bytes(self._tail)
            self._tail = bytearray(lines.pop())
        if len(self._tail) > self._max_line_bytes or max(map(len, lines), default=0) > self._max_line_bytes:
            raise NotStockTrack(
                f"{self._address} sent a line of more than {self._max_line_bytes} bytes, which breaks the protocol."
            )
        return lines

    def _greeting(self, line: bytes) -> Incoming:
        refusal = f"{self._address} is not a StockTrack server"
        if line.startswith(b"HTTP/"):
            raise NotStockTrack(f"{refusal}: it answers as a web server does. Is the port right?")
        shown = clean_text(line[:200].decode("utf-8", "replace"), 60)
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict) and fields.get("type") == "ERROR":
            # A server that expects TLS answers like this.
            raise NotStockTrack(f"{self._address} refuses: {clean_text(str(fields.get('message')), 500)}")
        if not isinstance(fields, dict) or fields.get("type") not in ("HELLO", "NOTICE"):
            raise NotStockTrack(f"{refusal}: its first line is {shown!r} instead of a HELLO.")
        protocol = fields.get("protocol")
        if fields["type"] == "HELLO" and protocol != PROTOCOL_VERSION:
            raise NotStockTrack(
                f"{self._address} speaks version {clean_text(str(protocol), 20)} of the protocol, "
                f"this client speaks version {PROTOCOL_VERSION}."
            )
        message = self._message(line)
        match message:
            case Hello():
                self._greeted = True
                self._max_line_bytes = min(message.limits.max_reply_bytes, MAX_LINE_BYTES)
                return message
            case Notice():
                return message
            case _:
                raise NotStockTrack(f"{refusal} of this version: its first line is {shown!r}.")

    def _message(self, line: bytes) -> Incoming | None:
        try:
            message = decode_server_line(line)
        except ValidationError as error:
            return self._unreadable(line, error)
        except ValueError:
            shown = clean_text(line[:200].decode("utf-8", "replace"), 60)
            raise NotStockTrack(f"{self._address} sent a line that is not of the protocol: {shown!r}.") from None
        if isinstance(message, Reply):
            return Answer(message, line)
        return message if isinstance(message, Hello | Price | Notice | Said | Heartbeat) else None

    def _unreadable(self, line: bytes, error: ValidationError) -> UnreadableReply | None:
        """For a known type in an unknown shape: skipped like an unknown type, but a caller may be waiting for it."""
        if not self._complained:
            self._complained = True
            what = clean_text(line[:200].decode("utf-8", "replace"), 120)
            where = error.errors(include_url=False, include_input=False)[0]
            log.warning(
                "%s sent a message in an unknown shape: %s at %s in %s", self._address, where["msg"], where["loc"], what
            )
        id_ = json.loads(line).get("id")
        return UnreadableReply(id_) if isinstance(id_, int | str) else None


def command_of(command_type: str, **fields: Any) -> Command:
    """The command with the fields that are not None; `BadRequest`, in the server's words, where it would refuse it."""
    try:
        return lines.command_of(command_type, **fields)
    except lines.BadLine as error:
        raise BadRequest(lines.failure(error)) from None


def expect(reply_type: type[ReplyType], answer: Answer, address: str) -> ReplyType:
    """The reply of an answer, which must be of this type; `NotStockTrack` names the server at `address` otherwise."""
    if isinstance(answer.reply, reply_type):
        return answer.reply
    raise NotStockTrack(f"{address} answered with {answer.reply.type} where {reply_type.__name__} was due.")
