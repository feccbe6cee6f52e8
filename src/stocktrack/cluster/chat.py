"""What users say, told to the sessions of all servers: one message a word, which nobody waits for."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stocktrack.cluster.bus import Bus
from stocktrack.messages import MAX_SAID_CHARS, Said, StrictSymbol, Username
from stocktrack.quotes import clean_text
from stocktrack.sessions.chat import ChatRoom
from stocktrack.sessions.contracts import Asker, Reached


class Spoken(BaseModel):
    """What a user said at another server."""

    model_config = ConfigDict(frozen=True)
    username: Username
    symbol: StrictSymbol | None = None
    text: Annotated[str, Field(min_length=1, max_length=MAX_SAID_CHARS)]
    timestamp: Annotated[int, Field(ge=0)]


class ClusterChat:
    """The sessions of all servers that are there; satisfies `Chat`.

    An answer of each of them for each of 50 words a second would be many times the words, and one that is silent would
    hold up every reply; so nobody answers, and how many sessions a word goes to is counted here alone.
    """

    def __init__(self, local: ChatRoom, bus: Bus) -> None:
        self._local = local
        self._bus = bus
        bus.on("said", Spoken, self._said)

    async def say(self, said: Said, by: Asker) -> Reached:
        """Have the word told here and at the others; where those cannot be reached, here alone."""
        told = await self._local.say(said, by)
        if (why := self._bus.why_alone) is not None:
            return Reached(told.count, f"{why} Only the sessions of this server are told.")
        self._bus.tell(
            "said",
            Spoken(username=said.username, symbol=said.symbol, text=said.text, timestamp=said.timestamp),
        )
        return told

    async def _said(self, spoken: Spoken, _sender: str) -> None:
        # Other programs can write to that Redis as well.
        if text := clean_text(spoken.text, MAX_SAID_CHARS):
            self._local.repeat(
                Said(username=spoken.username, symbol=spoken.symbol, text=text, timestamp=spoken.timestamp)
            )
