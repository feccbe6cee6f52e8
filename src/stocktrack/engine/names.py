"""What stands in Redis under which name: keys, channels, and for how long.

    stock:AAPL            the newest quote as JSON, a key and a channel: what anybody may publish and read
    stocktrack:instance   in which instance the feed's `seq` counts; it outlives every leader
    stocktrack:seq        at least as high as the highest `seq` that was published
    stocktrack:leader     which feed leads; whoever holds it publishes
    stocktrack:shard      which of several Redis this is, as 2/3; the leader writes it, and servers compare
    stocktrack:feed       a channel: the leader says every half a second that it is there
    stocktrack:wanted     a channel: symbols that somebody wants from now on
    stocktrack:ask        a channel: questions to the leader; each is answered at the channel that it names
    stocktrack:bus        a channel: what the servers tell each other
    stocktrack:bus:NAME   a channel: what one server is told or answered
    stocktrack:servers    a hash: the servers that are there, each until when (ms by Redis's clock), and who it is
    stocktrack:seats:NAME a hash: how many sessions a user has at each server

Of several Redis the first one has all of it, and its part of the prices; the others have theirs, with
`stocktrack:leader`, `stocktrack:seq` and `stocktrack:shard` beside them.

Anybody at Redis may write there, so that nothing that comes is taken for more than JSON.
"""

import json
from typing import Any, Final

MAX_INSTANCE_CHARS: Final = 32
PRICES: Final = "stock:"
# A day: a quote is written again whenever its source confirms it, every ten minutes at least as long as anybody watches
# it, so that only what no publisher has any more goes away. A publisher may be away overnight, and readers still find
# its last prices, each with the time that it was received at.
PRICE_EXPIRY_SECONDS: Final = 86_400
INSTANCE: Final = "stocktrack:instance"
SEQ: Final = "stocktrack:seq"
LEADER: Final = "stocktrack:leader"
SHARD: Final = "stocktrack:shard"
FEED: Final = "stocktrack:feed"
WANTED: Final = "stocktrack:wanted"
ASK: Final = "stocktrack:ask"
BUS: Final = "stocktrack:bus"
ANSWERS: Final = "stocktrack:answer:"
SERVERS: Final = "stocktrack:servers"


def price_name(symbol: str) -> str:
    """The key and the channel of a symbol."""
    return PRICES + symbol


def answer_name(node: str) -> str:
    """The channel at which a process gets its answers."""
    return f"{ANSWERS}{node}"


def probe_name(node: str) -> str:
    """The channel at which a connection hears that what is published arrives."""
    return f"stocktrack:probe:{node}"


def read_json(payload: bytes) -> Any:
    """What the JSON in a message says; None where it is none."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def bus_name(server: str) -> str:
    """The channel at which a server is told something, or answered."""
    return f"{BUS}:{server}"


def seats_name(username: str) -> str:
    """The key of a user's sessions."""
    return f"stocktrack:seats:{username}"
