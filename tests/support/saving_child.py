"""A process to be killed by `test_store.py`: it saves and unsaves without end, and prints what it was told is done."""

import asyncio
import sys

from stocktrack.storage.store import Store


async def change_without_end(url: str, first: int) -> None:
    """Print ``+SYMBOL`` or ``-SYMBOL`` after each change that the store has acknowledged."""
    store = Store(url)
    await store.open()
    number = first
    while True:
        symbol = f"S{number:04}"
        await store.save("ann", [symbol], limit=10_000)
        sys.stdout.write(f"+{symbol}\n")
        sys.stdout.flush()
        if number % 3 == 0:
            await store.unsave("ann", [symbol])
            sys.stdout.write(f"-{symbol}\n")
            sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    asyncio.run(change_without_end(sys.argv[1], int(sys.argv[2])))
