"""Runs the tests over each Python from 3.11 to 3.14 that is found here, each in a virtual environment of its own.

    python tools/matrix.py [TESTS …]

It looks for `python3.12` and so on, on PATH and among pyenv's. The environments stay in `.matrix/`, so that the next
run is quick. Exit code 1 means that the tests failed on one of them, or that there was none.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MINORS = (11, 12, 13, 14)
# A shim that waits for nobody, a Python that starts slowly on a busy machine.
ANSWER_SECONDS = 30


def candidates(minor: int, pyenv: Path) -> Iterator[Path]:
    """Where a Python of that version may be: on PATH first, then pyenv's, the newest first."""
    name = f"python3.{minor}"
    if on_path := shutil.which(name):
        yield Path(on_path)
    versions = (pyenv / "versions").glob(f"3.{minor}.*")
    yield from (folder / "bin" / name for folder in sorted(versions, key=_release, reverse=True))


def _release(folder: Path) -> list[int]:
    return [int(part) for part in folder.name.split(".") if part.isdigit()]


def find(minor: int, places: Iterable[Path]) -> Path | None:
    """The first of the places that holds a Python of that version; pyenv's shims only say that there is none."""
    for python in places:
        try:
            command = [str(python), "-c", "import sys, venv; print(sys.version_info[:2])"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False).stdout  # noqa: S603 - a Python of this machine
        except (OSError, subprocess.TimeoutExpired):
            continue
        if said.strip() == str((3, minor)):
            return python
    return None


def run(minor: int, python: Path, tests: list[str]) -> bool:
    """Whether the tests pass on that Python; what they print goes where ours goes."""
    folder = ROOT / ".matrix" / f"3.{minor}"
    command = ["make", "--no-print-directory", "unit", f"VENV={folder}", f"PYTHON={python}", f"TESTS={' '.join(tests)}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603 - our own Makefile


def main(tests: list[str]) -> int:
    """Run them all, and say at the end what came of each."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    results: dict[str, str] = {}
    failed = found = False
    for minor in MINORS:
        python = find(minor, candidates(minor, pyenv))
        if python is None:
            results[f"3.{minor}"] = "not found here"
            continue
        print(f"--- Python 3.{minor}: {python}", flush=True)  # noqa: T201 - for a person
        began = time.monotonic()
        passed = run(minor, python, tests)
        found, failed = True, failed or not passed
        results[f"3.{minor}"] = f"{'passed' if passed else 'FAILED'} in {time.monotonic() - began:.0f} s ({python})"
    for name, result in results.items():
        print(f"Python {name}: {result}")  # noqa: T201 - for a person
    return int(failed or not found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
