"""Makes the virtual environment and installs StockTrack into it, in the pinned versions; `make` calls this.

    python tools/set_up.py .venv [EXTRA …]

A package index that does not answer ends it within a minute, with one sentence. It needs nothing but the standard
library, since it runs before anything is installed.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

from registries import pip_environment

ROOT = Path(__file__).resolve().parents[1]
# An index that answers has brought these few small packages by then; they come first for that.
FIRST_ANSWER_SECONDS = 45
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--constraint", "constraints.txt")
# What pip says where nobody answers, along with much that does not help.
UNREACHED = ("Retrying (", "timed out", "Max retries")


class CannotInstallError(Exception):
    """It cannot be installed; the text says why, and what would help."""


def install(folder: Path, extras: list[str]) -> None:
    """Have StockTrack with these extras in the virtual environment `folder`."""
    python = folder / "bin" / "python"
    if not (folder / "bin" / "pip").exists():  # Debian without python3-venv makes half of one
        _say(f"Making the virtual environment in {folder} ...")
        if subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False).returncode != 0:  # noqa: S603 - ourselves
            raise CannotInstallError(f"The virtual environment in {folder} could not be made.")
    wanted = f".[{','.join(extras)}]" if extras else "."
    _say("Asking the package index for what builds StockTrack ...")
    # An editable build needs `editables` too, as hatchling says when it is asked.
    build = [*_written()["build-system"]["requires"], "editables"]
    pip_install(python, build, FIRST_ANSWER_SECONDS)
    _say(f"Installing StockTrack{' and what the tests need' if extras else ''} (once, about a minute) ...")
    pip_install(python, ["--no-build-isolation", "--editable", wanted], None)


def _written() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pip_install(python: Path, arguments: list[str], seconds: float | None) -> None:
    """`pip install` by that Python, in `seconds` where they are given; its failure as a sentence."""
    # The page's modules are brought by `make page`, which says so and where it can go on without them.
    environment = {**pip_environment(), "STOCKTRACK_PAGE_LATER": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - pip, with arguments that are ours
            [str(python), *PIP, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotInstallError(_unanswered(f"it gave no answer within {seconds:g} s")) from None
    if done.returncode == 0:
        return
    if any(words in done.stderr for words in UNREACHED):
        raise CannotInstallError(_unanswered("it cannot be reached, or stays silent"))
    raise CannotInstallError(f"pip could not install StockTrack:\n{done.stderr.strip()[-2000:]}")


def _unanswered(why: str) -> str:
    return (
        f"The Python packages could not be fetched from the package index ({why}). "
        "Look at the network and at `pip config list`, then run make again."
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(folder: str, *extras: str) -> int:
    """Do it, and say what is being done; 1 and a sentence where it cannot be."""
    try:
        install(Path(folder), list(extras))
    except CannotInstallError as why:
        _say(str(why))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
