"""Another process on the same database: for each line that it reads it changes ann's hash to it, and says when done."""

import asyncio
import sys

from stocktrack.storage.store import Store


async def change_what_is_read(url: str) -> None:
    """Print ``ready``, and then each line after the change that it asks for is on disk."""
    store = Store(url)
    await store.open()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await store.set_password_hash("ann", line.rstrip("\n"))
        sys.stdout.write(line)
        sys.stdout.flush()
    await store.close()


if __name__ == "__main__":
    asyncio.run(change_what_is_read(sys.argv[1]))
