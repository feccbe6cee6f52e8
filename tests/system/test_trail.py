import pytest
import structlog
from structlog.testing import capture_logs

from stocktrack.clock import ManualClock
from stocktrack.system.acts import Act
from stocktrack.system.logs import configure_logs
from stocktrack.system.trail import FAILURES_TOLD, MANY, MAX_COUNTED, WINDOW_SECONDS, Trail, address_of

HERE = "192.0.2.1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def trail(clock: ManualClock) -> Trail:
    return Trail(clock)


def fail(trail: Trail, address: str = HERE, why: str = "wrong", user: str | None = None) -> None:
    trail.login_failed(why, address=address, door="tcp", user=user)


def test_an_event_begins_with_address_and_door_and_leaves_out_what_is_not_known(trail: Trail) -> None:
    with capture_logs() as logs:
        trail.record(Act.LOGIN, address=HERE, door="ws", user="ann", by=None)
        fail(trail, user="ann")
        fail(trail)
    assert list(logs[0].items())[:3] == [("address", HERE), ("door", "ws"), ("user", "ann")]
    assert [(entry["event"], entry["log_level"], entry.get("user")) for entry in logs] == [
        ("login", "info", "ann"),
        ("login_failed", "warning", "ann"),
        ("login_failed", "warning", None),
    ]


async def test_wrong_logins_are_told_one_by_one_and_beyond_that_counted_for_a_minute(
    trail: Trail, clock: ManualClock
) -> None:
    with capture_logs() as logs:
        for _ in range(FAILURES_TOLD + 12):
            fail(trail)
        trail.settle()
        assert len(logs) == FAILURES_TOLD
        await clock.advance(WINDOW_SECONDS)
        trail.settle()
        trail.settle()
        assert logs[FAILURES_TOLD:] == [
            {
                "event": "login_failed",
                "log_level": "warning",
                "address": HERE,
                "door": "tcp",
                "why": "wrong",
                "count": 12,
            }
        ]
        fail(trail)
    assert "count" not in logs[-1]


async def test_what_a_limit_refuses_is_told_once_for_each_address_and_minute_with_a_count(
    trail: Trail, clock: ManualClock
) -> None:
    def refuse(address: str, limit: str = "commands") -> None:
        trail.refused("rate_limited", address=address, door="tcp", limit=limit)

    with capture_logs() as logs:
        for _ in range(1_000):
            refuse(HERE)
            refuse("192.0.2.2")
        refuse(HERE, "user")
        await clock.advance(WINDOW_SECONDS)
        refuse(HERE)  # tells the count of the minute before as well
        trail.settle()
    assert [(entry["address"], entry["limit"], entry.get("count")) for entry in logs] == [
        (HERE, "commands", None),
        ("192.0.2.2", "commands", None),
        (HERE, "user", None),
        (HERE, "commands", 999),
        (HERE, "commands", None),
        ("192.0.2.2", "commands", 999),
    ]


async def test_neither_many_addresses_nor_those_of_one_network_flood_the_log(trail: Trail, clock: ManualClock) -> None:
    with capture_logs() as logs:
        for number in range(1_000):
            fail(trail, f"2001:db8::{number + 1:x}", "throttled")
        assert len(logs) == 1
        for number in range(20_000):
            fail(trail, f"10.0.{number // 256}.{number % 256}", "throttled")
        await clock.advance(WINDOW_SECONDS)
        trail.settle()
    assert len(logs) <= MAX_COUNTED + 2
    assert sum(entry.get("count", 1) for entry in logs) == 21_000
    assert logs[-1].items() >= {"address": MANY, "count": 20_000 - MAX_COUNTED + 1}.items()


async def test_what_was_counted_is_told_at_the_end(trail: Trail) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            fail(trail, why="throttled")
        trail.close()
    assert [entry.get("count") for entry in logs] == [None, 2]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("unknown", "unknown"),
        ("1.2.3.4 door=tcp", "unknown"),
        ('1.2.3.4", "x": "', "unknown"),
        ("1.2.3.4\n", "unknown"),
        ("local", "local"),
    ],
)
def test_nothing_but_an_address_stands_as_one(text: str, address: str) -> None:
    assert address_of(text) == address


def test_a_traceback_cannot_look_like_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("console", "info")
    forged = "2024-04-05T15:45:00.000000Z [warning  ] login_failed address=203.0.113.9 door=tcp why=wrong"

    def answer() -> None:
        raise ValueError(f"bad\n{forged}")

    try:
        answer()
    except ValueError:
        structlog.get_logger().exception("failed")
    finally:
        structlog.reset_defaults()
    first, *others = capsys.readouterr().err.splitlines()
    assert "failed" in first
    assert any(forged in line for line in others)
    assert all(line.startswith("  ") for line in others)
