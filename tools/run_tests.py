"""Runs the tests, several files at once; the few that fail are run once more, alone.

    python tools/run_tests.py [TESTS …]

Tests of browsers, terminals and processes share the processors here, on a machine that may be busy besides. A fault
fails alone as well, and with it the run. What passes alone is named at the end: it races, or it waits for too little.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SEVERAL_AT_ONCE = ("-n", "4", "--dist", "loadfile")
ONE_AFTER_THE_OTHER = ("-n", "0", "--last-failed")
# More than these are no accident.
MOST_RUN_AGAIN = 10


def run(arguments: list[str], root: Path = ROOT) -> int:
    """The exit code of pytest with these arguments."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=root, check=False).returncode  # noqa: S603 - our own tests


def main(tests: list[str], root: Path = ROOT) -> int:
    """Run these, or all where there is none; the exit code of pytest."""
    with tempfile.TemporaryDirectory() as cache:
        kept = ["-o", f"cache_dir={cache}", *tests]
        code = run([*SEVERAL_AT_ONCE, *kept], root)
        failed = failed_in(Path(cache))
        if code != pytest.ExitCode.TESTS_FAILED or len(failed) > MOST_RUN_AGAIN:
            return code
        say(f"{len(failed)} failed. Once more, alone:", failed)
        code = run([*ONE_AFTER_THE_OTHER, *kept], root)
        if unsteady := [test for test in failed if test not in failed_in(Path(cache))]:
            say("Unsteady, failed beside other tests and passed alone:", unsteady)
        return code


def failed_in(cache: Path) -> list[str]:
    """The ids of the tests that failed when they ran last."""
    file = cache / "v" / "cache" / "lastfailed"
    return list(json.loads(file.read_text("utf-8"))) if file.exists() else []


def say(heading: str, tests: list[str]) -> None:
    """Print it where pytest prints, in the right order also into a file."""
    print("", heading, *(f"  {test}" for test in tests), "", sep="\n", flush=True)  # noqa: T201 - for a person


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
