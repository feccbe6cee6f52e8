import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from stocktrack.clock import ManualClock
from stocktrack.errors import ConfigError
from stocktrack.system.acts import Act
from stocktrack.system.change_notes import NOTES_FILE, ChangeNotes, note_change
from stocktrack.system.trail import Trail


@pytest.fixture
def notes(tmp_path: Path) -> ChangeNotes:
    return ChangeNotes(tmp_path, Trail(ManualClock()))


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as entries:
        yield entries


def test_a_change_is_one_line_of_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / NOTES_FILE).write_text("")
    (tmp_path / NOTES_FILE).chmod(0o644)
    note_change(tmp_path, Act.USER_ADDED, "ann\nforged", admin=True)
    note_change(tmp_path, Act.USER_REMOVED, "ann")
    first, second = (tmp_path / NOTES_FILE).read_text().splitlines()
    assert json.loads(first).items() >= {"address": "local", "door": "cli", "user": "ann\nforged"}.items()
    assert json.loads(second)["event"] == "user_removed"
    assert json.loads(second)["by"]
    assert (tmp_path / NOTES_FILE).stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_a_sentence_that_says_what_was_done(tmp_path: Path) -> None:
    (tmp_path / NOTES_FILE).mkdir()
    with pytest.raises(ConfigError, match=r"It was changed, but .*changes.log.* cannot be written"):
        note_change(tmp_path, Act.USER_ADDED, "ann")


def test_a_running_server_repeats_what_is_noted_from_its_start_on_once(
    tmp_path: Path, notes: ChangeNotes, logs: list[EventDict]
) -> None:
    note_change(tmp_path, Act.USER_ADDED, "before")
    notes.start()
    notes.look()
    note_change(tmp_path, Act.TOKEN_MADE, "ann", days=3)
    note_change(tmp_path, Act.USER_REMOVED, "bob")
    for _ in range(2):
        notes.look()
    assert [(entry["event"], entry["user"], entry["door"]) for entry in logs] == [
        ("token_made", "ann", "cli"),
        ("user_removed", "bob", "cli"),
    ]
    assert logs[0]["days"] == 3


def test_a_file_that_is_new_or_was_rotated_is_read_from_its_beginning(
    tmp_path: Path, notes: ChangeNotes, logs: list[EventDict]
) -> None:
    notes.start()
    notes.look()
    note_change(tmp_path, Act.USER_ADDED, "first")
    notes.look()
    (tmp_path / NOTES_FILE).rename(tmp_path / "changes.log.1")
    notes.look()
    note_change(tmp_path, Act.USER_ADDED, "second")
    notes.look()
    assert [entry["user"] for entry in logs] == ["first", "second"]


def test_what_is_no_note_is_said_and_passed_over_and_half_a_line_waits_for_its_end(
    tmp_path: Path, notes: ChangeNotes, logs: list[EventDict]
) -> None:
    whole = {
        "event": "user_added",
        "timestamp": "t",
        "user": "ann",
        "address": "203.0.113.9",
        "door": "tcp",
        "act": "x",
    }
    rows = [b"no JSON", b"[1]", b'{"event":"login_failed"}', b'{"event":"reboot","timestamp":"t"}', b"[" * 9_000]
    text = b"\n".join([*rows, json.dumps(whole).encode()])
    (tmp_path / NOTES_FILE).write_bytes(text)
    notes.look()
    assert [entry["event"] for entry in logs] == ["A line among the changes of users is none."] * len(rows)
    with (tmp_path / NOTES_FILE).open("ab") as file:
        file.write(b"\n")
    notes.look()
    assert logs[-1] == {
        "event": "user_added",
        "log_level": "info",
        "address": "local",
        "door": "cli",
        "user": "ann",
        "at": "t",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_said_once(tmp_path: Path, notes: ChangeNotes, logs: list[EventDict]) -> None:
    note_change(tmp_path, Act.USER_ADDED, "ann")
    (tmp_path / NOTES_FILE).chmod(0)
    for _ in range(3):
        notes.look()
    assert [entry["event"] for entry in logs] == ["Changes of users cannot be read."]
