from stocktrack.accounts.places import MAX_PLACES, MAX_USERS, PLACE_DAYS, Places
from stocktrack.clock import ManualClock

HOME, OFFICE = "192.0.2.1", "198.51.100.0"


async def test_a_place_counts_for_its_user_for_a_month_after_the_last_login() -> None:
    clock = ManualClock()
    places = Places(clock)
    places.add("ann", HOME)
    assert [places.has("ann", HOME), places.has("ann", OFFICE), places.has("bob", HOME)] == [True, False, False]
    await clock.advance((PLACE_DAYS - 1) * 86_400)
    places.add("ann", HOME)
    await clock.advance((PLACE_DAYS - 1) * 86_400)
    assert places.has("ann", HOME)
    await clock.advance(86_400)
    assert not places.has("ann", HOME)


def test_a_user_who_travels_pushes_out_the_oldest_place_of_her_own() -> None:
    places = Places(ManualClock())
    places.add("bob", HOME)
    for number in range(MAX_PLACES):
        places.add("ann", f"192.0.2.{number}")
    places.add("ann", "192.0.2.0")
    places.add("ann", OFFICE)
    assert len(places) == MAX_PLACES + 1
    assert [places.has("ann", place) for place in ("192.0.2.0", HOME, OFFICE)] == [True, False, True]
    assert places.has("bob", HOME)


def test_so_many_users_have_places_and_the_one_who_was_away_longest_loses_them() -> None:
    places = Places(ManualClock())
    for number in range(MAX_USERS):
        places.add(f"user{number}", HOME)
    places.add("user0", OFFICE)
    places.add("ann", HOME)
    assert len(places) == MAX_USERS + 1
    assert [places.has(name, HOME) for name in ("user0", "user1", "ann")] == [True, False, True]
