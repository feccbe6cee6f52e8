"""Prices by yfinance's AsyncWebSocket, as its documentation shows it: `python yfinance_async.py ADDRESS`."""

import asyncio
import sys
from collections import Counter

import yfinance as yf

seen = Counter()


async def main():
    wants_less = True

    async def message_handler(message):
        nonlocal wants_less
        print(message["id"], message["price"])
        seen[message["id"]] += 1
        if wants_less and seen["AAPL"] >= 10 and seen["TSLA"] >= 10:
            wants_less = False
            await ws.unsubscribe("TSLA")
            print("unsubscribed TSLA")

    async with yf.AsyncWebSocket(url=sys.argv[1]) as ws:
        await ws.subscribe(["AAPL", "TSLA"])
        await ws.listen(message_handler)


asyncio.run(main())
