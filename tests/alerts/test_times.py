"""Days and quiet hours of time zones: over midnight, while clocks are put forward and back, and in zones unknown."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from stocktrack.alerting import known_zone, quiet_minutes
from stocktrack.alerts.times import local_time, next_day_at, told_at


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    """A moment of a zone's clocks, epoch milliseconds; `fold` is 1 for the second time that they show it."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


@pytest.mark.parametrize(
    ("fires", "told"),
    [
        ("2026-11-28 21:59:59", "2026-11-28 21:59:59"),
        ("2026-11-28 22:00", "2026-11-29 07:00"),
        ("2026-11-28 23:59:59", "2026-11-29 07:00"),
        ("2026-11-29 00:00", "2026-11-29 07:00"),
        ("2026-11-29 06:59:59", "2026-11-29 07:00"),
        ("2026-11-29 07:00", "2026-11-29 07:00"),
        ("2026-12-31 22:30", "2027-01-01 07:00"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_what_fires_in_quiet_hours_over_midnight_is_told_at_their_end(fires: str, told: str, zone: str) -> None:
    assert told_at(at(fires, zone), "22:00-07:00", zone) == at(told, zone)


@pytest.mark.parametrize(
    ("fires", "told"), [("11:59", "11:59"), ("12:00", "14:30"), ("14:29", "14:30"), ("14:30", "14:30")]
)
def test_quiet_hours_within_a_day(fires: str, told: str) -> None:
    assert told_at(at(f"2026-11-28 {fires}"), "12:00-14:30", None) == at(f"2026-11-28 {told}")


def test_without_quiet_hours_all_is_told_at_once() -> None:
    assert told_at(at("2026-11-28 03:00"), None, "Europe/Berlin") == at("2026-11-28 03:00")


def test_quiet_hours_over_a_change_of_the_clocks_end_when_the_clocks_show_it() -> None:
    berlin = "Europe/Berlin"
    forward = told_at(at("2026-03-28 23:00", berlin), "22:00-07:00", berlin)
    assert forward == at("2026-03-29 05:00") == at("2026-03-28 23:00", berlin) + 7 * 3_600_000
    back = told_at(at("2026-10-24 23:00", berlin), "22:00-07:00", berlin)
    assert back == at("2026-10-25 06:00") == at("2026-10-24 23:00", berlin) + 9 * 3_600_000


def test_quiet_hours_that_end_at_a_time_that_the_clocks_skip_end_right_after_it() -> None:
    berlin = "Europe/Berlin"
    assert told_at(at("2026-03-29 01:00", berlin), "22:00-02:30", berlin) == at("2026-03-29 03:30", berlin)


def test_quiet_hours_that_end_in_the_hour_that_comes_twice_end_with_it_where_they_are_in_its_second_turn() -> None:
    berlin, end = "Europe/Berlin", "2026-10-25 02:30"
    first, second = at(end, berlin), at(end, berlin, fold=1)
    assert second == first + 3_600_000
    assert told_at(at("2026-10-25 02:15", berlin), "22:00-02:30", berlin) == first
    assert told_at(at("2026-10-25 02:45", berlin), "22:00-02:30", berlin) == at("2026-10-25 02:45", berlin)
    assert told_at(at("2026-10-25 02:15", berlin, fold=1), "22:00-02:30", berlin) == second


@pytest.mark.parametrize("quiet_hours", ["22:00-07:00", "00:00-23:59", "03:30-02:00", "23:59-00:00", "01:00-03:30"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"])
def test_nothing_is_told_before_it_fired_nor_a_day_and_an_hour_later_nor_in_the_quiet_hours(
    quiet_hours: str, zone: str
) -> None:
    start, end = quiet_minutes(quiet_hours)
    for day in ("2026-03-08", "2026-03-29", "2026-04-05", "2026-04-24", "2026-10-04", "2026-10-25", "2026-11-01"):
        for minutes in range(0, 2 * 1_440, 7):
            fired = at(f"{day} 00:00") + minutes * 60_000
            told = told_at(fired, quiet_hours, zone)
            assert fired <= told <= fired + 25 * 3_600_000
            local = datetime.fromtimestamp(told / 1000, ZoneInfo(zone))
            minute = local.hour * 60 + local.minute
            # An end that the clocks skip is past right after it; what is told at an end may be told.
            is_quiet = start <= minute < end if start < end else minute >= start or minute < end
            assert not is_quiet, (fired, told, local)


def test_an_unknown_zone_counts_as_utc() -> None:
    for zone in ("Mars/Olympus", "../../etc/passwd", "/etc/passwd"):
        assert told_at(at("2026-11-28 23:00"), "22:00-07:00", zone) == at("2026-11-29 07:00")
        assert next_day_at(at("2026-11-28 23:00"), zone) == at("2026-11-29 00:00")
        with pytest.raises(ValueError, match="must be a time zone"):
            known_zone(zone)


@pytest.mark.parametrize(
    ("now", "zone", "next_day"),
    [
        ("2026-11-28 00:00", None, "2026-11-29 00:00"),
        ("2026-11-28 23:59", None, "2026-11-29 00:00"),
        ("2026-11-28 23:30", "Europe/Berlin", "2026-11-29 23:00"),  # it is the 29th there
        ("2026-12-31 12:00", "Asia/Kolkata", "2026-12-31 18:30"),
        ("2026-03-28 23:30", "Europe/Berlin", "2026-03-29 22:00"),  # a day of 23 hours
        ("2026-10-24 22:30", "Europe/Berlin", "2026-10-25 23:00"),  # and one of 25
        ("2026-04-23 12:00", "Africa/Cairo", "2026-04-23 22:00"),  # its first hour is skipped
        ("2011-12-29 12:00", "Pacific/Apia", "2011-12-30 10:00"),  # a day that was left out
    ],
)
def test_the_next_day_begins_at_midnight_of_the_zone(now: str, zone: str | None, next_day: str) -> None:
    assert next_day_at(at(now), zone) == at(next_day)


def test_a_moment_is_shown_with_its_zone() -> None:
    assert local_time(at("2026-11-28 21:00"), None) == "2026-11-28 21:00 UTC"
    assert local_time(at("2026-11-28 21:00"), "Asia/Kolkata") == "2026-11-29 02:30 Asia/Kolkata"
