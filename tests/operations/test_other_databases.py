"""`stocktrack users …` names the database it changed, and warns where the running server would not see the change."""

import signal
import sys
from pathlib import Path

import pytest

from live_server import PASSWORD
from server_process import Finished, run_command, run_stocktrack, server_process

SECRET = f"{PASSWORD}\n".encode()


async def add(home: Path, name: str = "ann", **variables: str) -> Finished:
    """`users add`, which has to succeed."""
    finished = await run_stocktrack(home, "users", "add", name, "--password-stdin", stdin=SECRET, **variables)
    assert (finished.code, finished.out) == (0, "")
    return finished


@pytest.fixture
def default_database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "stocktrack" / "stocktrack.db"


def warning(pid: int, database: Path | str) -> str:
    return (
        f"stocktrack: A running server (process {pid}) uses another database, {database}. "
        "Give both the same STOCKTRACK_DATA_DIR, .env or --config."
    )


async def test_every_change_names_the_database_and_warns_of_a_server_with_another(
    tmp_path: Path, default_database: Path
) -> None:
    async with server_process(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "kept")) as server:
        told = warning(server.pid, tmp_path / "kept" / "stocktrack.db")
        changes = (
            (("add", "ann", "--password-stdin"), f"User ann was added to {default_database}."),
            (
                ("add", "bob", "--admin", "--password-stdin"),
                f"User bob, an administrator, was added to {default_database}.",
            ),
            (("passwd", "ann", "--password-stdin"), f"The password of ann was changed in {default_database}. "),
            (("token", "ann"), f"It is for ann in {default_database}, and is valid until "),
            (("revoke", "ann"), f"All tokens of ann in {default_database} were revoked."),
            (("admin", "ann", "on"), f"ann is now an administrator in {default_database}."),
            (("admin", "ann", "off"), f"ann is no longer an administrator in {default_database}."),
            (("remove", "ann"), f"User ann was removed from {default_database}."),
        )
        for arguments, sentence in changes:
            finished = await run_stocktrack(tmp_path, "users", *arguments, stdin=SECRET)
            assert finished.code == 0, finished
            said, warned = finished.err.splitlines()
            assert said.startswith(sentence)
            assert warned == told


async def test_a_user_who_is_not_there_may_be_in_the_database_of_the_server(tmp_path: Path) -> None:
    async with server_process(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "kept")) as server:
        finished = await run_stocktrack(tmp_path, "users", "remove", "ann")
        assert finished.code == 1
        assert finished.err.splitlines() == [
            warning(server.pid, tmp_path / "kept" / "stocktrack.db"),
            "stocktrack: There is no user 'ann'.",
        ]


async def test_a_server_with_the_same_database_by_another_path_is_no_reason_to_warn(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (tmp_path / "link").symlink_to(kept)
    async with server_process(tmp_path, STOCKTRACK_DATA_DIR="kept"):
        for number, name in enumerate((str(kept), "kept", "./kept", "link", str(tmp_path / "data" / ".." / "kept"))):
            (tmp_path / "data").mkdir(exist_ok=True)
            finished = await add(tmp_path, f"user-{number}", STOCKTRACK_DATA_DIR=name)
            assert finished.err.startswith(f"User user-{number} was added to ")
            assert finished.err.count("\n") == 1, finished.err


async def test_a_server_with_the_database_silences_the_warning_of_another(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "a")) as first,
        server_process(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "b")) as second,
    ):
        assert (await add(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "b"))).err.count("\n") == 1
        warned = (await add(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "c"))).err.splitlines()[1:]
        assert set(warned) == {
            warning(first.pid, tmp_path / "a" / "stocktrack.db"),
            warning(second.pid, tmp_path / "b" / "stocktrack.db"),
        }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_ended_is_no_reason_to_warn(
    tmp_path: Path, default_database: Path, number: signal.Signals
) -> None:
    records = tmp_path / "state" / "stocktrack" / "servers"
    async with server_process(tmp_path, STOCKTRACK_DATA_DIR=str(tmp_path / "kept")) as server:
        assert len(list(records.iterdir())) == 1
        server.signal(number)
        await server.exit_code()
    assert len(list(records.iterdir())) == (1 if number is signal.SIGKILL else 0)
    assert (await add(tmp_path)).err == f"User ann was added to {default_database}.\n"
    assert list(records.iterdir()) == []


async def test_a_server_whose_record_has_no_place_runs_and_says_so_at_debug_only(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    async with server_process(tmp_path, STOCKTRACK_LOG_LEVEL="debug") as server:
        assert (await add(tmp_path)).err.count("\n") == 1
        await (await server.log_in()).close()
    assert "NotADirectory" not in server.text
    [entry] = [entry for entry in server.log if "leaves no record" in entry["event"]]
    assert entry["level"] == "debug"


async def test_the_password_of_the_database_is_in_no_record(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from stocktrack.storage.store import Store\n"
        "from stocktrack.system.running_servers import RunningServers\n"
        "servers = RunningServers()\n"
        "servers.register(Store('postgresql://ann:' + sys.argv[1] + '@db.example/stocktrack').label)\n"
        "[record] = servers._folder.iterdir()\n"
        "print(record.read_text())\n"
    )
    finished = await run_command(tmp_path, [sys.executable, "-c", script, "SeCrEt-of-the-database"])
    assert finished.code == 0, finished
    assert "postgresql://ann@db.example/stocktrack" in finished.out
    assert "SeCrEt" not in finished.out
