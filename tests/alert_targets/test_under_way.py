import asyncio

import pytest

from stocktrack.alert_targets.base import TargetError
from stocktrack.alert_targets.under_way import UnderWay
from stocktrack.clock import settle


async def forever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def test_the_time_limit_is_for_all_of_it() -> None:
    ended: list[str] = []
    with pytest.raises(TargetError, match=r"^The target phone did not answer within 0\.01 s\.$"):
        await UnderWay("phone", 0.01).run(lambda: forever(ended))
    assert ended == ["ended"]


async def test_closing_breaks_off_what_is_under_way_and_waits_for_its_end() -> None:
    under_way, ended = UnderWay("phone", 10), list[str]()
    tasks = [asyncio.create_task(under_way.run(lambda: forever(ended))) for _ in range(3)]
    await settle()
    await under_way.close()
    assert ended == ["ended"] * 3
    said = await asyncio.gather(*tasks, return_exceptions=True)
    assert {str(error) for error in said} == {"The target phone was not told: the server is closing."}
    with pytest.raises(TargetError, match="closing"):
        await under_way.run(lambda: forever(ended))
    assert len(ended) == 3


async def test_closing_in_the_moment_of_the_start_leaves_nothing() -> None:
    under_way, ended = UnderWay("phone", 10), list[str]()
    task = asyncio.create_task(under_way.run(lambda: forever(ended)))
    await asyncio.sleep(0)
    await under_way.close()
    with pytest.raises(TargetError, match="closing"):
        await task
    assert len(asyncio.all_tasks()) == 1


async def test_whoever_is_cancelled_leaves_no_task_behind() -> None:
    under_way, ended = UnderWay("phone", 10), list[str]()
    task = asyncio.create_task(under_way.run(lambda: forever(ended)))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]
    assert len(asyncio.all_tasks()) == 1


async def test_what_goes_wrong_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("our mistake")

    with pytest.raises(ValueError, match="our mistake"):
        await UnderWay("phone", 10).run(fails)
