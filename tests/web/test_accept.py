"""What a client wants by its Accept headers, and what it has by its If-None-Match."""

import pytest

from stocktrack.web.accept import has_already, preferred

JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        ("text/csv, */*", CSV),
        ("text/csv;q=0.9, */*;q=0.8", CSV),
        ("text/csv;q=0.8, */*", JSON),
        ("text/csv;q=0.5, application/json;q=0.9", JSON),
        ("application/json;q=0.5, text/csv;q=0.9", CSV),
        ("text/csv, application/json", CSV),
        ("application/json, text/csv", JSON),
        ("application/json, text/plain, */*", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/csv;q=0, */*", JSON),
        ("application/json;q=0, */*", CSV),
        ("text/csv;q=0", JSON),
        ("text/*;q=0.0", JSON),
        ("text/csv;q=0, application/json;q=0", JSON),
        ("image/png", JSON),
        ("text/csv;q=nonsense", CSV),
        ("text/csv;q=nonsense, application/json;q=0.1", JSON),
        (",,;;=,/", JSON),
    ],
)
def test_what_is_preferred(accept: str | None, expected: str) -> None:
    assert preferred([] if accept is None else [accept], (JSON, CSV)) == expected
    if accept is not None:
        assert preferred(accept.split(","), (JSON, CSV)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], False),
        (["*"], True),
        (['"a,b"'], True),
        (['W/"a,b"'], True),
        (['"x", W/"y", "a,b"'], True),
        (['"x"', '"a,b"'], True),
        (['"a"', '"b"'], False),
        (["a,b"], False),
        (['"x*"'], False),
    ],
)
def test_what_a_client_has_already(headers: list[str], expected: bool) -> None:
    assert has_already(headers, '"a,b"') is expected
