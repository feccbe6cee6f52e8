"""Who a session is, held against every row that its name may have later."""

from dataclasses import replace

import pytest

from stocktrack.accounts.identity import HeldToken, Identity, LoginEnd, new_token_id
from stocktrack.scopes import Scope
from stocktrack.storage.store import UserRow

NOW = 1_712_331_900_000
ANN = UserRow(
    name="ann",
    password_hash="x",
    created_at_ms=NOW - 1_000,
    is_admin=False,
    token_epoch=3,
    saved_count=0,
    id=7,
    password_epoch=2,
    is_disabled=False,
    token_ids=frozenset({"k1"}),
)
BY_PASSWORD = Identity.of(ANN)
BY_TOKEN = Identity.of(ANN, HeldToken("k1", Scope.READ, NOW + 1, 3))
BY_OLD_TOKEN = Identity.of(ANN, HeldToken(None, Scope.FULL, NOW + 1, 3))
ALL = {"password": BY_PASSWORD, "token": BY_TOKEN, "old token": BY_OLD_TOKEN}


@pytest.mark.parametrize(
    ("row", "ended"),
    [
        (ANN, set()),
        (replace(ANN, password_hash="another parameter of the same password", is_admin=True, saved_count=9), set()),
        (None, {"password", "token", "old token"}),
        (replace(ANN, id=8), {"password", "token", "old token"}),
        (replace(ANN, created_at_ms=NOW), {"password", "token", "old token"}),
        (replace(ANN, is_disabled=True), {"password", "token", "old token"}),
        (replace(ANN, password_epoch=3), {"password"}),
        (replace(ANN, token_epoch=4), {"token", "old token"}),
        (replace(ANN, token_ids=frozenset({"k2"})), {"token"}),
    ],
)
def test_a_login_counts_as_long_as_its_row_says_the_same(row: UserRow | None, ended: set[str]) -> None:
    assert {name for name, identity in ALL.items() if not identity.counts(row, NOW)} == ended
    assert all((identity.why_ended(row, NOW) is not None) is (name in ended) for name, identity in ALL.items())


def test_a_token_counts_until_its_millisecond_and_a_password_without_end() -> None:
    assert {name for name, identity in ALL.items() if identity.counts(ANN, NOW + 1)} == {"password"}
    assert BY_TOKEN.why_ended(ANN, NOW + 1) is LoginEnd.TOKEN_EXPIRED
    assert LoginEnd.TOKEN_EXPIRED.sentence == "The token of this session has expired: log in again."


def test_each_end_of_a_login_has_a_sentence_of_its_own() -> None:
    assert len({end.sentence for end in LoginEnd}) == len(LoginEnd)


def test_who_logs_in_twice_by_one_way_is_the_same() -> None:
    assert {BY_PASSWORD, Identity.of(ANN), BY_TOKEN, Identity.of(ANN, BY_TOKEN.token)} == {BY_PASSWORD, BY_TOKEN}
    assert [identity.scope for identity in ALL.values()] == [Scope.FULL, Scope.READ, Scope.FULL]


def test_the_ids_of_tokens_are_short_and_all_different() -> None:
    made = {new_token_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(len(each) == 9 and each.isalnum() and each.islower() for each in made)
