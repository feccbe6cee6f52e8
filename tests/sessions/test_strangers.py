"""Places for those who have not logged in, and who waits for one."""

import asyncio

import pytest

from stocktrack.clock import settle
from stocktrack.errors import Reason, SessionEnd
from stocktrack.sessions import strangers as module
from stocktrack.sessions.strangers import Place, Strangers

HERE, THERE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "192.0.2.3"
SHUTDOWN = SessionEnd(Reason.SHUTDOWN, "The server is stopping.")


def strangers(most: int, most_of_address: int) -> Strangers:
    return Strangers(lambda: (most, most_of_address))


def refusal(house: Strangers, address: str) -> str:
    with pytest.raises(SessionEnd) as caught:
        house.enter(address)
    assert caught.value.reason is Reason.SESSION_LIMIT
    assert caught.value.retry_after_ms == 5_000
    return caught.value.message


def test_one_address_has_its_share_and_others_get_theirs() -> None:
    house = strangers(4, 2)
    places = [house.enter(HERE) for _ in range(2)]
    assert f"limit of 2 sessions of clients of {HERE}" in refusal(house, HERE)
    places += [house.enter(THERE) for _ in range(2)]
    assert "limit of 4 sessions of clients that have not logged in" in refusal(house, ELSEWHERE)
    places[0].leave()
    places[0].leave()
    assert len(house) == 3
    house.enter(ELSEWHERE)
    refusal(house, ELSEWHERE)


def test_an_address_of_ipv6_counts_with_its_network() -> None:
    house = strangers(10, 1)
    house.enter("2001:db8::1")
    assert "2001:db8::/64" in refusal(house, "2001:db8::2")
    house.enter("2001:db8:0:1::1")
    house.enter(HERE)
    refusal(house, f"::ffff:{HERE}")


async def test_who_waits_gets_the_next_place_of_its_address_in_the_order_of_coming() -> None:
    house = strangers(10, 1)
    first = await house.wait(HERE)
    order: list[str] = []

    async def come(name: str) -> Place:
        place = await house.wait(HERE)
        order.append(name)
        return place

    second = asyncio.create_task(come("second"))
    await settle()
    assert (order, house.waiting) == ([], 1)
    first.leave()
    place = await second
    assert (order, house.waiting, len(house)) == (["second"], 0, 1)
    place.leave()
    assert (len(house), house._by_address, house._waiting) == (0, {}, {})


async def test_who_waits_for_any_place_gets_it_whoever_leaves() -> None:
    house = strangers(2, 2)
    places = [house.enter(HERE), house.enter(HERE)]
    waiting = asyncio.create_task(house.wait(THERE))
    await settle()
    places[0].leave()
    await waiting
    assert len(house) == 2


async def test_no_more_wait_than_there_are_places_for_the_address() -> None:
    house = strangers(10, 2)
    places = [house.enter(HERE) for _ in range(2)]
    waiting = [asyncio.create_task(house.wait(HERE)) for _ in range(2)]
    await settle()
    with pytest.raises(SessionEnd):
        await house.wait(HERE)
    for place in places:
        place.leave()
    await asyncio.gather(*waiting)


async def test_who_waits_too_long_is_refused_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    house = strangers(10, 1)
    place = house.enter(HERE)
    with pytest.raises(SessionEnd, match=HERE):
        await house.wait(HERE)
    assert (house.waiting, house._waiting) == (0, {})
    place.leave()
    assert len(house) == 0


async def test_who_goes_while_it_waits_takes_no_place() -> None:
    house = strangers(10, 1)
    place = house.enter(HERE)
    for is_called_in in (False, True):
        waiting = asyncio.create_task(house.wait(HERE))
        await settle()
        if is_called_in:
            place.leave()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (len(house), house.waiting) == (0, 0)


async def test_all_who_wait_are_told_of_the_end() -> None:
    house = strangers(10, 1)
    house.enter(HERE)
    waiting = asyncio.create_task(house.wait(HERE))
    await settle()
    house.end(SHUTDOWN)
    with pytest.raises(SessionEnd, match="stopping"):
        await waiting
    assert house.waiting == 0
