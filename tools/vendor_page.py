"""Brings the page's third-party ES modules from npm into src/stocktrack/web/page/vendor/, and a bundler.

Neither is committed: the bundler is kept in tools/page/, and tools/bundle_page.py joins the page's modules with it.

The versions are those of tools/page/package-lock.json, brought by npm (tools/npm.py). Where there is none, or its
registry does not answer, this says so and leaves the server to run without its page. It needs nothing but the standard
library, because the build hook imports it.

    python tools/vendor_page.py
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import npm
from npm import npm_command

ROOT = Path(__file__).resolve().parents[1]
LOCKED = ROOT / "tools" / "page"
VENDOR = ROOT / "src" / "stocktrack" / "web" / "page" / "vendor"
# esbuild's program for this machine; an empty file where it has none for it.
BUNDLER = LOCKED / "node_modules" / "esbuild"
BUNDLER_PACKAGE = "esbuild"
# Written last, so that it stands for all the others: what is there, and what it was made from.
STAMP = "versions.json"


@dataclass(frozen=True, slots=True)
class Module:
    """One file of a package, the name that other modules import it by, and what it is called here."""

    package: str
    path: str
    imported_as: str
    file: str


MODULES = (
    Module("preact", "dist/preact.mjs", "preact", "preact.js"),
    Module("preact", "hooks/dist/hooks.mjs", "preact/hooks", "hooks.js"),
    Module("@preact/signals-core", "dist/signals-core.mjs", "@preact/signals-core", "signals-core.js"),
    Module("@preact/signals", "dist/signals.mjs", "@preact/signals", "signals.js"),
    Module("htm", "dist/htm.mjs", "htm", "htm.js"),
    Module(
        "lightweight-charts",
        "dist/lightweight-charts.standalone.production.mjs",
        "lightweight-charts",
        "lightweight-charts.js",
    ),
)

# `from"preact"` and `import "preact"` as minifiers write them; what is imported by a path is left alone.
_BARE_IMPORT = re.compile(r"""\b((?:from|import)\s*)(["'])([@\w][^"'\\\n]*)\2""")
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


class CannotVendorError(Exception):
    """The modules cannot be had; the text says why, and what would help."""


def vendor(folder: Path = VENDOR, *, say: Callable[[str], object] | None = None) -> bool:
    """Make `folder` hold the locked versions, and have the bundler there; whether anything had to be done.

    With `say`, which is told what takes its time, npm is fetched where the machine has none; the build hook has a way
    of its own to that.
    """
    wanted = _wanted()
    if _is_complete(folder, wanted):
        return False
    with tempfile.TemporaryDirectory(prefix="stocktrack-page-") as scratch:
        installed = Path(scratch) / "install"
        try:
            command = npm_command()
            if command is None and say is not None and npm.has_wheel():
                say("There is no npm here; fetching one for the page's modules (60 MB, thrown away afterwards) ...")
                npm.fetch_wheel(Path(scratch) / "npm")
                command = npm_command((Path(scratch) / "npm",))
            if say is not None:
                say("Fetching the page's JavaScript modules ...")
            shutil.copytree(LOCKED, installed, ignore=shutil.ignore_patterns("node_modules"))
            npm.install_locked(installed, command)
        except npm.NpmError as why:
            raise CannotVendorError(str(why)) from why
        made = Path(scratch) / "vendor"
        made.mkdir()
        _copy(installed / "node_modules", made)
        (made / STAMP).write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        _keep_bundler(installed / "node_modules")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    return True


def importable(source: str, modules: Iterable[Module] = MODULES) -> str:
    """`source` with each bare import made a relative one: browsers know no packages, and there is no import map.

    An import map would have to be an inline script, which the page's Content-Security-Policy refuses.
    """
    files = {module.imported_as: module.file for module in modules}

    def relative(found: re.Match[str]) -> str:
        keyword, quote, name = found.groups()
        if name not in files:
            raise CannotVendorError(f"A module imports {name!r}, which tools/vendor_page.py does not bring.")
        return f"{keyword}{quote}./{files[name]}{quote}"

    # The source maps are not served; a browser's developer tools would ask for them and get a 404.
    return _SOURCE_MAP.sub("", _BARE_IMPORT.sub(relative, source))


def _wanted() -> dict[str, str]:
    """What the lock file says, and a number to raise where this script changes what it makes of that."""
    packages = json.loads((LOCKED / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    names = sorted({BUNDLER_PACKAGE, *(module.package for module in MODULES)})
    return {"layout": "2", **{name: str(packages[f"node_modules/{name}"]["version"]) for name in names}}


def _is_complete(folder: Path, wanted: dict[str, str]) -> bool:
    try:
        there = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(there == wanted) and BUNDLER.is_file() and all((folder / module.file).is_file() for module in MODULES)


def _keep_bundler(packages: Path) -> None:
    """Copy the program that npm chose for this machine, which needs neither npm nor Node.js to run."""
    programs = [*packages.glob("@esbuild/*/bin/esbuild")]
    BUNDLER.unlink(missing_ok=True)
    BUNDLER.parent.mkdir(exist_ok=True)
    if programs:
        shutil.copy(programs[0], BUNDLER)
        BUNDLER.chmod(0o755)
    else:
        BUNDLER.touch()


def _copy(packages: Path, folder: Path) -> None:
    for module in MODULES:
        source = (packages / module.package / module.path).read_text(encoding="utf-8")
        (folder / module.file).write_text(importable(source), encoding="utf-8")
    licences = folder / "licences"
    licences.mkdir()
    for package in sorted({module.package for module in MODULES}):
        shutil.copy(packages / package / "LICENSE", licences / f"{package.replace('/', '-').lstrip('@')}.txt")


def main() -> int:
    """Do it, and say what was done; not having npm is no failure."""
    try:
        vendor(say=lambda text: sys.stderr.write(f"{text}\n"))
    except CannotVendorError as why:
        sys.stderr.write(f"The page's JavaScript modules are left out, and the server will say so. {why}\n")
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
