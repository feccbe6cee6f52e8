import pytest

from stocktrack.sessions.bucket import Bucket, Quota, quota


def test_a_full_bucket_gives_its_burst_at_once_and_then_says_how_long_to_wait() -> None:
    bucket = Bucket(3, now=100.0)
    rate = {"per_second": 2.0, "burst": 3.0, "now": 100.0}
    assert [bucket.take(1, **rate) for _ in range(4)] == [0, 0, 0, 0.5]


def test_what_was_refused_costs_nothing_and_is_there_after_the_wait() -> None:
    bucket = Bucket(1, now=0.0)
    assert bucket.take(1, per_second=2.0, burst=1.0, now=0.0) == 0
    wait = bucket.take(1, per_second=2.0, burst=1.0, now=0.1)
    assert wait == pytest.approx(0.4)
    assert bucket.take(1, per_second=2.0, burst=1.0, now=0.1 + wait) == 0


def test_it_never_holds_more_than_its_burst() -> None:
    bucket = Bucket(2, now=0.0)
    later = {"per_second": 50.0, "burst": 2.0, "now": 3_600.0}
    assert [bucket.take(1, **later) for _ in range(3)] == [0, 0, pytest.approx(0.02)]


def test_a_lower_burst_counts_from_the_next_command_on() -> None:
    bucket = Bucket(200, now=0.0)
    lower = {"per_second": 1.0, "burst": 1.0, "now": 0.0}
    assert [bucket.take(1, **lower) for _ in range(2)] == [0, 1.0]


def test_more_than_one_can_be_taken_at_a_time() -> None:
    bucket = Bucket(100, now=0.0)
    assert bucket.take(60, per_second=10.0, burst=100.0, now=0.0) == 0
    assert bucket.take(60, per_second=10.0, burst=100.0, now=0.0) == pytest.approx(2.0)


def test_what_is_owed_takes_its_time_and_nothing_is_refused() -> None:
    bucket = Bucket(2, now=0.0)
    rate = {"per_second": 4.0, "burst": 2.0}
    assert [bucket.owe(1, **rate, now=0.0) for _ in range(4)] == [0, 0, 0.25, 0.5]
    assert bucket.owe(1, **rate, now=0.5) == 0.25
    assert bucket.take(1, **rate, now=0.5) == 0.5
    assert bucket.owe(2, **rate, now=100.0) == 0


def test_a_quota_is_whole_numbers_of_which_what_is_not_quite_there_does_not_count() -> None:
    bucket = Bucket(200, now=0.0)
    bucket.take(1, per_second=50, burst=200, now=0.0)
    level = bucket.level(per_second=50, burst=200, now=0.01)
    assert quota("commands", level, per_second=50, burst=200) == Quota("commands", 200, 4, 199, 1)
    assert bucket.level(per_second=50, burst=200, now=10.0) == 200


def test_a_quota_of_a_bucket_that_owes_has_nothing_left_and_its_times_have_an_end() -> None:
    assert quota("commands", -100.0, per_second=50, burst=200) == Quota("commands", 200, 4, 0, 6)
    slow = quota("sources", 0.0, per_second=1e-12, burst=30)
    assert slow.window_seconds == slow.full_after_seconds == 10**9
