"""The session that did nothing wrong: it must see every price of a scripted stream, and hear of nothing else."""

from fakes import ScriptedStream
from live_server import LiveServer, RawClient
from stocktrack.clock import settle


class Bystander:
    """A client that is pushed one symbol as it changes."""

    def __init__(self, client: RawClient, market: ScriptedStream, symbol: str, seq: int) -> None:
        self.client = client
        self._market = market
        self._symbol = symbol
        self._seq = seq

    @classmethod
    async def join(
        cls, server: LiveServer, market: ScriptedStream, *, name: str = "ann", symbol: str = "AAPL"
    ) -> "Bystander":
        """Log in as `name` and subscribe."""
        client = await server.log_in(name)
        reply = await client.ask({"type": "SUBSCRIBE", "symbol": symbol, "interval": 0, "save": False})
        assert reply["code"] == 200, reply
        first = await client.receive()
        assert first["type"] == "PRICE", first
        while not market.is_streaming():  # it is opened now that somebody watches
            await settle()
        return cls(client, market, symbol, first["seq"])

    async def sees_the_next_price(self) -> None:
        """Have the market move: the very next line must be the price that follows on the last one."""
        self._market.deliver()
        await self.sees_the_price_delivered()

    async def sees_the_price_delivered(self) -> None:
        """The market has moved once: the very next line must be the price that follows on the last one."""
        line = await self.client.receive()
        assert (line["type"], line.get("symbol")) == ("PRICE", self._symbol), line
        assert line["seq"] == self._seq + 1, f"a gap: {line['seq']} follows on {self._seq}"
        assert line["stale"] is False
        self._seq = line["seq"]
