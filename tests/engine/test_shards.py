import os
import subprocess
import sys
from collections import Counter

import pytest

from stocktrack.engine.shards import Shard, shard_of

# What other programs say, too: `printf AAPL | gzip -c | tail -c8 | head -c4 | od -An -tx4`.
CRC32 = {"AAPL": 0xB665575C, "BRK-B": 0x4122236F, "^NSEI": 0xD63E7B24, "NSE:RELIANCE": 0x2850F70D}


@pytest.mark.parametrize("symbol", CRC32)
def test_a_symbol_lies_where_its_crc_32_says(symbol: str) -> None:
    assert [shard_of(symbol, count) for count in (1, 2, 3, 7)] == [CRC32[symbol] % count for count in (1, 2, 3, 7)]


def test_another_process_finds_the_same_place() -> None:
    program = "from stocktrack.engine.shards import shard_of; print(*(shard_of(f'S{each}', 3) for each in range(200)))"
    variables = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=variables
    )
    assert other.stdout.split() == [str(shard_of(f"S{each}", 3)) for each in range(200)]


def test_each_symbol_is_held_once_and_each_shard_has_its_part() -> None:
    symbols = [f"{letter}{number}" for letter in "ABCDEFGHIJ" for number in range(100)]
    shards = [Shard(number, 3) for number in range(3)]
    held = Counter(str(shard) for symbol in symbols for shard in shards if shard.holds(symbol))
    assert held.total() == 1_000
    assert min(held["1/3"], held["2/3"], held["3/3"]) > 280


def test_one_holds_all() -> None:
    assert all(Shard().holds(symbol) for symbol in CRC32)
