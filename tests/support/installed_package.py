"""Packages as an installer leaves them: a module, and beside it the folder that names its entry points."""

from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, package: str, modules: Mapping[str, str], sources: Mapping[str, str]) -> None:
    """Have `folder`, once it is on `sys.path`, offer `modules` by their names and `sources` as entry points."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    info = folder / f"{package.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n", encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in sources.items()]
    (info / "entry_points.txt").write_text("\n".join(["[stocktrack.providers]", *lines, ""]), encoding="utf-8")
