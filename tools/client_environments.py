"""Makes the real clients' virtual environments: `.clients/NAME` for each `tools/clients/NAME.txt`.

    python tools/client_environments.py [NAME …]

Such a file names everything that is installed there, in exact versions, so that two runs give the same. What is there
already is left alone; what could not be had is said in a sentence each, and the exit code is 1 then. It needs nothing
but the standard library and pip.
"""

import fcntl
import shutil
import subprocess
import sys
import time
from pathlib import Path

from registries import pip_environment
from set_up import UNREACHED

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "tools" / "clients"
HOME = ROOT / ".clients"
# Made last, a copy of the pins it was made from: without it the environment is half of one.
STAMP = ".stocktrack-pins"
# For all of them together. An index that answers brings them in well under a minute.
SECONDS = 170.0


class CannotMakeError(Exception):
    """An environment cannot be made; the text says why. With `is_silent` it is no use to ask for another."""

    def __init__(self, why: str, *, is_silent: bool = False) -> None:
        super().__init__(why)
        self.is_silent = is_silent


def names() -> list[str]:
    """The clients that there are pins of."""
    return sorted(file.stem for file in PINS.glob("*.txt"))


def python_of(name: str) -> Path:
    """The interpreter that the client is installed for."""
    return HOME / name / "bin" / "python"


def is_there(name: str) -> bool:
    """Whether the client is installed in the versions of its pins, for a Python that is still there.

    Which Python asks does not matter: a client is a process of its own.
    """
    try:
        return (HOME / name / STAMP).read_bytes() == _pins(name).read_bytes() and python_of(name).exists()
    except OSError:
        return False


def _is_made_for_this_python(name: str) -> bool:
    """An interpreter that was replaced by a newer one finds nothing of what was installed for it."""
    return (HOME / name / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}").is_dir()


def _pins(name: str) -> Path:
    return PINS / f"{name}.txt"


def make(name: str, until: float) -> None:
    """Make the environment of a client anew; `CannotMakeError` where it is not done by the monotonic time `until`."""
    folder = HOME / name
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    # Without pip, which would have to be unpacked into each: the one that runs this installs into all of them.
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], until, "The virtual environment")
    # Exactly what the pins name: what they leave out is missing in every run, and the tests say so.
    arguments = ["--no-deps", "--only-binary", ":all:", "--requirement", str(_pins(name))]
    # pip's own option comes before its command.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python_of(name))]
    _run([*pip, "install", *arguments], until, "pip")
    shutil.copyfile(_pins(name), folder / STAMP)


def _run(command: list[str], until: float, what: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - this Python, with arguments that are ours
            [sys.executable, *command[1:]],
            env=pip_environment(),
            capture_output=True,
            text=True,
            timeout=max(until - time.monotonic(), 0.1),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotMakeError(
            f"{what} was not done in time: all together may take {SECONDS:g} s.", is_silent=True
        ) from None
    if done.returncode == 0:
        return
    if any(words in done.stderr for words in UNREACHED):
        raise CannotMakeError("The package index cannot be reached, or stays silent.", is_silent=True)
    said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing of why"]
    raise CannotMakeError(f"{what} failed: {said[-1].strip()[:500]}")


def make_all(wanted: list[str]) -> dict[str, str]:
    """Have those clients there, and say what is done; why not, by name, of those that could not be had."""
    missing: dict[str, str] = {}
    until = time.monotonic() + SECONDS
    for position, name in enumerate(wanted):
        if is_there(name) and _is_made_for_this_python(name):
            continue
        _say(f"Installing the client {name} into {HOME.name}/{name} (once) ...")
        try:
            make(name, until)
        except CannotMakeError as why:
            missing[name] = str(why)
            if why.is_silent:
                rest = [other for other in wanted[position + 1 :] if not is_there(other)]
                return missing | dict.fromkeys(rest, str(why))
    return missing


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(*asked: str) -> int:
    """Make what was asked for, else all of them; 1 and a sentence each where one could not be had."""
    if unknown := sorted({*asked} - {*names()}):
        _say(f"There are no pins of {', '.join(unknown)}; there are of {', '.join(names())}.")
        return 2
    HOME.mkdir(exist_ok=True)
    # Two at a time would pull each other's environments from under them.
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = make_all([*asked] or names())
    for name, why in missing.items():
        _say(f"The client {name} could not be had, and the tests with it will say so. {why}")
    return 1 if missing else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
