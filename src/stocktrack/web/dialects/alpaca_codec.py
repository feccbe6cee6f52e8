"""The two encodings of Alpaca's stream: JSON as text, and msgpack as bytes, which alpaca-py always asks for.

Every frame is an array of messages. A price is encoded once for all who have the same encoding, so what goes into a
frame are pieces: one message each, or the two of a price that is both a trade and a quote.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, NoReturn, TypeAlias

from stocktrack.errors import Reason
from stocktrack.wire.lines import BadLine, parse_object

MSGPACK_TYPE: Final = "application/msgpack"
_AN_OBJECT: Final = 'A message is an object, such as {"action":"subscribe","trades":["AAPL"]}.'
_NS_PER_MS: Final = 1_000_000


class Both(bytes):
    """Two messages in one piece: what is not marked so is one."""

    __slots__ = ()


class JsonCodec:
    """Text; times are RFC 3339 in UTC."""

    is_binary = False

    def decode(self, message: bytes) -> dict[str, Any]:
        """The object, by the strict rules of our own protocol."""
        try:
            return parse_object(message.strip())
        except BadLine as error:
            if error.reason is Reason.MALFORMED_JSON:
                raise
            raise BadLine(error.reason, _AN_OBJECT) from None

    def encode(self, *told: Mapping[str, Any]) -> bytes:
        """The piece, whose messages need a comma between them."""
        pieces = [json.dumps(each, separators=(",", ":"), ensure_ascii=False).encode() for each in told]
        return pieces[0] if len(pieces) == 1 else Both(b",".join(pieces))

    def frame(self, pieces: Sequence[bytes]) -> bytes:
        """The array."""
        return b"[" + b",".join(pieces) + b"]"

    def moment(self, epoch_ms: int) -> str:
        """Such as 2024-04-05T15:45:00.250Z."""
        seconds, rest = divmod(epoch_ms, 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


class MsgpackCodec:
    """Bytes; times are msgpack's own extension, since clients call `to_datetime()` on them."""

    is_binary = True

    def __init__(self) -> None:
        # Only a server whose clients ask for it needs it: it is an extra.
        self._msgpack: Any = import_module("msgpack")

    def decode(self, message: bytes) -> dict[str, Any]:
        """The object, by rules as strict as those of JSON: names are text, stand once, and no extension is known."""
        try:
            value = self._msgpack.unpackb(
                message,
                raw=False,
                strict_map_key=True,
                object_pairs_hook=_object_of_pairs,
                ext_hook=_no_extension,
                max_ext_len=0,  # also of the time, which would not come to the hook
            )
        except (ValueError, TypeError, OverflowError, RecursionError, self._msgpack.UnpackException):
            raise BadLine(Reason.MALFORMED_JSON, "The message is not msgpack, or more than one value.") from None
        if not isinstance(value, dict):
            raise BadLine(Reason.INVALID_COMMAND, _AN_OBJECT)
        return value

    def encode(self, *told: Mapping[str, Any]) -> bytes:
        """The piece."""
        pieces = [self._msgpack.packb(each) for each in told]
        return pieces[0] if len(pieces) == 1 else Both(b"".join(pieces))

    def frame(self, pieces: Sequence[bytes]) -> bytes:
        """The array, which says first how many messages it has."""
        count = len(pieces) + sum(type(piece) is Both for piece in pieces)
        head: bytes = self._msgpack.Packer().pack_array_header(count)
        return head + b"".join(pieces)

    def moment(self, epoch_ms: int) -> Any:
        """The extension -1."""
        return self._msgpack.Timestamp.from_unix_nano(epoch_ms * _NS_PER_MS)


Codec: TypeAlias = JsonCodec | MsgpackCodec

JSON: Final = JsonCodec()


def is_msgpack_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("msgpack") is not None


@lru_cache(maxsize=1)
def msgpack_codec() -> MsgpackCodec:
    """The one for all clients, made when the first asks for it; `ImportError` where the extra is not installed."""
    return MsgpackCodec()


def _object_of_pairs(pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs) or not all(isinstance(name, str) for name in fields):
        raise BadLine(Reason.MALFORMED_JSON, "In an object each name is text, and stands once.")
    return fields


def _no_extension(_code: int, _data: bytes) -> NoReturn:
    raise BadLine(Reason.MALFORMED_JSON, "No extension of msgpack is taken here.")
