"""Joins the page's modules and stylesheets into a few small files in src/stocktrack/web/page/built/, which git ignores.

A first visit would ask for seventy modules one by one, whose headers weigh nearly as much as their content. What is
opened later stays in files of its own. The bundler is esbuild, which tools/vendor_page.py brings; where there is none
the server serves the modules as they are. It needs nothing but the standard library: the build hook imports it.

    python tools/bundle_page.py
"""

import json
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vendor_page import BUNDLER, ROOT, VENDOR

PAGE = VENDOR.parent
# What the server looks at to see whether the two still fit.
_BUILT_PAGE = runpy.run_path(str(ROOT / "src" / "stocktrack" / "web" / "built_page.py"))
BUILT, STAMP = str(_BUILT_PAGE["BUILT"]), str(_BUILT_PAGE["STAMP"])
_fingerprint: Callable[[Path], str] = _BUILT_PAGE["fingerprint"]
_is_current: Callable[[Path], bool] = _BUILT_PAGE["is_current"]

BUNDLE_SECONDS = 60
MAIN, STYLES = "main.js", "styles.css"
_STYLESHEET = re.compile(r'^ *<link rel="stylesheet" href="page/(styles/[^"]+)">\n', re.MULTILINE)
_SCRIPT = re.compile(r'^ *<script type="module" src="page/main\.js"></script>\n', re.MULTILINE)


class CannotBundleError(Exception):
    """The page cannot be joined; the text says why."""


def bundle(page: Path = PAGE) -> bool:
    """Make `built/` of the page in that folder what its modules are; whether anything had to be done."""
    if _is_current(page):
        return False
    built = page / BUILT
    shutil.rmtree(built, ignore_errors=True)
    if not BUNDLER.is_file() or BUNDLER.stat().st_size == 0:
        raise CannotBundleError("There is no esbuild for this machine, which joins its modules.")
    with tempfile.TemporaryDirectory(prefix="stocktrack-bundle-") as scratch:
        made = Path(scratch) / BUILT
        index = (page / "index.html").read_text("utf-8")
        styles = Path(scratch) / STYLES
        styles.write_text("".join(f"@import {json.dumps(str(page / name))};\n" for name in _STYLESHEET.findall(index)))
        outputs = _run(page / MAIN, styles, made)
        (made / "index.html").write_text(_with_built(index, outputs), "utf-8")
        shutil.copytree(made, built)
        (built / STAMP).write_text(_fingerprint(page), "utf-8")
    return True


def _run(main: Path, styles: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What esbuild wrote into `folder`: by name, what it says of each file."""
    about = folder.parent / "about.json"
    command = [str(BUNDLER), str(main), str(styles), "--bundle", "--splitting", "--format=esm", "--minify"]
    command += [f"--outdir={folder}", "--entry-names=[name]-[hash]", "--chunk-names=[name]-[hash]"]
    command += [f"--metafile={about}", "--target=es2022", "--legal-comments=eof", "--log-level=warning"]
    try:
        done = subprocess.run(  # noqa: S603 - the bundler of the lock file, on our own files
            command, capture_output=True, text=True, timeout=BUNDLE_SECONDS, check=False, cwd=folder.parent
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBundleError(f"esbuild did not run: {error}") from error
    if done.returncode != 0:
        raise CannotBundleError(f"esbuild failed: {' '.join(done.stderr.split())[:500]}")
    outputs: dict[str, dict[str, Any]] = json.loads(about.read_text("utf-8"))["outputs"]
    return {Path(name).name: output for name, output in outputs.items()}


def _with_built(index: str, outputs: dict[str, dict[str, Any]]) -> str:
    """The page's HTML, which asks for the joined files."""
    main = _made_of(MAIN, outputs)
    imported = _imported(main, outputs)
    needed = "".join(f'    <link rel="modulepreload" href="page/{BUILT}/{name}">\n' for name in imported)
    styles = f'    <link rel="stylesheet" href="page/{BUILT}/{_made_of(STYLES, outputs)}">\n'
    script = f'    <script type="module" src="page/{BUILT}/{main}"></script>\n'
    return _SCRIPT.sub(styles + needed + script, _STYLESHEET.sub("", index))


def _made_of(name: str, outputs: dict[str, dict[str, Any]]) -> str:
    return next(made for made, output in outputs.items() if Path(output.get("entryPoint", "")).name == name)


def _imported(name: str, outputs: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The files that a browser fetches with that one, each once."""
    found, wanted = {name}, [name]
    while wanted:
        for each in outputs[wanted.pop()]["imports"]:
            other = Path(each["path"]).name
            if each["kind"] == "import-statement" and other not in found:
                found.add(other)
                wanted.append(other)
                yield other


def main() -> int:
    """Do it; that it cannot be done is no failure."""
    try:
        bundle(PAGE)
    except CannotBundleError as why:
        shutil.rmtree(PAGE / BUILT, ignore_errors=True)
        sys.stderr.write(f"The page is served module by module. {why}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
