"""Installs the npm packages that the tests talk to the server with, in the versions of tools/test_clients.

    python tools/node_packages.py

Where they cannot be had this says so in one sentence and fails nothing; the tests that need them then say it too.
"""

import shutil
import sys
from pathlib import Path

import npm

FOLDER = Path(__file__).resolve().parent / "test_clients"
LOCK = "package-lock.json"
# Made last, a copy of the lock that it was made from; git ignores the folder.
STAMP = Path("node_modules") / ".stocktrack-lock.json"


def are_there(folder: Path = FOLDER) -> bool:
    """Whether the packages in `folder` are those of its lock file."""
    try:
        return (folder / STAMP).read_bytes() == (folder / LOCK).read_bytes()
    except OSError:
        return False


def main(folder: Path = FOLDER) -> int:
    """Have them there, and say what came of it."""
    if are_there(folder):
        return 0
    sys.stderr.write("Fetching the npm packages that the tests talk to the server with ...\n")
    try:
        npm.install_locked(folder, npm.npm_command())
    except npm.NpmError as why:
        sys.stderr.write(f"The tests that need them are left out. {why}\n")
        return 0
    shutil.copyfile(folder / LOCK, folder / STAMP)
    return 0


if __name__ == "__main__":
    sys.exit(main())
