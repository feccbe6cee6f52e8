"""How many prices a second the client library takes from a real socket and hands to an `async for`, on one core.

A second process sends PRICE lines over loopback as a server does: all symbols in one write. First at a given pace,
which the reader must keep up with, then as fast as the client takes them, which shows where it ends: there prices are
merged, and "arrived" counts those too.

    python bench/client_prices.py [--seconds 5] [--rate 20000] [--symbols 500]

Exit code 1 means that the client fell behind at the given pace.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time

from stocktrack.client import ClientError, StockTrackClient
from stocktrack.messages import Hello, Limits, Price, SubscribeReply
from stocktrack.quotes import MarketState
from stocktrack.wire.lines import decode_line, encode_line


def main() -> int:
    """Run the sender in a process of its own and measure both paces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each of the two runs")
    parser.add_argument("--rate", type=int, default=20_000, help="prices a second of the paced run")
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--send", type=int, metavar="RATE", help=argparse.SUPPRESS)  # be the sender; 0 is full speed
    options = parser.parse_args()
    if options.send is not None:
        return send(options.send, options.symbols, options.seconds)
    kept_up = True
    for rate in (options.rate, 0):
        command = [sys.executable, __file__, "--send", str(rate)]
        command += ["--symbols", str(options.symbols), "--seconds", str(options.seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:  # noqa: S603 - this very file
            assert sender.stdout is not None  # noqa: S101 - a pipe was asked for
            port = int(sender.stdout.readline())
            yielded, merged, wall, cpu = asyncio.run(measure(port, options.symbols))
            sent = json.loads(sender.stdout.readline())
        arrived = yielded + merged
        pace = f"{rate:,} a second" if rate else "full speed"
        print(
            f"{pace}: sent {sent['prices'] / sent['seconds']:,.0f}/s of {sent['line_bytes']} bytes, "
            f"arrived {arrived / wall:,.0f}/s, yielded {yielded / wall:,.0f}/s, merged {merged:,}; "
            f"client CPU {cpu / arrived * 1e6:.1f} us a price arrived, {cpu / wall:.0%} of a core"
        )
        if rate:
            kept_up = yielded / wall > 0.98 * rate
    return 0 if kept_up else 1


async def measure(port: int, symbols: int) -> tuple[int, int, float, float]:
    """Prices yielded, prices merged, wall and CPU seconds, from the first price to the last."""
    yielded = merged = 0
    last_seq: dict[str, int] = {}
    async with StockTrackClient("127.0.0.1", port, reconnect=False) as client:
        await client.subscribe([f"S{number:04}" for number in range(symbols)], interval=0, save=False)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            async for price in client.prices():
                yielded += 1
                seq = price.seq
                merged += seq - last_seq.get(price.symbol, 0) - 1
                last_seq[price.symbol] = seq
        except ClientError:
            pass  # the sender is done and has closed
        return yielded, merged, time.perf_counter() - wall, time.process_time() - cpu


def send(rate: int, symbols: int, seconds: float) -> int:
    """Be the server of one client for some seconds: every push holds all symbols once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    with connection, connection.makefile("rb") as commands:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limits = Limits(max_line_bytes=32_768, max_symbols=symbols)
        connection.sendall(
            encode_line(Hello(server="bench", instance="b", auth=(), limits=limits, heartbeat_seconds=30))
        )
        subscribe = decode_line(commands.readline())
        names = tuple(f"S{number:04}" for number in range(symbols))
        connection.sendall(
            encode_line(
                SubscribeReply(
                    id=subscribe.id, subscribed=names, already=(), pending=(), missing=(), symbols=names, interval=0
                )
            )
        )
        # The lines are made once and get their seq by splicing, or the sender would be what is measured.
        parts = [encode_line(a_price(name)).split(b'"seq":0') for name in names]
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            seq = b'"seq":%d' % (sent // symbols + 1)
            push = b"".join([before + seq + after for before, after in parts])
            if rate and (wait := began + sent / rate - now) > 0:
                time.sleep(wait)
            connection.sendall(push)
            sent += symbols
        took = time.perf_counter() - began
    print(json.dumps({"prices": sent, "seconds": took, "line_bytes": len(push) // symbols}), flush=True)
    return 0


def a_price(symbol: str) -> Price:
    """A price with everything that a server sends."""
    return Price(
        symbol=symbol,
        price=189.45,
        currency="USD",
        change=1.2,
        change_percent=0.64,
        volume=31_250_412,
        bid=189.44,
        ask=189.46,
        market_state=MarketState.OPEN,
        timestamp=1_712_331_900_000,
        received_at=1_712_331_901_204,
        provider="simulated",
        stale=False,
        seq=0,
    )


if __name__ == "__main__":
    sys.exit(main())
