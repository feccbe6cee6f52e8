"""The pinned versions hold for every Python that StockTrack runs on, by what the installed distributions say.

`make constraints` asks the package index as well.
"""

from collections.abc import Callable

import pytest

import check_constraints
from check_constraints import Metadata, Needs, pins, problems, project_needs, unneeded


@pytest.mark.parametrize("python", check_constraints.PYTHONS)
def test_every_distribution_that_is_needed_is_pinned_to_a_version_that_takes_this_python(python: str) -> None:
    pinned = pins(check_constraints.CONSTRAINTS.read_text(encoding="utf-8"))
    assert len(pinned) > 50
    assert problems(python, pinned, project_needs()) == []


def test_no_pin_is_left_over() -> None:
    pinned = pins(check_constraints.CONSTRAINTS.read_text(encoding="utf-8"))
    assert unneeded(pinned, project_needs()) == set()


def test_debians_python_is_among_those_that_are_asked_about() -> None:
    assert check_constraints.PYTHONS[0] == "3.11.2"
    assert [python.rpartition(".")[0] for python in check_constraints.PYTHONS] == ["3.11", "3.12", "3.13", "3.14"]


# --- what it would find, in a world of three distributions ---

NEEDS = Needs("us", ("soup>=1",), {"all": ("us[extra]", "tool[fast]; python_version >= '3.12'")})
WORLD = {
    "soup": Metadata("4.1", ">=3.11.5", ("sieve>2",)),
    "sieve": Metadata("3.0", ">=3.9"),
    "tool": Metadata("1.0", "", ("engine; extra == 'fast'", "never; extra == 'slow'")),
    "engine": Metadata("2.0"),
}
PINNED = {name: metadata.version for name, metadata in WORLD.items()}


@pytest.mark.parametrize(
    ("python", "pinned", "found"),
    [
        ("3.12.0", PINNED, []),
        ("3.11.2", PINNED, ["soup 4.1 needs Python >=3.11.5."]),
        (
            "3.12.0",
            PINNED | {"sieve": "2"},
            ["sieve is pinned to 2, and 3.0 is installed here.", "soup needs sieve>2, "],
        ),
        ("3.12.0", PINNED | {"other": "1"}, ["other is pinned and not installed here."]),
        ("3.12.0", {n: v for n, v in PINNED.items() if n != "engine"}, ["tool needs engine", "which is not pinned."]),
        # Without the extra's marker being true nobody asks for it.
        ("3.11.5", {n: v for n, v in PINNED.items() if n != "engine"}, []),
    ],
)
def test_what_is_wrong_is_found(python: str, pinned: dict[str, str], found: list[str]) -> None:
    said = problems(python, pinned, NEEDS, WORLD.get)
    assert bool(said) == bool(found)
    assert all(sentence in " ".join(said) for sentence in found)


def test_a_pin_that_nothing_needs_is_found() -> None:
    look_up: Callable[[str], Metadata | None] = WORLD.get
    assert unneeded(PINNED | {"other": "1"}, NEEDS, look_up) == {"other"}
    assert unneeded(PINNED, NEEDS, look_up) == set()


def test_a_name_is_compared_as_the_index_compares_it_and_a_comment_is_none() -> None:
    assert pins("# said first\nPyYAML_x==1.0  # why\n\nsoup==2\n") == {"pyyaml-x": "1.0", "soup": "2"}
