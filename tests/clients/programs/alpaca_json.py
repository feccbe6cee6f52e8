"""Trades of Alpaca's stream as JSON, by a plain WebSocket client: `python alpaca_json.py ADDRESS KEY SECRET`."""

import json
import sys
from collections import Counter

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

address, key, secret = sys.argv[1:]
seen = Counter()
wants_less = True

with connect(address) as socket:
    print(json.loads(socket.recv())[0]["msg"])
    socket.send(json.dumps({"action": "auth", "key": key, "secret": secret}))
    try:
        [answer] = json.loads(socket.recv())
        if answer["T"] == "error":
            sys.exit(f"refused: {answer['code']} {answer['msg']}")
        socket.send(json.dumps({"action": "subscribe", "trades": ["AAPL", "TSLA"]}))
        for message in socket:
            for told in json.loads(message):
                if told["T"] == "subscription":
                    print("trades:", told["trades"])
                elif told["T"] == "t":
                    print(told["S"], told["p"])
                    seen[told["S"]] += 1
            if wants_less and seen["AAPL"] >= 10 and seen["TSLA"] >= 10:
                wants_less = False
                socket.send(json.dumps({"action": "unsubscribe", "trades": ["TSLA"]}))
                print("unsubscribed TSLA")
    except ConnectionClosed as error:
        print("closed:", error)
