"""Whether constraints.txt holds for every Python that StockTrack runs on, Debian 12's 3.11.2 first.

By what the installed distributions say of themselves (`problems`, which the tests call): every distribution that is
needed on that Python is pinned, its pin takes that Python, and fits what asks for it. By what the package index says
(this script): there is a wheel of every pin for that Python. A wheel must be there because a newcomer has no compiler.

    python tools/check_constraints.py [3.11.2 3.12.0 …]

Exit code 1 means that a Python has a problem. It takes about half a minute a Python and installs nothing.
"""

import importlib.metadata
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
# The oldest of each line that somebody may have; 3.11.2 is Debian 12's.
PYTHONS = ("3.11.2", "3.12.0", "3.13.0", "3.14.0")
INDEX_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a distribution says of itself."""

    version: str
    requires_python: str = ""
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked for directly: the project's requirements, the extras' and the build's."""

    name: str
    requires: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def pins(text: str) -> dict[str, str]:
    """The versions of a constraints file, by the distribution's normalised name."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    parted = (line.partition("==") for line in lines if line)
    return {canonicalize_name(name): version for name, _, version in parted}


def project_needs(folder: Path = ROOT) -> Needs:
    """What pyproject.toml asks for, all extras and the build included."""
    written = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    project = written["project"]
    extras = {name: tuple(wanted) for name, wanted in project["optional-dependencies"].items()}
    # pip asks hatchling what an editable build needs besides, and it is this one.
    build = (*written["build-system"]["requires"], "editables")
    return Needs(canonicalize_name(project["name"]), (*project["dependencies"], *build), extras)


def installed(name: str) -> Metadata | None:
    """The distribution of that name that is installed here."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    takes = found.metadata.json.get("requires_python", "")
    return Metadata(found.version, str(takes), tuple(found.requires or ()))


def needed(needs: Needs, python: str, look_up: Callable[[str], Metadata | None]) -> Iterator[tuple[Requirement, str]]:
    """Each requirement that counts on that Python, direct or not, with who asks for it."""
    here = {name: str(value) for name, value in default_environment().items()}
    environment = here | {"python_version": python.rpartition(".")[0], "python_full_version": python}
    seen: set[tuple[str, str]] = set()
    everything = (*needs.requires, *(wanted for extra in needs.extras.values() for wanted in extra))
    waiting = [(Requirement(wanted), "pyproject.toml", "") for wanted in everything]
    while waiting:
        wanted, asker, extra = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({**environment, "extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        if name == needs.name:  # an extra that is made of others, and those are all in `everything`
            continue
        yield wanted, asker
        metadata = look_up(name)
        for further in ("", *wanted.extras):
            if metadata is not None and (name, further) not in seen:
                seen.add((name, further))
                waiting += [(Requirement(text), name, further) for text in metadata.requires]


def problems(
    python: str,
    pinned: Mapping[str, str],
    needs: Needs,
    look_up: Callable[[str], Metadata | None] = installed,
) -> list[str]:
    """What is wrong with the pins on that Python, a sentence each, without a word to the package index."""
    found: set[str] = set()
    for wanted, asker in needed(needs, python, look_up):
        name = canonicalize_name(wanted.name)
        version = pinned.get(name)
        if version is None:
            found.add(f"{asker} needs {name}, which is not pinned.")
        elif not wanted.specifier.contains(version, prereleases=True):
            found.add(f"{asker} needs {wanted}, and {version} is pinned.")
    for pin, version in pinned.items():
        metadata = look_up(pin)
        if metadata is None:
            found.add(f"{pin} is pinned and not installed here.")
        elif metadata.version != version:
            found.add(f"{pin} is pinned to {version}, and {metadata.version} is installed here.")
        elif not SpecifierSet(metadata.requires_python).contains(python):
            found.add(f"{pin} {version} needs Python {metadata.requires_python}.")
    return sorted(found)


def unneeded(
    pinned: Mapping[str, str], needs: Needs, look_up: Callable[[str], Metadata | None] = installed
) -> set[str]:
    """The pins that no Python needs any more."""
    used = (needed(needs, python, look_up) for python in PYTHONS)
    return set(pinned) - {canonicalize_name(wanted.name) for each in used for wanted, _ in each}


def index_problem(python: str) -> str | None:
    """What the package index has against the pins on that Python, in pip's words; None where it has them all."""
    with tempfile.TemporaryDirectory() as nowhere:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
        command += ["--python-version", python, "--only-binary=:all:", "--target", nowhere, "-r", str(CONSTRAINTS)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INDEX_SECONDS, check=False)  # noqa: S603 - pip, with arguments that are ours
        except subprocess.TimeoutExpired:
            return f"The package index did not answer within {INDEX_SECONDS} s."
    errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return None if done.returncode == 0 else " ".join(errors[-1:]) or done.stderr[-500:]


def main(pythons: list[str]) -> int:
    """Ask about each Python and say what came of it."""
    pinned, failed = pins(CONSTRAINTS.read_text(encoding="utf-8")), False
    for python in pythons or PYTHONS:
        wrong = problems(python, pinned, project_needs())
        if (refused := index_problem(python)) is not None:
            wrong.append(refused)
        failed = failed or bool(wrong)
        print(f"Python {python}: {' '.join(wrong) or f'the index has a wheel of each of the {len(pinned)} pins.'}")  # noqa: T201 - for a person
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
