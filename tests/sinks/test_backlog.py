from hypothesis import given
from hypothesis import strategies as st

from sink_quotes import an_entry
from stocktrack.messages import BoardQuote
from stocktrack.sinks.backlog import Backlog


def told(quotes: list[BoardQuote]) -> list[tuple[str, int]]:
    return [(quote.symbol, quote.seq) for quote in quotes]


def change(backlog: Backlog, *changes: tuple[str, int]) -> None:
    for symbol, seq in changes:
        backlog.take([an_entry(symbol, seq)], [])


def test_every_change_comes_out_in_its_order() -> None:
    backlog = Backlog()
    backlog.take([an_entry("A", 1), an_entry("B", 1)], [])
    change(backlog, ("A", 2))

    assert told(backlog.next(2)) == [("A", 1), ("B", 1)]
    assert told(backlog.next(2)) == [("A", 2)]
    assert backlog.next(2) == []
    assert backlog.merged == 0


def test_beyond_its_bound_the_newest_of_each_symbol_stays_in_the_place_of_the_oldest() -> None:
    backlog = Backlog(most_changes=3)
    change(backlog, ("A", 1), ("B", 1), ("A", 2), ("A", 3))

    assert (len(backlog), backlog.merged) == (2, 2)
    change(backlog, ("B", 2), ("C", 1))
    assert told(backlog.next(9)) == [("A", 3), ("B", 2), ("C", 1)]
    assert (len(backlog), backlog.merged, backlog.dropped) == (0, 3, 0)


def test_once_all_of_it_was_taken_every_change_comes_again() -> None:
    backlog = Backlog(most_changes=2)
    change(backlog, ("A", 1), ("A", 2), ("A", 3))
    backlog.next(9)
    change(backlog, ("A", 4), ("A", 5))

    assert told(backlog.next(9)) == [("A", 4), ("A", 5)]


def test_what_was_not_written_comes_first_again() -> None:
    backlog = Backlog()
    change(backlog, ("A", 1), ("B", 1))
    batch = backlog.next(9)
    change(backlog, ("A", 2))
    backlog.give_back(batch)

    assert told(backlog.next(9)) == [("A", 1), ("B", 1), ("A", 2)]


def test_what_was_not_written_never_takes_the_place_of_what_is_newer() -> None:
    backlog = Backlog(most_changes=2)
    change(backlog, ("A", 1), ("B", 1))
    batch = backlog.next(9)
    change(backlog, ("C", 1), ("C", 2), ("A", 2))
    backlog.give_back(batch)

    assert told(backlog.next(9)) == [("A", 2), ("B", 1), ("C", 2)]
    assert backlog.merged == 2


def test_symbols_are_bounded_and_the_oldest_of_them_goes() -> None:
    backlog = Backlog(most_changes=2, most_symbols=3)
    change(backlog, *((f"S{n}", 1) for n in range(10)))

    assert told(backlog.next(99)) == [("S7", 1), ("S8", 1), ("S9", 1)]
    assert (backlog.dropped, backlog.merged) == (7, 0)


def test_a_renewal_waits_only_where_it_is_wanted_and_behind_the_changes() -> None:
    plain, keeping = Backlog(), Backlog(keeps_renewals=True)
    for backlog in (plain, keeping):
        backlog.take([], [an_entry("A", 1)])
        backlog.take([an_entry("B", 1)], [an_entry("C", 1)])

    assert told(plain.next(9)) == [("B", 1)]
    assert told(keeping.next(2)) == [("B", 1), ("A", 1)]
    assert told(keeping.next(2)) == [("C", 1)]
    assert (len(plain), len(keeping)) == (0, 0)


def test_a_renewal_is_forgotten_when_its_symbol_changes_and_bounded() -> None:
    backlog = Backlog(keeps_renewals=True, most_symbols=2)
    backlog.take([], [an_entry(symbol, 1) for symbol in "ABC"])
    change(backlog, ("A", 2))

    assert told(backlog.next(9)) == [("A", 2), ("B", 1)]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("change"), st.sampled_from("ABCDE")),
            st.tuples(st.sampled_from(["write", "fail"]), st.integers(1, 4)),
        ),
        max_size=60,
    ),
    st.integers(1, 6),
)
def test_whatever_fails_a_sink_gets_each_symbol_in_order_and_its_newest_at_last(
    acts: list[tuple[str, str | int]], most: int
) -> None:
    backlog = Backlog(most_changes=most)
    newest: dict[str, int] = {}
    written: list[tuple[str, int]] = []
    for act, what in acts:
        if act == "change":
            newest[str(what)] = newest.get(str(what), 0) + 1
            change(backlog, (str(what), newest[str(what)]))
        else:
            batch = backlog.next(int(what))
            if act == "fail":
                backlog.give_back(batch)
            else:
                written += told(batch)
        assert len(backlog) <= max(most, len(newest))
    written += told(backlog.next(999))

    for symbol, seq in newest.items():
        seqs = [each for name, each in written if name == symbol]
        assert seqs == sorted(set(seqs))
        assert seqs[-1] == seq
    assert len(written) + backlog.merged == sum(newest.values())
