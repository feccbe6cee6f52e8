"""The records of the servers that run: found while they live, gone however they end, and never in anybody's way."""

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stocktrack.system.running_servers import RunningServer, RunningServers, is_same_database

# A server as another process sees it: it registers, says so, and lives until its input ends.
CHILD = """
import sys
from pathlib import Path
from stocktrack.system.running_servers import RunningServers
servers = RunningServers(Path(sys.argv[1]))
servers.register(sys.argv[2])
print("registered", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "servers"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Starts a server of this database in a process of its own, which has registered when this returns."""
    with contextlib.ExitStack() as children:

        def start(database: str) -> "subprocess.Popen[str]":
            child = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-c", CHILD, str(folder), database],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            children.enter_context(child)
            children.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "registered\n"
            return child

        yield start


def test_a_server_is_found_by_another_process_while_it_is_registered(folder: Path) -> None:
    servers = RunningServers(folder)
    assert RunningServers(folder).running() == []
    servers.register("/kept/stocktrack.db")
    # Looking does not remove it.
    for _ in range(2):
        assert RunningServers(folder).running() == [RunningServer(os.getpid(), "/kept/stocktrack.db")]
    servers.unregister()
    servers.unregister()
    assert RunningServers(folder).running() == []
    assert list(folder.iterdir()) == []


def test_a_record_is_for_its_owner_alone_whatever_the_umask(folder: Path) -> None:
    servers = RunningServers(folder)
    old_mask = os.umask(0)
    try:
        servers.register("/kept/stocktrack.db")
    finally:
        os.umask(old_mask)
    [record] = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, record)] == [0o700, 0o600]
    assert json.loads(record.read_text()) == {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "database": "/kept/stocktrack.db",
    }
    servers.unregister()


def test_a_server_that_was_killed_is_found_no_more_and_its_record_is_removed(
    folder: Path, start: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    killed, alive = start("/a.db"), start("/b.db")
    servers = RunningServers(folder)
    both = {RunningServer(killed.pid, "/a.db"), RunningServer(alive.pid, "/b.db")}
    assert set(servers.running()) == both
    killed.kill()
    killed.wait()
    assert len(list(folder.iterdir())) == 2
    assert servers.running() == [RunningServer(alive.pid, "/b.db")]
    assert len(list(folder.iterdir())) == 1


def test_a_new_server_with_the_process_id_of_a_dead_one_is_found(folder: Path) -> None:
    servers = RunningServers(folder)
    folder.mkdir(parents=True)
    dead = folder / f"{os.getpid()}-0.json"
    dead.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "database": "/dead.db"}))
    servers.register("/kept.db")
    assert servers.running() == [RunningServer(os.getpid(), "/kept.db")]
    assert not dead.exists()
    servers.unregister()


def test_only_where_no_server_has_the_database_the_others_are_told(folder: Path) -> None:
    first, second = RunningServers(folder), RunningServers(folder)
    first.register("/a.db")
    second.register("/b.db")
    databases = [server.database for server in RunningServers(folder).using_another("/c.db")]
    assert sorted(databases) == ["/a.db", "/b.db"]
    assert RunningServers(folder).using_another("/b.db") == []
    second.unregister()
    assert RunningServers(folder).using_another("/b.db") == [RunningServer(os.getpid(), "/a.db")]
    first.unregister()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "5",
        "{}",
        '{"pid": "x", "host": "h", "database": "d"}',
        '{"pid": 1, "host": "elsewhere.example", "database": "/d"}',
    ],
)
def test_a_record_of_another_machine_or_version_is_passed_over(folder: Path, content: str) -> None:
    servers = RunningServers(folder)
    servers.register("/kept.db")
    [record] = folder.iterdir()
    record.write_text(content)  # the file stays the same one, and locked
    assert servers.running() == []
    assert record.exists()
    servers.unregister()


def in_the_way(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file")


def above_is_a_file(folder: Path) -> None:
    folder.parent.write_text("a file")


def nowhere(folder: Path) -> None:
    folder.parent.mkdir()
    folder.symlink_to(folder.parent / "nowhere" / "deep")


@pytest.mark.parametrize("spoil", [in_the_way, above_is_a_file, nowhere])
def test_a_place_that_cannot_be_used_breaks_nothing(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    servers = RunningServers(folder)
    servers.register("/kept.db")
    assert servers.running() == []
    servers.unregister()


def test_a_record_that_cannot_be_written_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    servers = RunningServers(folder)
    open_before = len(list(Path("/dev/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        servers.register("/kept.db")
    assert list(folder.iterdir()) == []
    assert len(list(Path("/dev/fd").iterdir())) == open_before


def test_a_file_is_one_database_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a" / "stocktrack.db"
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)

    def check() -> None:
        for name in (
            file,
            tmp_path / "link" / "stocktrack.db",
            Path("a/stocktrack.db"),
            tmp_path / "b/../a/stocktrack.db",
        ):
            assert is_same_database(str(file), str(name)), name
        assert not is_same_database(str(file), str(tmp_path / "b" / "stocktrack.db"))

    check()  # before it is made
    file.parent.mkdir()
    file.touch()
    check()


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("postgresql://db.example/stocktrack", True),
        ("postgresql://bob@db.example:5432/stocktrack", True),
        ("postgresql://ann@DB.example/stocktrack", True),
        ("postgresql://ann@db.example/other", False),
        ("postgresql://ann@db.example:5433/stocktrack", False),
        ("postgresql://ann@localhost/stocktrack", False),
        ("postgresql://ann@db.example:port/stocktrack", False),
        ("/kept/stocktrack.db", False),
        ("/stocktrack", False),
    ],
)
def test_a_postgresql_database_is_one_by_whatever_user(other: str, is_same: bool) -> None:
    assert is_same_database("postgresql://ann@db.example/stocktrack", other) is is_same
    assert is_same_database(other, "postgresql://ann@db.example/stocktrack") is is_same


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "[::1]"])
def test_postgresql_on_this_machine_is_one_by_whatever_name(host: str) -> None:
    assert is_same_database(f"postgresql://{host}/stocktrack", "postgresql://ann@localhost:5432/stocktrack")
