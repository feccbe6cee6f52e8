"""A script for ws.finnhub.io, of the shape that Finnhub publishes: `python finnhub.py ADDRESS`."""

import json
import sys
from collections import Counter

import websocket

seen = Counter()


def on_message(ws, message):
    for trade in json.loads(message).get("data", []):
        print(trade["s"], trade["p"])
        seen[trade["s"]] += 1
    if ws.wants_less and seen["AAPL"] >= 10 and seen["TSLA"] >= 10:
        ws.wants_less = False
        ws.send('{"type":"unsubscribe","symbol":"TSLA"}')
        print("unsubscribed TSLA")


def on_error(ws, error):
    print("error:", type(error).__name__, error)


def on_close(ws, *why):
    print("### closed ###", *why)


def on_open(ws):
    ws.send('{"type":"subscribe","symbol":"AAPL"}')
    ws.send('{"type":"subscribe","symbol":"TSLA"}')


if __name__ == "__main__":
    ws = websocket.WebSocketApp(sys.argv[1], on_message=on_message, on_error=on_error, on_close=on_close)
    ws.on_open = on_open
    ws.wants_less = True
    ws.run_forever()
