"""Lints the page's JavaScript and its unit tests with ESLint, in the versions of tools/page_lint.

    python tools/lint_page.py

tools/node_packages.py brings it. Where it is missing this says so and fails nothing; with `CI=true` a check
that cannot be made is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import node_packages

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("src/stocktrack/web/page", "tests/web/page")


def lint(folder: Path = node_packages.LINTER) -> int:
    """Run ESLint; its exit code, or what a missing ESLint means here."""
    node = shutil.which("node")
    if node is None or not node_packages.are_there(folder):
        what = "the program node is missing" if node is None else "ESLint is not there (`make node-packages` brings it)"
        sys.stderr.write(f"The page's JavaScript is not linted: {what}.\n")
        return 1 if os.environ.get("CI") == "true" else 0
    eslint = folder / "node_modules" / "eslint" / "bin" / "eslint.js"
    config = folder / "eslint.config.js"
    command = [node, str(eslint), "--config", str(config), "--max-warnings", "0", *SOURCES]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - ESLint, on our own files


if __name__ == "__main__":
    sys.exit(lint())
