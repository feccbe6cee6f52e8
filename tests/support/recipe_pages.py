"""The pages of `docs/recipes/`: which kind each is, its blocks of code, and what a shape page says that it reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import stocktrack

RECIPES = Path(stocktrack.__file__).parents[2] / "docs" / "recipes"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"http://localhost:8080[^\s\"`]*")
_ROW = re.compile(r"^\| `(http://\S+)` \| (.+) \|$", re.MULTILINE)


class Kind(Enum):
    """What the first sentence of a page says of it."""

    RUN = "**Run by a test as written**"
    SHAPE = "**Shape checked only**"


@dataclass(frozen=True, slots=True)
class Read:
    """An address that a shape page names, and the fields of its answer."""

    address: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, by the name of its file."""

    name: str

    @property
    def text(self) -> str:
        """All of it."""
        return (RECIPES / self.name).read_text(encoding="utf-8")

    @property
    def kinds(self) -> list[Kind]:
        """The kinds that its first paragraph says it is; there is one."""
        first = self.text.split("\n\n", 2)[1]
        return [kind for kind in Kind if kind.value in first]

    def blocks(self, language: str) -> list[str]:
        """The blocks of code in this language."""
        return [code for named, code in _BLOCK.findall(self.text) if named == language]

    def languages(self) -> set[str]:
        """The languages of its blocks of code."""
        return {named for named, _ in _BLOCK.findall(self.text)}

    def addresses(self) -> set[str]:
        """Each address of the server that stands anywhere on the page."""
        return {address.rstrip(".,;:)") for address in _ADDRESS.findall(self.text)} - {"http://localhost:8080"}

    def reads(self) -> Iterator[Read]:
        """The rows of the table under "What it reads"."""
        for address, fields in _ROW.findall(self.text.partition("## What it reads\n")[2]):
            yield Read(address, tuple(re.findall(r"`([^`]+)`", fields)))


def pages() -> list[Page]:
    """All pages but the list of them."""
    return [Page(file.name) for file in sorted(RECIPES.glob("*.md")) if file.name != "README.md"]


def at(code: str, port: int, token: str) -> str:
    """Code of a page for the server at this port, and with this token."""
    return code.replace("localhost:8080", f"127.0.0.1:{port}").replace("TOKEN", token)
