"""`stocktrack users …`: what the operator does with users, and how mistakes are answered."""

import json
from pathlib import Path

import pytest

from command_line import Finished, Run


def test_a_user_is_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    database = tmp_path / "data" / "stocktrack" / "stocktrack.db"
    assert run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n") == Finished(
        0, "", f"User ann was added to {database}.\n"
    )
    listed = run("users", "list")
    assert (listed.code, listed.err) == (0, "")
    name, saved, since = listed.out.rstrip("\n").split("\t")
    assert (name, saved) == ("ann", "0 saved")
    assert since.startswith("since 2")
    (row,) = json.loads(run("users", "list", "--json").out)
    assert row.items() >= {"name": "ann", "saved_count": 0}.items()
    assert run("users", "remove", "ann") == Finished(
        0, "", f"User ann was removed from {database}. Sessions that are open end within seconds.\n"
    )
    assert run("users", "list", "--json") == Finished(0, "[]\n", "")


def test_no_users_are_an_empty_list_and_a_hint_and_no_error(run: Run) -> None:
    finished = run("users", "list")
    assert (finished.code, finished.out) == (0, "")
    assert "stocktrack users add NAME" in finished.err


def test_a_password_on_standard_input_ends_at_its_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def add(self: object, name: str, password: str, **_: object) -> None:
        heard.append(password)

    monkeypatch.setattr("stocktrack.accounts.accounts.Accounts.add", add)
    for given in (b"p\xc3\xa4ss word \n", b"p\xc3\xa4ss word \r\nmore\n", b"p\xc3\xa4ss word "):
        assert run("users", "add", "ann", "--password-stdin", stdin=given).code == 0
    assert heard == ["päss word "] * 3


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["users", "add", "ann", "--password-stdin"], b"\n", "password"),
        (["users", "add", "ann", "--password-stdin"], b"", "password"),
        (["users", "add", "ann", "--password-stdin"], b"\xff\xfe\n", "UTF-8"),
        (["users", "add", "ann", "--password-stdin"], b"x" * 5_000 + b"\n", "1024"),
        (["users", "add", "a\nnn", "--password-stdin"], b"correct horse\n", "name"),
        (["users", "add", "", "--password-stdin"], b"correct horse\n", "name"),
        (["users", "passwd", "nobody", "--password-stdin"], b"correct horse\n", "no user 'nobody'"),
        (["users", "remove", "nobody"], b"", "no user 'nobody'"),
        (["users", "disable", "nobody"], b"", "no user 'nobody'"),
        (["users", "enable", "nobody"], b"", "no user 'nobody'"),
        (["users", "tokens", "nobody"], b"", "no user 'nobody'"),
        (["users", "revoke", "nobody"], b"", "no user 'nobody'"),
        (["users", "revoke", "nobody", "k1"], b"", "no user 'nobody'"),
        (["users", "token", "nobody"], b"", "no user 'nobody'"),
        (["users", "token", "nobody", "--name", " x"], b"", "token's name"),
    ],
)
def test_what_cannot_be_done_to_users_is_a_sentence_and_exit_1(
    run: Run, arguments: list[str], stdin: bytes, says: str
) -> None:
    finished = run(*arguments, stdin=stdin)
    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("stocktrack: ")
    assert says in finished.err
    assert finished.err.count("\n") == 1
    assert "horse" not in finished.err


def test_tokens_are_printed_alone_listed_and_revoked_singly(run: Run) -> None:
    run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n")
    assert run("users", "tokens", "ann").err.startswith("ann has no tokens")
    board = run("users", "token", "ann", "--name", "board", "--scope", "read", "--days", "2")
    laptop = run("users", "token", "ann")
    for made in (board, laptop):
        assert (made.code, made.out.count("."), made.out.count("\n")) == (0, 2, 1)
        assert made.out.strip() not in made.err
    assert "for reading alone" in board.err
    listed = [line.split("\t") for line in run("users", "tokens", "ann").out.splitlines()]
    assert sorted((name, scope, used) for _, name, scope, _, _, used in listed) == [
        ("-", "full", "never used"),
        ("board", "read", "never used"),
    ]
    rows = {row["name"]: row for row in json.loads(run("users", "tokens", "ann", "--json").out)}
    assert rows["board"]["expires_at"] - rows["board"]["created_at"] <= 2 * 86_400_000
    board_id = rows["board"]["token_id"]
    assert f"users revoke ann {board_id}" in board.err
    assert run("users", "revoke", "ann", board_id).err.startswith(f"The token {board_id} of ann")
    again = run("users", "revoke", "ann", board_id)
    assert (again.code, again.err) == (1, f"stocktrack: 'ann' has no token {board_id!r}.\n")
    assert [row["name"] for row in json.loads(run("users", "tokens", "ann", "--json").out)] == [None]


@pytest.mark.parametrize(("options", "kept"), [((), 0), (("--keep-tokens",), 1)])
def test_a_new_password_ends_the_tokens_unless_they_are_kept(run: Run, options: tuple[str, ...], kept: int) -> None:
    run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n")
    run("users", "token", "ann")
    changed = run("users", "passwd", "ann", *options, "--password-stdin", stdin=b"battery staple\n")
    assert (changed.code, "Tokens stay" in changed.err) == (0, bool(kept))
    assert len(json.loads(run("users", "tokens", "ann", "--json").out)) == kept


def test_a_user_who_is_disabled_is_listed_so_until_enabled(run: Run) -> None:
    run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n")
    assert "`stocktrack users enable ann`" in run("users", "disable", "ann").err
    assert run("users", "list").out.endswith("\tdisabled\n")
    assert json.loads(run("users", "list", "--json").out)[0]["is_disabled"] is True
    assert run("users", "enable", "ann").code == 0
    assert "disabled" not in run("users", "list").out


def test_a_name_that_is_taken_is_refused_and_the_password_stays(run: Run) -> None:
    assert run("users", "add", "ann", "--password-stdin", stdin=b"correct horse\n").code == 0
    again = run("users", "add", "ann", "--password-stdin", stdin=b"wrong horse\n")
    assert again == Finished(1, "", "stocktrack: There is a user 'ann' already.\n")


def test_without_a_terminal_the_password_must_come_on_standard_input(run: Run) -> None:
    finished = run("users", "add", "ann", stdin=b"correct horse\n")
    assert (finished.code, finished.out) == (2, "")
    assert "--password-stdin" in finished.err


def test_a_data_folder_that_cannot_be_made_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("STOCKTRACK_DATA_DIR", "file/data")
    finished = run("users", "list")
    assert finished.code == 1
    assert "data_dir = 'file/data'" in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize(("password", "is_hinted"), [(b"horse\n", True), (b"correct horse\n", False)])
def test_a_short_password_is_taken_with_a_hint(run: Run, password: bytes, is_hinted: bool) -> None:
    for command in ("add", "passwd"):
        finished = run("users", command, "ann", "--password-stdin", stdin=password)
        assert finished.code == 0
        assert ("This password is short" in finished.err) is is_hinted
        assert "horse" not in finished.err
