"""Prices by yfinance's WebSocket, as its documentation shows it: `python yfinance_sync.py ADDRESS`."""

import sys
from collections import Counter

import yfinance as yf

seen = Counter()
wants_less = True


def message_handler(message):
    global wants_less
    print(message["id"], message["price"])
    seen[message["id"]] += 1
    if wants_less and seen["AAPL"] >= 10 and seen["TSLA"] >= 10:
        wants_less = False
        ws.unsubscribe("TSLA")
        print("unsubscribed TSLA")


with yf.WebSocket(url=sys.argv[1]) as ws:
    ws.subscribe(["AAPL", "TSLA"])
    ws.listen(message_handler)
print("listened to the end")
