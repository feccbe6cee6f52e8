"""Which moment the time of a feed names, in all the ways that publishers write one."""

import zoneinfo
from collections import defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from requirements import require
from stocktrack.providers.rss.times import ZONES, read_time

MOMENT = int(datetime(2026, 11, 24, 6, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 24 Nov 2026 06:00:00 GMT",
        "Tue, 24 Nov 2026 06:00 GMT",
        "24 Nov 26 06:00:00 UT",
        "Tuesday, 24-Nov-26 06:00:00 GMT",
        "tue, 24 november 2026 06:00:00 z",
        "Di, 24 Nov. 2026 07:00:00 +0100",
        "Tue, 24 Nov 2026 06:00:00 -0000",
        "Tue, 24 Nov 2026 11:30:00 +0530",
        "Tue, 24 Nov 2026 11:30:00 +5:30",
        "Tue, 24 Nov 2026 03:00:00 \u22123:00",
        "Tue, 24 Nov 2026 07:00:00 CET",
        "Tue, 24 Nov 2026 08:00:00 CEST",
        "Tue, 24 Nov 2026 14:00:00 HKT",
        "Tue, 24 Nov 2026 15:00:00 JST",
        "Tue, 24 Nov 2026 17:00:00 AEDT",
        "Tue, 24 Nov 2026 01:00:00 EST",
        "Mon, 23 Nov 2026 23:00:00 PDT",
        "Tue, 24 Nov 2026 07:00:00 UTC+01:00",
        "Tue, 24 Nov 2026 07:00:00 UTC+1",
        "Tue, 24 Nov 2026 14:00:00 GMT+8",
        "Tue, 24 Nov 2026 02:30:00 GMT-0330",
        "Tue, 24 Nov 2026 01:00:00 -0500 (EST)",
        "Tue, 24 Nov 2026 01:00:00 -0500 EST",
        "Tue, 24 Nov 2026 06:00:00 PM +1200",
        "Tue Nov 24 2026 07:00:00 GMT+0100 (Central European Standard Time)",
        "Tue Nov 24 07:00:00 CET 2026",
        "November 24, 2026 1:00 a.m. EST",
        "2026-11-24T06:00:00Z",
        "2026-11-24T06:00:00.999Z",
        "2026-11-24T07:00:00+01:00",
        "2026-11-24T07:00+01",
        "2026-11-24 07:00 CET",
        "2026/11/24 06:00:00 UTC",
        "2026-11-24T07:00:00+01:00[Europe/Berlin]",
        "20261124T060000Z",
    ],
)
def test_a_time_that_says_which_moment_it_is_is_that_moment(text: str) -> None:
    assert read_time(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Tue, 24 Nov 2026 06:00:00",
        "2026-11-24T06:00:00",
        "2026-11-24",
        "Tue, 24 Nov 2026 11:30:00 IST",
        "Tue, 24 Nov 2026 06:00:00 BST",
        "Tue, 24 Nov 2026 06:00:00 AST",
        "Tue, 24 Nov 2026 06:00:00 A",
        "Tue, 24 Nov 2026 06:00:00 XYZ",
        "Tue, 24 Nov 2026 06:00:00 America/New_York",
        "Tue, 24 Nov 2026 06:00:00 +2500",
        "Tue, 24 Nov 2026 06:00:00 +0175",
        "Tue, 24 Nov 2026 06:00:00 GMT+",
        "Tue, 24 Nov 2026 06:00:00 GMT extra words",
        "Tue, 24 Nov 2026 13:00:00 PM GMT",
        "Tue, 24 Nov 2026 25:00:00 GMT",
        "Tue, 24 Nov 2026 06:60:00 GMT",
        "Tue, 31 Nov 2026 06:00:00 GMT",
        "Tue, 24 Nom 2026 06:00:00 GMT",
        "11/24/2026 06:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "0001-01-01T00:00:00Z",
        "99-99-99999",
    ],
)
def test_a_time_that_may_be_several_moments_or_none_is_left_out(text: str) -> None:
    assert read_time(text) is None


def test_a_leap_second_is_the_one_that_follows() -> None:
    assert read_time("Sat, 31 Dec 2016 23:59:60 GMT") == read_time("Sun, 01 Jan 2017 00:00:00 GMT")


def test_a_name_of_a_zone_is_taken_only_where_the_whole_world_means_one_offset_by_it() -> None:
    named_by_rfc_822 = {"CST", "PST", "CDT"}  # which others use as well; feeds keep to the RFC
    require(bool(zoneinfo.available_timezones()), "the database of time zones")
    meanings: defaultdict[str, set[int]] = defaultdict(set)
    for key in zoneinfo.available_timezones():
        zone = zoneinfo.ZoneInfo(key)
        for year in range(2019, 2027):
            for month in (1, 7):
                moment = datetime(year, month, 1, 12, tzinfo=zone)
                offset = moment.utcoffset()
                assert offset is not None
                meanings[(moment.tzname() or "").upper()].add(round(offset.total_seconds()))
    known = {name: offsets for name, offsets in meanings.items() if name in ZONES and name not in named_by_rfc_822}

    assert len(known) > 30
    assert known == {name: {ZONES[name]} for name in known}


@given(st.text(max_size=150))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    assert (read_time(text) or 1) > 0
