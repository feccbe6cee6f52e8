"""Installs the npm packages that the tests and the linter need, each set in the versions of its lock file.

    python tools/node_packages.py

Where they cannot be had this says so in one sentence and fails nothing; what needs them then says it too.
"""

import shutil
import sys
from pathlib import Path

import npm

TOOLS = Path(__file__).resolve().parent
CLIENTS = TOOLS / "test_clients"
LINTER = TOOLS / "page_lint"
OPENAPI_LINTER = TOOLS / "openapi_lint"
ASYNCAPI = TOOLS / "asyncapi_parser"
AXE = TOOLS / "page_axe"
WHAT_FOR = {
    CLIENTS: "the npm packages that the tests talk to the server with",
    LINTER: "ESLint, which lints the page's JavaScript",
    OPENAPI_LINTER: "Redocly's linter, which checks the OpenAPI description",
    ASYNCAPI: "AsyncAPI's parser, which checks the description of the protocol",
    AXE: "axe, which checks that everybody can use the page",
}
LOCK = "package-lock.json"
# Made last, a copy of the lock that it was made from; git ignores the folder.
STAMP = Path("node_modules") / ".stocktrack-lock.json"


def are_there(folder: Path) -> bool:
    """Whether the packages in `folder` are those of its lock file."""
    try:
        return (folder / STAMP).read_bytes() == (folder / LOCK).read_bytes()
    except OSError:
        return False


def bring(folder: Path, what_for: str) -> bool:
    """Have the packages of `folder` there, and say what is done; whether they are there now."""
    if are_there(folder):
        return True
    sys.stderr.write(f"Fetching {what_for} (once) ...\n")
    try:
        npm.install_locked(folder, npm.npm_command())
    except npm.NpmError as why:
        sys.stderr.write(f"What needs them is left out. {why}\n")
        return False
    shutil.copyfile(folder / LOCK, folder / STAMP)
    return True


def main() -> int:
    """Bring all of them; where npm fails at one it is not asked again, which could take as long once more."""
    all(bring(folder, what_for) for folder, what_for in WHAT_FOR.items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
