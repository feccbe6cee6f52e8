"""The key for Finnhub: where it is looked for, what is no key, that it is never shown, and one server a key."""

import asyncio
import fcntl
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from command_line import Run
from patience import PATIENCE_SECONDS
from stocktrack.config import load_settings
from stocktrack.errors import ConfigError, SourceUnusable
from stocktrack.providers.finnhub.answers import KEY as FINNHUB_KEY
from stocktrack.providers.finnhub.key_lock import MachineKeyLock
from stocktrack.system.setting_sources import setting_sources

KEY = "c0ffee0SeCrEt0c0ffee"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to start a server in, without what this machine has set."""
    for variable in os.environ:
        if variable.upper().startswith("STOCKTRACK_") or "API_KEY" in variable.upper():
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found() -> str | None:
    """The key that the settings name, or the file that holds it."""
    settings = load_settings().settings
    if settings.finnhub_api_key is not None:
        return settings.finnhub_api_key.get_secret_value()
    return None if settings.finnhub_api_key_file is None else f"the file {settings.finnhub_api_key_file}"


# --- where it is looked for --------------------------------------------------------------------------------------

PLACES = ("STOCKTRACK_FINNHUB_API_KEY", "FINNHUB_API_KEY", "a file", ".env ours", ".env theirs", ".env plain", "toml")


@pytest.mark.parametrize("first", PLACES)
def test_the_places_of_the_key_have_an_order(first: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = PLACES[PLACES.index(first) :]
    for place in there:
        if place.isupper():
            monkeypatch.setenv(place, place)
    if "a file" in there:
        monkeypatch.setenv("STOCKTRACK_FINNHUB_API_KEY_FILE", "finnhub.key")
    names = {".env ours": "STOCKTRACK_FINNHUB_API_KEY", ".env theirs": "FINNHUB_API_KEY", ".env plain": "API_KEY"}
    lines = [f"{name}='{place}'\n" for place, name in names.items() if place in there]
    (home / ".env").write_text("STOCKTRACK_PROVIDERS=finnhub,yahoo\n" + "".join(lines), encoding="utf-8")
    (home / "config-home" / "stocktrack").mkdir(parents=True)
    (home / "config-home" / "stocktrack" / "config.toml").write_text('finnhub_api_key = "toml"', encoding="utf-8")

    assert found() == ("the file finnhub.key" if first == "a file" else first)


@pytest.mark.parametrize(
    "text",
    [
        f"API_KEY={KEY}",
        f'API_KEY="{KEY}"\n',
        f"API_KEY = '{KEY}'   # finnhub.io\n",
        f"export API_KEY={KEY}\n",
        f"\ufeffAPI_KEY={KEY}\r\nOTHER=1\r\n",
        f"# keys\n\nDEBUG=1\nAPI_KEY= {KEY} \n",
        f"FINNHUB_API_KEY={KEY}\nAPI_KEY=another\n",
    ],
)
def test_an_env_file_as_users_have_it_is_taken(text: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_bytes(text.encode())
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "finnhub")

    assert found() == KEY
    assert load_settings().origins["finnhub_api_key"] == ".env"
    assert load_settings().warnings == ()


@pytest.mark.parametrize("providers", [None, "yahoo,rss", "simulated"])
def test_a_plain_api_key_is_not_finnhubs_where_finnhub_is_not_named(
    providers: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".env").write_text(f"API_KEY={KEY}", encoding="utf-8")
    if providers is not None:
        monkeypatch.setenv("STOCKTRACK_PROVIDERS", providers)
    assert found() is None

    assert load_settings({"providers": ("finnhub",)}).settings.finnhub_api_key is not None


def test_a_plain_api_key_of_the_environment_is_anybodys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", KEY)
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "finnhub")
    assert found() is None


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_variable_that_is_empty_hides_no_other(blank: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_FINNHUB_API_KEY", blank)
    monkeypatch.setenv("FINNHUB_API_KEY", blank)
    monkeypatch.setenv("STOCKTRACK_FINNHUB_API_KEY_FILE", blank)
    assert found() is None

    (home / ".env").write_text(f"FINNHUB_API_KEY={KEY}", encoding="utf-8")
    assert found() == KEY


# --- what is no key ----------------------------------------------------------------------------------------------


def test_without_a_key_the_sentence_says_what_to_set() -> None:
    with pytest.raises(
        SourceUnusable, match=r"STOCKTRACK_FINNHUB_API_KEY.*finnhub_api_key_file.*finnhub\.io"
    ) as caught:
        FINNHUB_KEY.find(None, None)
    assert not caught.value.is_waiting


@pytest.mark.parametrize("written", [KEY, f" {KEY}\r\n", f'"{KEY}"', f"'{KEY}'\n", f"\ufeff{KEY}"])
def test_a_key_is_taken_without_what_stands_around_it(written: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(written, encoding="utf-8")
    file.chmod(0o600)

    assert FINNHUB_KEY.find(SecretStr(written), None).get_secret_value() == KEY
    assert FINNHUB_KEY.find(None, file).get_secret_value() == KEY


@pytest.mark.parametrize(
    "written", ["Zwei Worte", "eins\nzwei", "schlüssel", "a\x00b", "a\r\nX-Evil: 1", "k" * 300, '""', "\u200b"]
)
def test_what_is_no_key_is_refused_without_being_repeated(written: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(written.encode())
    file.chmod(0o600)

    for given, path in ((SecretStr(written), None), (None, file)):
        with pytest.raises(SourceUnusable, match="finnhub_api_key") as caught:
            FINNHUB_KEY.find(given, path)
        assert written not in caught.value.message


def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "finnhub.key"
    with pytest.raises(SourceUnusable, match=r"finnhub_api_key_file = .*finnhub\.key' cannot be read: No such file"):
        FINNHUB_KEY.find(None, file)
    file.write_text(KEY, encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(SourceUnusable, match=r"can be read by others\. Change that with: chmod 600"):
        FINNHUB_KEY.find(None, file)
    file.chmod(0o600)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SourceUnusable, match="not UTF-8"):
        FINNHUB_KEY.find(None, file)
    file.write_bytes(b"")
    with pytest.raises(SourceUnusable, match="is empty"):
        FINNHUB_KEY.find(None, file)


def test_a_pipe_may_hold_the_key_and_one_that_nobody_writes_to_holds_up_nothing(tmp_path: Path) -> None:
    silent, written = tmp_path / "silent", tmp_path / "written"
    os.mkfifo(silent, 0o600)
    with pytest.raises(SourceUnusable, match="is empty"):
        FINNHUB_KEY.find(None, silent)
    os.mkfifo(written, 0o600)
    with os.fdopen(os.open(written, os.O_RDWR), "wb", buffering=0) as pipe:
        pipe.write(KEY.encode())
        handle = os.open(written, os.O_RDONLY | os.O_NONBLOCK)  # what is in a pipe stays while somebody has it open
    try:
        assert FINNHUB_KEY.find(None, written).get_secret_value() == KEY
    finally:
        os.close(handle)


@pytest.mark.parametrize("source", ["finnhub", "openalgo"])
def test_a_key_file_may_be_named_from_the_home_folder(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = f"{source}_api_key_file"
    env_file = tmp_path / "env"
    env_file.write_text(f"STOCKTRACK_{name.upper()}=~/keys/mine\n", encoding="utf-8")
    assert getattr(load_settings(env_file=env_file).settings, name) == tmp_path / "keys" / "mine"
    for other in ("~nobody-is-called-so/key", "key~"):
        assert getattr(load_settings({name: other}).settings, name) == Path(other)
    assert getattr(load_settings({name: " "}).settings, name) is None


# --- it is never shown -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("variable", ["STOCKTRACK_FINNHUB_API_KEY", "FINNHUB_API_KEY"])
def test_the_settings_are_shown_without_the_key(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, as_json: list[str]
) -> None:
    monkeypatch.setenv(variable, KEY)
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "finnhub")

    finished = run("config", "show", *as_json)

    assert finished.code == 0
    assert KEY not in finished.out + finished.err
    if as_json:
        assert json.loads(finished.out)["finnhub_api_key"] == "**********"
    else:
        [line] = [line for line in finished.out.splitlines() if line.startswith("finnhub_api_key ")]
        assert line.endswith('"**********"  (environment)')


@pytest.mark.parametrize("text", ["finnhub_api_key = 5550123", "finnhub_api_key = ['5550123']"])
def test_a_value_that_is_no_text_is_not_repeated(text: str, home: Path) -> None:
    file = home / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"finnhub_api_key = … \(from .*mine\.toml\): ") as caught:
        load_settings(config_file=file)
    assert "5550123" not in str(caught.value)


def test_neither_the_settings_nor_their_sources_show_the_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINNHUB_API_KEY", KEY)
    (home / ".env").write_text(f"API_KEY={KEY}", encoding="utf-8")
    assert KEY not in repr(load_settings())
    assert KEY not in repr(list(setting_sources()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("finnhub_ws_url", f"wss://ws.finnhub.io?token={KEY}"),
        ("finnhub_rest_url", f"https://finnhub.io/api/v1?token={KEY}"),
        ("finnhub_rest_url", f"https://ann:{KEY}@proxy.example/api"),
        ("finnhub_ws_url", f"ftp://x/?token={KEY}"),
    ],
)
def test_an_address_with_a_key_in_it_is_refused_without_the_key(name: str, value: str, home: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{name} = .* must be an address") as caught:
        load_settings({name: value})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("finnhub_ws_url", "https://ws.finnhub.io"), ("finnhub_rest_url", "ws://x"), ("finnhub_rest_url", "finnhub.io")],
)
def test_an_address_of_another_kind_is_refused(name: str, value: str, home: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{name} = '{value}' .*must be an address that begins with (wss|https)://"):
        load_settings({name: value})


def test_no_flag_takes_the_key(run: Run) -> None:
    assert run("serve", "--finnhub-api-key", KEY).code == 2
    assert "api-key" not in run("serve", "--help").out


# --- one server a key --------------------------------------------------------------------------------------------


@pytest.fixture
async def lock(tmp_path: Path) -> AsyncIterator[MachineKeyLock]:
    lock = MachineKeyLock(SecretStr(KEY), tmp_path)
    yield lock
    await lock.release()


async def test_a_second_user_of_a_key_waits_and_says_for_whom(lock: MachineKeyLock, tmp_path: Path) -> None:
    second = MachineKeyLock(SecretStr(KEY), tmp_path)
    await lock.take()
    await lock.take()
    with pytest.raises(SourceUnusable, match=f"process {os.getpid()} on this machine uses the same key") as caught:
        await second.take()
    assert caught.value.is_waiting
    assert caught.value.retry_after_ms == 5000
    assert KEY not in caught.value.message

    await lock.release()
    await second.take()
    with pytest.raises(SourceUnusable):
        await lock.take()
    await second.release()


async def test_another_key_is_another_lock_and_no_name_shows_a_key(lock: MachineKeyLock, tmp_path: Path) -> None:
    other = MachineKeyLock(SecretStr("another"), tmp_path)
    await lock.take()
    await other.take()

    names = names_in(tmp_path)
    assert len(names) == 2
    assert not [name for name in names if KEY in name or "another" in name]
    await other.release()
    assert names_in(tmp_path) == [lock.path.name]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def holder(file: Path) -> int:
    return int(file.read_text(encoding="ascii"))


async def test_the_lock_of_a_process_that_is_killed_is_free(lock: MachineKeyLock, tmp_path: Path) -> None:
    lock.path.touch()
    program = (
        "import fcntl, os, sys\n"
        "handle = os.open(sys.argv[1], os.O_RDWR)\n"
        "fcntl.flock(handle, fcntl.LOCK_EX)\n"
        "os.write(handle, b'%d' % os.getpid())\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(lock.path), stdin=pipe, stdout=pipe)
    assert other.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        await other.stdout.readline()
    with pytest.raises(SourceUnusable, match=f"process {other.pid} on this machine"):
        await lock.take()

    other.send_signal(signal.SIGKILL)
    await other.wait()

    await lock.take()
    assert os.getpid() == holder(lock.path)


async def test_a_lock_that_was_removed_while_it_was_opened_is_taken_anew(
    lock: MachineKeyLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.path.touch()
    flock = fcntl.flock

    def late(handle: int, operation: int) -> None:
        monkeypatch.undo()
        lock.path.unlink()  # as its holder does at the end
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    await lock.take()

    with pytest.raises(SourceUnusable):
        await MachineKeyLock(SecretStr(KEY), tmp_path).take()


async def test_a_holder_that_left_no_name_is_another_process(lock: MachineKeyLock, tmp_path: Path) -> None:
    await lock.take()
    for content in (b"", b"nobody\n", b"\xff", b"-1\n", b"999999999\n"):
        lock.path.write_bytes(content)
        with pytest.raises(SourceUnusable, match="finnhub waits: another process on this machine"):
            await MachineKeyLock(SecretStr(KEY), tmp_path).take()


@pytest.mark.parametrize("obstacle", ["link", "folder", "pipe", "no folder"])
async def test_what_cannot_be_locked_is_logged_and_stops_nobody(obstacle: str, tmp_path: Path) -> None:
    lock = MachineKeyLock(SecretStr(KEY), tmp_path / "none" if obstacle == "no folder" else tmp_path)
    match obstacle:
        case "link":
            lock.path.symlink_to(tmp_path / "elsewhere")
        case "folder":
            lock.path.mkdir()
        case "pipe":
            os.mkfifo(lock.path)

    with capture_logs() as logs:
        await lock.take()
        await lock.take()

    assert [line["log_level"] for line in logs] == ["warning"]
    assert not (tmp_path / "elsewhere").exists()
    await lock.release()


async def test_a_file_that_another_user_left_can_be_locked(tmp_path: Path) -> None:
    lock = MachineKeyLock(SecretStr(KEY), tmp_path)
    lock.path.touch()
    lock.path.chmod(0o444)  # as it looks to another user; root may write all the same
    await lock.take()

    handle = os.open(lock.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
    await lock.release()
