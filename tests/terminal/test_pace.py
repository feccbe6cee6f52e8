import asyncio

import pytest

from stocktrack.client import TooManyRequests
from stocktrack.client.errors import error_of
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, Reason
from stocktrack.terminal.pace import MAX_PACE_MS, paced
from stocktrack.wire.lines import failure


def slower(retry_after_ms: int | None, reason: Reason = Reason.RATE_LIMITED) -> Exception:
    return error_of(failure(CommandError(reason, "No.")).model_copy(update={"retry_after_ms": retry_after_ms}))


async def test_a_server_that_wants_a_slower_pace_is_asked_again_as_late_as_it_says() -> None:
    clock, answers = ManualClock(), [slower(300), slower(200), None]

    async def ask() -> str:
        if error := answers.pop(0):
            raise error
        return "done"

    asking = asyncio.create_task(paced(ask, clock=clock))
    await settle()
    assert len(answers) == 2
    await clock.advance(0.3)
    assert len(answers) == 1
    await clock.advance(0.2)
    assert await asking == "done"


@pytest.mark.parametrize(
    "error",
    [slower(None), slower(MAX_PACE_MS + 1), slower(100, Reason.LOGIN_THROTTLED)],
    ids=["unsaid", "long", "other"],
)
async def test_a_long_pause_and_any_other_refusal_is_told(error: Exception) -> None:
    async def ask() -> None:
        raise error

    with pytest.raises(TooManyRequests):
        await paced(ask, clock=ManualClock())
