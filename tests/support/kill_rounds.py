"""The frame of the scripts that kill something again and again: their options, their counts, and how they end."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

_MOST_COMPLAINTS = 20

Run = Callable[[Path, int, random.Random, Counter[str]], Coroutine[Any, Any, Sequence[str]]]


def kill_again_and_again(
    run: Run, *, doc: str | None, rounds: int, what: str, of: str, if_well: str, counted: Sequence[str] = ()
) -> None:
    """Have `run` do so many rounds in a new folder, print what it counted, and end with 1 where it complains.

    The line that begins it says ``kill -9 WHAT, 50 times, seed 7, OF``. Of what it counts `counted` comes first, also
    where that is zero.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=None, help="repeats the same changes (not the same moments)")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    counts: Counter[str] = Counter()
    began = time.monotonic()
    print(f"kill -9 {what}, {given.rounds} times, seed {seed}, {of}", flush=True)
    with tempfile.TemporaryDirectory(prefix="stocktrack-kills-") as folder:
        complaints = asyncio.run(run(Path(folder), given.rounds, random.Random(seed), counts))  # noqa: S311 - no secret
    for complaint in complaints[:_MOST_COMPLAINTS]:
        print(f"  WRONG: {complaint}")
    for name in (*counted, *sorted(set(counts) - set(counted))):
        print(f"  {name}: {counts[name]}")
    print(f"  seconds: {time.monotonic() - began:.0f}")
    print("FAILED" if complaints else if_well)
    sys.exit(1 if complaints else 0)
