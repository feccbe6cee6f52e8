"""No file of the project names the host of a package registry: where packages come from is the machine's affair."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In two parts, so that this file names none either.
HOSTS = tuple(f"{name}.{domain}" for name, domain in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org")))
FOLDERS = (".ci", "bench", "docs", "examples", "src", "tests", "tools")
# What is fetched, built or cached, and never committed.
NOT_OURS = frozenset({"node_modules", "vendor", "__pycache__"})


def files_of_the_project() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and NOT_OURS.isdisjoint(path.relative_to(ROOT).parts):
                yield path


def hosts_named_in(files: Iterator[Path] | list[Path]) -> list[str]:
    return sorted(
        f"{path.name}: {host}" for path in files for host in HOSTS if host.encode() in path.read_bytes().lower()
    )


def test_no_file_names_the_host_of_a_package_registry() -> None:
    files = list(files_of_the_project())
    assert {"README.md", "constraints.txt", "web.md", "package-lock.json"} <= {path.name for path in files}
    assert hosts_named_in(files) == []


def test_a_host_that_is_named_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"[a client](https://{HOSTS[0].upper()}/project/client/)\n")
    assert hosts_named_in([page]) == [f"page.md: {HOSTS[0]}"]
