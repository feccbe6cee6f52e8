"""A browser's own EventSource in a page, and what it is told; it is unmodified as nothing else can be.

await page.evaluate(LISTEN, address)
await ten_of_each(page)
"""

from playwright.async_api import Page

from patience import PATIENCE_SECONDS

# Its user's page, which counts what it sees.
LISTEN = """(address) => {
  window.prices = []; window.opened = 0; window.failed = 0;
  window.stream = new EventSource(address);
  stream.onmessage = ({data}) => prices.push(JSON.parse(data).symbol);
  stream.onopen = () => opened++;
  stream.onerror = () => failed++;
}"""


async def ten_of_each(page: Page) -> None:
    """Return when the page has been told ten prices of each of two symbols."""
    for symbol in ("AAPL", "TSLA"):
        await page.wait_for_function(
            "(symbol) => prices.filter((price) => price === symbol).length >= 10",
            arg=symbol,
            timeout=PATIENCE_SECONDS * 1000,
        )
