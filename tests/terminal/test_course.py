from past_prices import at, flat, session, wave
from scripted_server import a_price
from stocktrack.terminal.course import Course

MORNING = session(2026, 11, 27, minutes=5)[:12]


def test_a_course_begins_with_bars_and_each_stretch_keeps_its_last_price() -> None:
    course = Course(flat(MORNING, 10.0))
    for seq, price in enumerate((11.0, 12.0), 1):
        course.put(a_price(price=price, seq=seq, timestamp=MORNING[-1] + seq * 1_000))
    course.put(a_price(price=13.0, timestamp=MORNING[-1] + 300_000))

    assert course.prices == [*[10.0] * 11, 12.0, 13.0]


def test_a_price_from_before_its_last_bar_changes_nothing() -> None:
    course = Course(flat(MORNING, 10.0))
    course.put(a_price(price=99.0, timestamp=MORNING[0]))
    assert course.prices == [10.0] * 12


def test_a_new_session_begins_anew_and_a_lunch_does_not() -> None:
    course = Course(flat(MORNING, 10.0))
    course.put(a_price(price=11.0, timestamp=MORNING[-1] + 9_000_000))
    assert len(course.prices) == 13
    course.put(a_price(price=12.0, timestamp=at(2026, 11, 30, 9, 30)))
    assert course.prices == [12.0]


def test_day_and_night_it_is_the_last_24_hours() -> None:
    course = Course(wave(session(2026, 11, 27, minutes=5, opens=(0, 0), hours=30)))
    assert len(course.prices) == 288


def test_a_price_without_a_time_of_the_market_counts_when_it_came() -> None:
    course = Course()
    course.put(a_price(price=1.0, timestamp=None))
    course.put(a_price(price=2.0, timestamp=None, at=600_000))
    assert course.prices == [1.0, 2.0]
