"""Bars as the body of an answer over HTTP: JSON as on the wire, or CSV, with an entity tag, in pieces.

A month of minutes is four megabytes. It is encoded some hundred bars at a time, between which others have their turn,
and a long one is encoded once more while it is sent, so that a client that takes its time holds no copy of it.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, TypeAlias

from fastapi.responses import Response, StreamingResponse
from pydantic import TypeAdapter

from stocktrack.bars import Bar
from stocktrack.csv_cells import number_cell
from stocktrack.doors.turns import turns
from stocktrack.messages import HistoryReply
from stocktrack.web.accept import has_already
from stocktrack.web.csv_tables import CSV, JSON

CSV_HEADER: Final = "time,open,high,low,close,volume\n"
# To encode so many takes half a millisecond.
_BARS_A_PIECE: Final = 250
# What is shorter is not encoded twice.
_KEPT_BYTES: Final = 524_288

Pieces: TypeAlias = Callable[[HistoryReply], Iterable[bytes]]

_BARS = TypeAdapter(tuple[Bar, ...])


def json_pieces(reply: HistoryReply) -> Iterable[bytes]:
    """The reply as it would stand on the wire, were it short enough for a line."""
    empty = reply.model_copy(update={"bars": ()})
    before, _, after = empty.__pydantic_serializer__.to_json(empty, exclude_none=True).partition(b'"bars":[]')
    yield before + b'"bars":['
    for start in range(0, len(reply.bars), _BARS_A_PIECE):
        bars = _BARS.dump_json(reply.bars[start : start + _BARS_A_PIECE], exclude_none=True)[1:-1]
        yield b"," + bars if start else bars
    yield b"]" + after


def csv_pieces(reply: HistoryReply) -> Iterable[bytes]:
    """A row a bar, under a header; what is not known of the volume is an empty cell. Lines end with a line feed."""
    yield CSV_HEADER.encode()
    for start in range(0, len(reply.bars), _BARS_A_PIECE):
        yield "".join(map(_row, reply.bars[start : start + _BARS_A_PIECE])).encode()


def _row(bar: Bar) -> str:
    # As `csv_line` writes it, which asks each value what it is: a month of minutes has fifty thousand.
    prices = f"{number_cell(bar.open)},{number_cell(bar.high)},{number_cell(bar.low)},{number_cell(bar.close)}"
    return f"{bar.time},{prices},{'' if bar.volume is None else bar.volume}\n"


PIECES: Final[Mapping[str, Pieces]] = {JSON: json_pieces, CSV: csv_pieces}


async def bars_answer(
    reply: HistoryReply, media_type: str, headers: Mapping[str, str], *, if_none_match: Sequence[str], is_head: bool
) -> Response:
    """The answer with the bars of `reply`, or the one that says that the client has them already.

    Its entity tag is made of the body: it changes with every bar, and JSON has another one than CSV.
    """
    pieces = PIECES[media_type]
    digest, size, kept = blake2b(digest_size=16), 0, list[bytes]()
    async for piece in _in_turns(pieces(reply)):
        digest.update(piece)
        size += len(piece)
        if size <= _KEPT_BYTES:
            kept.append(piece)
    tag = f'"{digest.hexdigest()}"'
    headers = {**headers, "etag": tag}
    if has_already(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    headers["content-length"] = str(size)
    if size <= _KEPT_BYTES:
        return Response(b"".join(kept), headers=headers, media_type=media_type)
    if is_head:
        return Response(headers=headers, media_type=media_type)
    return StreamingResponse(_in_turns(pieces(reply)), headers=headers, media_type=media_type)


async def _in_turns(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await turns().turn(is_more=True)
