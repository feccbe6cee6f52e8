"""Whether the time of a wrong login tells if the name is a user: 60 interleaved tries each, medians within 10 %.

    python bench/login_timing.py [--tries 60]

Exit code 1 means that the medians differ by more.
"""

import argparse
import asyncio
import statistics
import sys
import time

from served import RawClient, served

ALLOWED_DIFFERENCE = 0.10


def main() -> int:
    """Measure and print both medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=60)
    tries = parser.parse_args().tries
    seconds = asyncio.run(measure(tries))
    medians = {who: statistics.median(times) for who, times in seconds.items()}
    for who, times in seconds.items():
        quartiles = statistics.quantiles(times, n=4)
        print(
            f"{who}: median {medians[who] * 1000:.1f} ms, middle half {quartiles[0] * 1000:.1f} to "
            f"{quartiles[2] * 1000:.1f} ms, {len(times)} tries"
        )
    difference = abs(medians["known name"] / medians["unknown name"] - 1)
    print(f"difference of the medians: {difference:.1%} (at most {ALLOWED_DIFFERENCE:.0%})")
    return 0 if difference <= ALLOWED_DIFFERENCE else 1


async def measure(tries: int) -> dict[str, list[float]]:
    """Seconds of each wrong AUTH, by what its name is."""
    seconds: dict[str, list[float]] = {"known name": [], "unknown name": []}
    async with served(LOGIN_FAILURES_PER_MINUTE="1000000") as server:
        await server.stocktrack("users", "add", "ann", "--password-stdin", stdin="right password\n")
        for number in range(-5, tries):  # the first five warm up
            for name, times in zip(("ann", "eva"), seconds.values(), strict=True):
                client = await RawClient.connect(server.port)
                began = time.perf_counter()
                reply = await client.ask(type="AUTH", username=name, password=f"wrong {number}")
                took = time.perf_counter() - began
                client.close()
                if reply["reason"] != "bad_credentials":
                    raise RuntimeError(str(reply))
                if number >= 0:
                    times.append(took)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
