import argon2
import pytest

from scripted_accounts import failure
from stocktrack.accounts.accounts import Accounts
from stocktrack.accounts.passwords import Argon2Hasher, password_hint
from stocktrack.errors import Reason


def test_argon2_says_when_its_parameters_are_old_and_what_is_no_hash() -> None:
    hasher = Argon2Hasher()
    old = argon2.PasswordHasher(time_cost=1, memory_cost=1024).hash(b"x")
    assert hasher.is_outdated(old)
    assert hasher.matches(old, b"x")
    assert not hasher.matches(old, b"y")
    with pytest.raises(ValueError, match="no argon2 hash"):
        hasher.matches("garbage", b"x")
    with pytest.raises(ValueError, match="Decoding failed"):
        hasher.matches(old[:-4] + "!", b"x")


async def test_a_password_with_half_a_surrogate_pair_is_only_wrong(accounts: Accounts) -> None:
    hasher = Argon2Hasher()
    assert not hasher.matches(hasher.hash(b"x"), "\ud800".encode("utf-8", "surrogatepass"))
    accounts._pool._hasher = hasher
    accounts._logins._decoy_hash = hasher.hash(b"x")
    assert (await failure(accounts, "nobody", "\ud800")).reason is Reason.BAD_CREDENTIALS


def test_a_short_password_gets_a_hint_and_a_long_one_none() -> None:
    hint = password_hint("1234567")
    assert hint is not None
    assert "8 characters" in hint
    assert password_hint("12345678") is None
