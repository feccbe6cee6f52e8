"""Trades by alpaca-py, which speaks msgpack and comes back by itself: `python alpaca_py.py ADDRESS KEY SECRET`."""

import logging
import sys
import threading
from collections import Counter

from alpaca.data.live import StockDataStream

address, key, secret = sys.argv[1:]
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
stream = StockDataStream(key, secret, url_override=address)
seen = Counter()
has_seen_ten = threading.Event()


async def on_trade(trade):
    print(trade.symbol, trade.price)
    seen[trade.symbol] += 1
    if seen["AAPL"] >= 10 and seen["TSLA"] >= 10:
        has_seen_ten.set()


stream.subscribe_trades(on_trade, "AAPL", "TSLA")
threading.Thread(target=stream.run, daemon=True).start()
has_seen_ten.wait()
stream.unsubscribe_trades("TSLA")
print("unsubscribed TSLA")
threading.Event().wait()
