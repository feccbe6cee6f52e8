"""The page for newcomers shows the house as it is: every folder and file in reading order, with its own first words."""

import ast
import re
from pathlib import Path

import pytest

from house import HOUSE, MODULES, Row

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PICTURE = PAGE.partition("```")[2].partition("```")[0]
ROWS = re.findall(
    r"^\| `([^`]+)` \| (.+) \|$", PAGE.partition("## The rooms")[2].partition("\n## Who owns")[0], re.MULTILINE
)


def module_of(row: Row, name: str) -> str:
    return ".".join(filter(None, (row.folder, name.removeprefix("__init__"))))


def first_words(module: str) -> str:
    """What a file says of itself at its very top, up to the end of the sentence."""
    text = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[a-z)`]\.) ", paragraph)[0].replace("|", "\\|")


def rooms() -> list[tuple[str, str]]:
    """Each file of the house in reading order, as the page should list it."""
    listed = []
    for row in HOUSE:
        for name in row.holds:
            module = module_of(row, name)
            if module in MODULES and name != "__init__" and MODULES[module].name != "__init__.py":
                folder = f"{row.folder.replace('.', '/')}/" if row.folder else ""
                listed.append((f"{folder}{name}.py", first_words(module)))
    return listed


def test_the_page_lists_every_file_in_reading_order_with_its_first_words() -> None:
    expected = rooms()
    lines = "\n".join(f"| `{name}` | {words} |" for name, words in expected)
    assert expected == ROWS, f"docs/architecture.md should list, each folder under its own heading:\n{lines}"


@pytest.mark.parametrize(
    "row", [row for row in HOUSE if row.folder and "." not in row.folder], ids=lambda row: row.folder
)
def test_the_picture_shows_every_folder_on_its_step(row: Row) -> None:
    assert re.search(rf"(?<!\d){row.step}  {row.folder}/", PICTURE), f"{row.folder}/ is not on step {row.step}"


def test_every_decision_is_in_the_index_with_its_title() -> None:
    pages = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    titles = [(path.name, path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")) for path in pages]
    assert [(target, title) for title, target in re.findall(r"^- \[(.+)\]\((.+)\)$", index, re.MULTILINE)] == titles


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_path_that_the_page_names_is_there(page: str) -> None:
    root = DOCS.parent
    text = (root / page).read_text(encoding="utf-8")
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "//" not in target]
    missing = [target for target in links if not (root / page).parent.joinpath(target).exists()]
    named = [name for name in re.findall(r"`([\w.][\w/.*]*(?:\.\w+|/))`", text) if "/" in name]
    starts = (root, root / "src" / "stocktrack", root / "docs")
    missing += [name for name in named if not any(any(start.glob(name.rstrip("/"))) for start in starts)]
    assert missing == []
