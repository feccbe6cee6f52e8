"""Imports run one way, like stairs: a file of `src/stocktrack` imports only from lower steps."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import stocktrack

ROOT = Path(stocktrack.__file__).parent

# One row a file, by its name as a module; `room.*` holds for every file of a folder that has no row of its own. The
# files of web/ and cli/ are one room each and may import each other; everywhere else a step imports only from below.
STEPS: dict[str, int] = {
    "": 0,  # stocktrack/__init__.py: the version
    "errors": 0,
    "quotes": 0,
    "clock": 0,
    "blocking": 0,
    "connection": 0,
    "socket_options": 0,
    "messages": 1,
    "logs": 1,
    "tls": 1,
    "data_folder": 1,
    "private_file": 1,
    "client_tokens": 2,
    "config": 2,
    "client_settings": 3,
    "render": 2,
    "typed_commands": 2,
    "client_errors": 2,
    "providers": 0,  # providers/__init__.py: a docstring
    "providers.base": 2,
    "providers.rss_fetch": 2,
    "providers.rss_parse": 2,
    "providers.yahoo_answers": 2,
    "providers.yahoo_session": 2,
    "providers.*": 3,
    "board": 3,
    "upstream": 3,
    "schema": 0,
    "migrations": 0,
    "migrations.*": 1,
    "database": 2,
    "sqlite_database": 3,
    "postgres_database": 3,
    "store": 4,
    "client_wire": 3,
    "exit_codes": 3,
    "render_tables": 3,
    "board_view": 3,
    "client_prices": 3,
    "client_connection": 4,
    "board_screen": 4,
    "cli_run": 4,
    "providers.registry": 4,
    "feed": 4,
    "login_throttle": 4,
    "tokens": 4,
    "accounts": 5,
    "subscriptions": 4,
    "session": 5,
    "client": 5,
    "session_desk": 6,
    "sessions": 7,
    "connection_news": 6,
    "fronts": 5,
    "cli_prompt": 6,
    "cli_watch": 7,
    "cli_client": 8,
    "cli_commands": 8,
    "server": 8,
    "web": 8,
    "web.*": 8,
    "app": 9,
    "cli_account": 9,
    "cli_admin": 9,
    "cli_users": 9,
    "demo": 10,
    "cli": 11,
    "cli.*": 11,
    "__main__": 12,
}
ROOMS = ("web", "cli")


def module_name(path: Path, root: Path = ROOT) -> str:
    """`providers.base` for providers/base.py, `web` for web/__init__.py, and the empty name for the package."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def step_of(module: str) -> int | None:
    """The step of a module; None where the table does not say."""
    room = f"{module.partition('.')[0]}.*" if "." in module else None
    return STEPS.get(module, STEPS.get(room) if room else None)


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
    """Whether `importer` stands above `imported`, or in the same room."""
    upper, lower = step_of(importer), step_of(imported)
    room = importer.partition(".")[0]
    return upper is None or lower is None or lower < upper or (room in ROOMS and room == imported.partition(".")[0])


@pytest.mark.parametrize("module", MODULES)
def test_every_file_has_a_step(module: str) -> None:
    assert step_of(module) is not None, (
        f"{MODULES[module].name} has no step: give {module!r} a row in STEPS of tests/test_stairs.py, one above the "
        "highest step that it imports from."
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_file_imports_only_from_lower_steps(module: str) -> None:
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
    assert upwards == [], f"{module!r} stands on step {step_of(module)} and imports from its own or higher steps."


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
        ("feed", "board", True),
        ("board", "feed", False),
        ("feed", "accounts", False),
        ("providers.rss", "providers.yahoo", False),
        ("providers.rss", "providers.base", True),
        ("web.page", "web.socket", True),
        ("web.page", "server", False),
        ("quotes", "", False),
    ],
)
def test_only_what_stands_lower_or_in_the_same_room_may_be_imported(
    importer: str, imported: str, allowed: bool
) -> None:
    assert is_allowed(importer, imported) is allowed
