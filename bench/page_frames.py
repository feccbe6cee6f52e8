"""What the page costs a browser: frames and memory with 500 symbols that change ten times a second.

The frames of the board and of an empty page are counted in turn, in the same Chromium, while the server runs; the
figure to reach is 90 % of the empty page's. The heap is measured after a garbage collection, and has to stay under
60 MB after ten minutes; its highest value between collections is given as well.

    python bench/page_frames.py [--seconds 10] [--rounds 3] [--minutes 0] [--symbols 500] [--screenshot FILE]

`--minutes 10` is the long run. Exit code 1 means that a figure was not reached.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import time
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright
from served import RawClient, Served, served

USER, PASSWORD = "bench", "a password for the benchmark"
LEAST_SHARE = 0.9
MOST_HEAP_MB = 60.0
FLAGS = ("--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-quic")
COUNT_FRAMES = """(seconds) => new Promise((done) => {
  let frames = 0, longest = 0, before = performance.now();
  const begin = before;
  const frame = (now) => {
    frames += 1;
    longest = Math.max(longest, now - before);
    before = now;
    if (now - begin >= seconds * 1000) done([frames / ((now - begin) / 1000), longest]);
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each count of frames")
    parser.add_argument("--rounds", type=int, default=3, help="counts of each page, in turn")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long the page runs before the heap is judged")
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between two prices of a symbol")
    parser.add_argument("--screenshot", help="where to put a picture of the page at work")
    return asyncio.run(measure(parser.parse_args()))


async def measure(options: argparse.Namespace) -> int:
    """Print the figures; 1 where one of them is missed."""
    settings = {"SIMULATED_INTERVAL_SECONDS": str(options.interval), "WEB_PORT": "0"}
    async with served(**settings) as server, async_playwright() as playwright:
        await fill_board(server, options.symbols)
        flags = [*FLAGS, *(("--no-sandbox",) if os.geteuid() == 0 else ())]
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        try:
            return await measure_in(browser, str(server.ready["page"]), options)
        finally:
            await browser.close()


async def fill_board(server: Served, symbols: int) -> None:
    """A user whose list has that many symbols."""
    await server.stocktrack("users", "add", USER, "--password-stdin", stdin=PASSWORD)
    client = await RawClient.connect(server.port)
    await client.ask(type="AUTH", username=USER, password=PASSWORD)
    await client.ask(type="SUBSCRIBE", symbols=[f"S{number:04}" for number in range(symbols)], interval=60)
    await client.ask(type="LOGOUT")


async def measure_in(browser: Browser, address: str, options: argparse.Namespace) -> int:
    """The measurement itself, in a browser that runs."""
    empty_context, context = await browser.new_context(), await browser.new_context()
    empty, board = await empty_context.new_page(), await context.new_page()
    began = time.monotonic()
    await open_board(board, address, options.symbols)
    session = await context.new_cdp_session(board)
    await session.send("Performance.enable")
    shares, boards, highest_mb = [], [], 0.0
    for _ in range(options.rounds):
        await empty.bring_to_front()
        empty_rate, _ = await empty.evaluate(COUNT_FRAMES, options.seconds)
        await board.bring_to_front()
        before, prices = await cpu_seconds(session), await received(board)
        rate, longest_ms = await board.evaluate(COUNT_FRAMES, options.seconds)
        used = (await cpu_seconds(session) - before) / options.seconds
        prices = (await received(board) - prices) / options.seconds
        shares.append(rate / empty_rate)
        boards.append(rate)
        highest_mb = max(highest_mb, await heap_mb(session))
        print(
            f"empty page {empty_rate:.1f} frames/s, board {rate:.1f} ({rate / empty_rate:.0%}), longest frame "
            f"{longest_ms:.0f} ms, main thread busy {used:.0%}, {prices:,.0f} prices/s received",
            flush=True,
        )
    while (left := options.minutes * 60 - (time.monotonic() - began)) > 0:
        await asyncio.sleep(min(left, 10.0))
        highest_mb = max(highest_mb, await heap_mb(session))
    if options.screenshot:
        await board.screenshot(path=options.screenshot)
    await session.send("HeapProfiler.collectGarbage")
    heap = await heap_mb(session)
    share = statistics.median(shares)
    minutes = (time.monotonic() - began) / 60
    print(
        f"{options.symbols} symbols every {options.interval:g} s: {share:.1%} of the empty page's frames "
        f"({statistics.median(boards):.1f}/s); heap after {minutes:.1f} min {heap:.1f} MB, at most {highest_mb:.1f} MB"
    )
    return 0 if share >= LEAST_SHARE and heap < MOST_HEAP_MB else 1


async def open_board(page: Page, address: str, symbols: int) -> None:
    """Log in and wait until every row has its price; then count what comes."""
    # Counted where it enters the page, whatever the page then shows of it.
    await page.add_init_script(
        """window.linesReceived = 0;
        const Real = WebSocket;
        window.WebSocket = class extends Real {
          constructor(...given) {
            super(...given);
            this.addEventListener("message", ({data}) => { window.linesReceived += data.split("\\n").length - 1; });
          }
        };"""
    )
    await page.goto(address)
    await page.get_by_label("Name").fill(USER)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_function(
        "(count) => document.querySelectorAll('tbody tr[data-symbol]:not(.empty)').length >= count", arg=symbols
    )


async def received(page: Page) -> float:
    """Lines that have come in so far."""
    return float(await page.evaluate("window.linesReceived"))


async def metrics(session: CDPSession) -> dict[str, float]:
    """Chromium's own counters."""
    answer: dict[str, Any] = await session.send("Performance.getMetrics")
    return {each["name"]: float(each["value"]) for each in answer["metrics"]}


async def heap_mb(session: CDPSession) -> float:
    """The JavaScript heap in use."""
    return (await metrics(session))["JSHeapUsedSize"] / 1e6


async def cpu_seconds(session: CDPSession) -> float:
    """What the page's main thread has worked."""
    return (await metrics(session))["TaskDuration"]


if __name__ == "__main__":
    sys.exit(main())
