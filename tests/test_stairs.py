"""Imports run one way, like stairs: a folder imports only from lower steps, a file only from those before it.

The client's wing imports nothing of the server's side, and the server's side nothing of the client's.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from house import FOLDERS, HOUSE, MAY_USE, MODULES, Side


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module stands: its step and side, and from the root down its place in the list of each folder."""

    step: int
    side: Side
    path: tuple[tuple[str, int], ...]


def place_of(module: str) -> Place | None:
    """The place of a module; None where the table has none for it."""
    parts = module.split(".") if module else ["__init__"]
    top = FOLDERS.get(parts[0]) or next((row for row in HOUSE if not row.folder and parts[0] in row.holds), None)
    if top is None:
        return None
    if not top.folder:
        return Place(top.step, top.side, (("", top.holds.index(parts[0])),)) if len(parts) == 1 else None
    path = []
    for depth in range(1, len(parts) + 1):
        folder = FOLDERS.get(".".join(parts[:depth]))
        if folder is None:
            break
        # The folder's own `__init__.py` comes after everything in it.
        inside = parts[depth] if depth < len(parts) else None
        if inside is not None and inside not in folder.holds:
            return None
        path.append((folder.folder, len(folder.holds) if inside is None else folder.holds.index(inside)))
    return Place(top.step, top.side, tuple(path)) if len(path) >= len(parts) - 1 else None


def imports_of(source: str, module: str, *, is_package: bool, modules: frozenset[str]) -> Iterator[str]:
    """The modules of ours that `source` imports, anywhere in it: at its top, in a function, for the type checker."""
    package = ["stocktrack", *(part for part in module.split(".") if part)]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + is_package] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            # `from stocktrack import clock` imports a module, `from stocktrack.clock import Clock` a name of one.
            targets = [
                f"{start}.{alias.name}" if f"{start}.{alias.name}".partition(".")[2] in modules else start
                for alias in node.names
            ]
        else:
            continue
        yield from (
            target.partition(".")[2] for target in targets if target == "stocktrack" or target.startswith("stocktrack.")
        )


def is_allowed(importer: str, imported: str) -> bool:
    """Whether `importer` may import `imported`; what has no place is told by another test."""
    upper, lower = place_of(importer), place_of(imported)
    if upper is None or lower is None:
        return True
    if lower.side not in MAY_USE[upper.side]:
        return False
    if upper.path[0][0] != lower.path[0][0] or (not upper.path[0][0] and upper.step != lower.step):
        return lower.step < upper.step
    # Both are files of the root's row, or stand in one folder: what differs first in their paths decides.
    return next((low[1] < up[1] for up, low in zip(upper.path, lower.path, strict=False) if up != low), False)


@pytest.mark.parametrize("module", MODULES)
def test_every_file_has_a_place(module: str) -> None:
    assert place_of(module) is not None, (
        f"{MODULES[module].name} has no place: name {module!r} in its folder's row in HOUSE of tests/support/house.py, "
        "after everything of the folder that it imports."
    )


def test_every_place_is_taken() -> None:
    named = [".".join(filter(None, (row.folder, name))) for row in HOUSE for name in row.holds if name != "__init__"]

    assert sorted(name for name in named if name not in MODULES and name not in FOLDERS) == []


@pytest.mark.parametrize("module", MODULES)
def test_every_file_imports_only_from_below(module: str) -> None:
    path = MODULES[module]

    imported = set(
        imports_of(
            path.read_text(encoding="utf-8"),
            module,
            is_package=path.name == "__init__.py",
            modules=frozenset(MODULES),
        )
    )

    upwards = sorted(target for target in imported if not is_allowed(module, target))
    assert upwards == [], f"{module!r} stands at {place_of(module)} and imports what does not stand below it."


@pytest.mark.parametrize(
    ("source", "module", "is_package", "imported"),
    [
        ("import stocktrack.clock", "feed", False, ["clock"]),
        ("import stocktrack.clock as c, json", "feed", False, ["clock"]),
        ("from stocktrack.clock import Clock", "feed", False, ["clock"]),
        ("from stocktrack import clock, __version__", "feed", False, ["clock", ""]),
        ("from stocktrack.providers import base", "feed", False, ["providers.base"]),
        ("from . import clock", "feed", False, ["clock"]),
        ("from .clock import Clock", "feed", False, ["clock"]),
        ("from .base import Wanted", "providers.rss", False, ["providers.base"]),
        ("from ..clock import Clock", "providers.rss", False, ["clock"]),
        ("from .base import Wanted", "providers", True, ["providers.base"]),
        ("def later():\n    from stocktrack.app import App", "feed", False, ["app"]),
        ("if TYPE_CHECKING:\n    from stocktrack.app import App", "feed", False, ["app"]),
        ("import stocktracker, asyncio\nfrom stocktrackers.app import x", "feed", False, []),
    ],
)
def test_an_import_is_seen_however_it_is_written(
    source: str, module: str, is_package: bool, imported: list[str]
) -> None:
    modules = frozenset({"clock", "app", "feed", "providers", "providers.base", "providers.rss"})

    assert list(imports_of(source, module, is_package=is_package, modules=modules)) == imported


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("market.feed", "market.board", True),
        ("market.board", "market.feed", False),
        ("market.feed", "providers.base", True),
        ("providers.base", "market.board", False),
        ("market.feed", "sessions.session", False),
        ("accounts.accounts", "providers.base", False),
        ("quotes", "errors", True),
        ("errors", "quotes", False),
        ("quotes", "", True),
        ("app", "server", True),
        ("web.server", "server", False),
        ("web.dialects.socketio", "web.dialects.live_price", True),
        ("web.dialects.live_price", "web.dialects.socketio", False),
        ("web.dialects.live_price", "web.websocket", True),
        ("web.websocket", "web.dialects.live_price", False),
        ("storage.database", "storage.migrations.runner", True),
        ("storage.migrations.env", "storage.tables", True),
        ("storage.migrations.env", "storage.database", False),
        ("client", "client.client", True),
        ("client.client", "client", False),
        ("terminal.run", "client", True),
        ("commands.watch", "config", False),
        ("commands.watch", "wire.lines", True),
        ("cli_client", "sessions.session", False),
        ("market.feed", "client.errors", False),
        ("operations.demo", "app", True),
        ("operations.demo", "cli_client", True),
    ],
)
def test_only_what_stands_below_and_on_the_same_side_may_be_imported(
    importer: str, imported: str, allowed: bool
) -> None:
    assert is_allowed(importer, imported) is allowed
