"""Files with secrets: whole or not there, for their owner alone, and every error names the file."""

import os
import stat
import threading
from pathlib import Path

import pytest

from stocktrack.errors import ConfigError
from stocktrack.system.files import check_private_key, check_readable, read_private_file, write_private_file

BOTH_WAYS = pytest.mark.parametrize("replaces", [True, False])
NOT_AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")


def write(path: Path, content: str = "new", *, replaces: bool) -> bool:
    return write_private_file(path, f"The file {path}", content, replaces=replaces)


# --- writing ---


@BOTH_WAYS
def test_a_file_is_written_whole_and_for_its_owner_alone_whatever_the_umask(tmp_path: Path, replaces: bool) -> None:
    old_mask = os.umask(0)
    try:
        assert write(tmp_path / "file", "ünïcode\n", replaces=replaces) is True
    finally:
        os.umask(old_mask)
    [file] = tmp_path.iterdir()
    assert file.read_text(encoding="utf-8") == "ünïcode\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_nlink == 1


def test_a_file_that_is_there_is_replaced_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    assert write(path, replaces=False) is False
    assert path.read_text() == "old"
    assert write(path, replaces=True) is True
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_rights_of_a_file_that_is_replaced_go_with_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write(path, replaces=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@BOTH_WAYS
def test_file_and_folder_are_on_disk_and_the_file_has_no_name_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaces: bool
) -> None:
    path = tmp_path / "file"
    synced: list[tuple[str, bool]] = []

    def fsync(handle: int) -> None:
        synced.append(("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file", path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write(path, replaces=replaces)
    assert synced == [("file", False), ("folder", True)]


@BOTH_WAYS
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError()], ids=repr
)
def test_what_fails_before_the_file_has_its_name_leaves_nothing_and_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaces: bool, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(handle: int) -> None:
        assert len(list(tmp_path.iterdir())) == 2, "there is no draft yet"
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigError if isinstance(error, OSError) else type(error)) as caught:
        write(path, replaces=replaces)
    if isinstance(error, OSError):
        assert str(caught.value) == f"The file {path} cannot be written: No space left on device."
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


@BOTH_WAYS
def test_of_several_writers_at_once_one_wins_whole(tmp_path: Path, replaces: bool) -> None:
    path = tmp_path / "file"
    texts = [letter * 50_000 for letter in "abcdefgh"]
    start = threading.Barrier(len(texts))
    written: list[str] = []

    def run(text: str) -> None:
        start.wait()
        if write(path, text, replaces=replaces):
            written.append(text)

    threads = [threading.Thread(target=run, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == (len(texts) if replaces else 1)
    assert path.read_text() in written
    assert list(tmp_path.iterdir()) == [path]


@NOT_AS_ROOT
@BOTH_WAYS
def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path, replaces: bool) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ConfigError) as caught:
            write(tmp_path / "file", replaces=replaces)
    finally:
        tmp_path.chmod(0o700)
    assert str(caught.value) == f"The file {tmp_path / 'file'} cannot be written: Permission denied."


@BOTH_WAYS
def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path, replaces: bool) -> None:
    with pytest.raises(ConfigError, match=r"The file .*nowhere/file cannot be written: No such file or directory\.$"):
        write(tmp_path / "nowhere" / "file", replaces=replaces)


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(ConfigError, match=r"The file .* cannot be written: Is a directory\.$"):
        write(path, replaces=True)
    assert write(path, replaces=False) is False
    assert path.is_dir()
    assert list(tmp_path.iterdir()) == [path]


@BOTH_WAYS
@pytest.mark.parametrize("points_at_a_file", [True, False])
def test_what_a_link_in_the_way_points_at_is_never_written(
    tmp_path: Path, replaces: bool, points_at_a_file: bool
) -> None:
    target = tmp_path / "target"
    if points_at_a_file:
        target.write_text("somebody's")
    path = tmp_path / "file"
    path.symlink_to(target)
    assert write(path, replaces=replaces) is replaces
    assert path.is_symlink() is not replaces
    assert target.exists() is points_at_a_file
    assert not points_at_a_file or target.read_text() == "somebody's"


# --- reading ---


def test_a_private_file_is_read(tmp_path: Path) -> None:
    write(tmp_path / "file", "ünïcode\n", replaces=False)
    assert read_private_file(tmp_path / "file", "It") == "ünïcode\n"


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o640, 0o644, 0o601])
def test_a_file_with_rights_for_others_is_refused_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    write(path, "SeCrEt", replaces=False)
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        read_private_file(path, "The stored token")
    assert str(caught.value) == f"The stored token can be read by others. Change that with: chmod 600 {path}"


def test_what_cannot_be_read_as_text_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^It cannot be read: No such file or directory\.$"):
        read_private_file(tmp_path / "file", "It")
    with pytest.raises(ConfigError, match=r"^It cannot be read: Is a directory\.$"):
        read_private_file(tmp_path, "It")
    path = tmp_path / "file"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"^It is not UTF-8 text\.$"):
        read_private_file(path, "It")


def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    with pytest.raises(ConfigError) as caught:
        check_readable("tls_cert", path)
    assert str(caught.value) == f"tls_cert = {str(path)!r} cannot be read: No such file or directory."
    path.touch()
    check_readable("tls_cert", path)


@pytest.mark.parametrize(
    ("mode", "is_refused"), [(0o600, False), (0o400, False), (0o644, True), (0o604, True), (0o620, True)]
)
def test_a_private_key_that_others_may_use_is_refused_in_a_sentence(
    tmp_path: Path, mode: int, is_refused: bool
) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    key.chmod(mode)
    if not is_refused:
        check_private_key("tls_key", key)
        return
    with pytest.raises(
        ConfigError, match=rf"tls_key = '.*key.pem' can be used by others \(mode {mode:04o}\).*chmod 600"
    ):
        check_private_key("tls_key", key)
    assert stat.S_IMODE(key.stat().st_mode) == mode


def test_a_group_may_read_a_private_key_of_root_and_no_other(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    key.chmod(0o640)
    if key.stat().st_uid == 0:
        check_private_key("tls_key", key)
        return
    with pytest.raises(ConfigError, match="can be used by others"):
        check_private_key("tls_key", key)
