"""Lints the page's JavaScript and its unit tests with ESLint, in the versions of tools/page_lint.

    python tools/lint_page.py             what ESLint finds
    python tools/lint_page.py --install   bring ESLint from npm, where it is not there yet

Where npm cannot bring it, either one says so in a sentence and fails nothing; with `CI=true` a check that cannot be
made is a failure.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from npm import npm_command

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tools" / "page_lint"
SOURCES = ("src/stocktrack/web/page", "tests/web/page")
LOCK = "package-lock.json"
# Made last, a copy of the lock that the packages were installed from; git ignores the folder.
STAMP = Path("node_modules") / ".stocktrack-lock.json"
NPM_SECONDS = 120
# One more try and no long pauses: a registry that does not answer is told within a minute.
NPM_ARGUMENTS = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"),
)


def is_there(folder: Path = FOLDER) -> bool:
    """Whether the packages in `folder` are those of its lock file."""
    try:
        return (folder / STAMP).read_bytes() == (folder / LOCK).read_bytes()
    except OSError:
        return False


def install(folder: Path = FOLDER) -> None:
    """Have npm bring what the lock file names; where it cannot, say why."""
    if is_there(folder):
        return
    command = npm_command()
    if command is None:
        sys.stderr.write("ESLint is not installed, since there is no npm here: install Node.js with npm.\n")
        return
    sys.stderr.write("Fetching ESLint for the page's JavaScript (once) ...\n")
    try:
        done = subprocess.run(  # noqa: S603 - npm itself, with arguments that are ours
            [*command, "ci", *NPM_ARGUMENTS],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=NPM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"ESLint is not installed, since npm did not bring it: {error}\n")
        return
    if done.returncode != 0:
        sys.stderr.write(f"ESLint is not installed, since npm did not bring it: {done.stderr.strip()[-500:]}\n")
        return
    shutil.copyfile(folder / LOCK, folder / STAMP)


def lint(folder: Path = FOLDER) -> int:
    """Run ESLint; its exit code, or what a missing ESLint means here."""
    node = shutil.which("node")
    if node is None or not is_there(folder):
        what = (
            "the program node is missing" if node is None else "ESLint is not installed (`make page-tools` brings it)"
        )
        sys.stderr.write(f"The page's JavaScript is not linted: {what}.\n")
        return 1 if os.environ.get("CI") == "true" else 0
    eslint = folder / "node_modules" / "eslint" / "bin" / "eslint.js"
    config = folder / "eslint.config.js"
    command = [node, str(eslint), "--config", str(config), "--max-warnings", "0", *SOURCES]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - ESLint, on our own files


def main(arguments: list[str] | None = None) -> int:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Lint the page's JavaScript.")
    parser.add_argument("--install", action="store_true", help="bring ESLint from npm, where it is not there yet")
    if parser.parse_args(arguments).install:
        install()
        return 0
    return lint()


if __name__ == "__main__":
    sys.exit(main())
