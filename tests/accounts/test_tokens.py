import base64
import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest

from scripted_accounts import a_token, an_old_token
from stocktrack.accounts.tokens import DAY_SECONDS, Claims, IssuedToken, TokenSigner, open_signer
from stocktrack.clock import ManualClock
from stocktrack.errors import ConfigError
from stocktrack.scopes import Scope
from stocktrack.storage.store import UserRow

SECRET_FILE = "token.secret"

SECRET = b"0123456789abcdef0123456789abcdef"
BORN = 1_700_000_000_123


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def signer(clock: ManualClock) -> TokenSigner:
    return TokenSigner(SECRET, clock)


def payload_of(token: IssuedToken) -> dict[str, Any]:
    """What stands in it, without asking whether it is true."""
    body: dict[str, Any] = jwt.decode(token.text, options={"verify_signature": False})
    return body


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refuse_to_warn(sentence: str) -> None:
    pytest.fail(sentence)


# --- making and reading ---


def test_a_token_says_whose_it_is_and_nothing_secret(signer: TokenSigner, clock: ManualClock) -> None:
    token = signer.make("ann ü", BORN, 3, a_token(clock, 30))
    now = clock.now_ms() // 1000
    assert payload_of(token) == {
        "iss": "stocktrack",
        "sub": "ann ü",
        "since": BORN,
        "epoch": 3,
        "iat": now,
        "exp": now + 30 * DAY_SECONDS,
        "jti": "kabc",
        "scope": "full",
    }
    assert jwt.get_unverified_header(token.text) == {"alg": "HS256", "typ": "JWT"}
    assert token.expires_at_ms == (now + 30 * DAY_SECONDS) * 1000
    assert signer.read(token.text) == Claims("ann ü", BORN, 3, token.expires_at_ms, "kabc", Scope.FULL)


def test_the_longest_name_makes_a_token_that_auth_takes(signer: TokenSigner, clock: ManualClock) -> None:
    assert len(signer.make("🐎" * 64, BORN, 2**31, a_token(clock, 365)).text) < 2048


async def test_a_token_counts_until_its_second_and_no_longer(signer: TokenSigner, clock: ManualClock) -> None:
    token = signer.make("ann", BORN, 0, a_token(clock))
    await clock.advance((token.expires_at_ms - clock.now_ms() - 1) / 1000)
    assert signer.read(token.text) is not None
    await clock.advance(0.001)
    assert signer.read(token.text) is None


def test_a_token_that_was_made_before_tokens_had_an_id_may_do_everything(
    signer: TokenSigner, clock: ManualClock
) -> None:
    user = UserRow("ann", "", BORN, False, 3, 0, 1, 0, False, frozenset())
    expires_at_ms = (clock.now_ms() // 1000 + 30 * DAY_SECONDS) * 1000
    assert signer.read(an_old_token(SECRET, user, clock)) == Claims("ann", BORN, 3, expires_at_ms, None, Scope.FULL)


def test_a_token_of_another_secret_is_none(signer: TokenSigner, clock: ManualClock) -> None:
    assert signer.read(TokenSigner(b"x" * 32, clock).make("ann", BORN, 0, a_token(clock)).text) is None


def test_only_hs256_is_read_whatever_the_header_says(signer: TokenSigner, clock: ManualClock) -> None:
    payload = payload_of(signer.make("ann", BORN, 0, a_token(clock)))
    unsigned = f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(payload)}."
    assert signer.read(unsigned) is None
    assert signer.read(jwt.encode(payload, "", algorithm="none")) is None
    for algorithm in ("HS384", "HS512"):
        # Signed with the right key.
        assert signer.read(jwt.encode(payload, signer._key.ljust(64, b"\0"), algorithm=algorithm)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody"},
        {"iss": None},
        {"sub": 5},
        {"sub": None},
        {"exp": None},
        {"exp": "2099-01-01"},
        {"iat": None},
        {"since": None},
        {"since": "1700000000123"},
        {"epoch": None},
        {"scope": None},
        {"scope": "everything"},
        {"scope": 5},
        {"jti": 5},
        {"epoch": 0.5},
    ],
)
def test_a_signed_token_without_a_claim_or_with_a_wrong_one_is_none(
    signer: TokenSigner, clock: ManualClock, change: dict[str, Any]
) -> None:
    payload = payload_of(signer.make("ann", BORN, 0, a_token(clock))) | change
    kept = {claim: value for claim, value in payload.items() if value is not None}
    assert signer.read(jwt.encode(kept, signer._key, algorithm="HS256")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "💣.💣.💣",
        "\0",
        f"{encoded({'alg': 'HS256'})}.{encoded({})}.",
        f"{encoded({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{encoded({})}.AAAA",
        f"{encoded({'alg': ['HS256']})}.{encoded({})}.AAAA",
        f"{encoded({'alg': 'HS256', 'b64': False, 'crit': ['b64']})}..AAAA",
        base64.urlsafe_b64encode(b"[" * 1500).decode() + ".e30.AAAA",
        "x" * 2048,
    ],
)
def test_a_text_that_is_no_token_is_none(signer: TokenSigner, text: str) -> None:
    assert signer.read(text) is None


def test_every_token_that_was_changed_in_one_place_is_none(signer: TokenSigner, clock: ManualClock) -> None:
    text = signer.make("ann", BORN, 0, a_token(clock)).text
    for place in range(len(text)):
        for other in "A_.":
            changed = text[:place] + other + text[place + 1 :]
            # The last letter holds bits that mean nothing.
            assert changed == text or place == len(text) - 1 or signer.read(changed) is None, changed


def test_neither_token_nor_secret_stands_in_a_repr(signer: TokenSigner, clock: ManualClock) -> None:
    token = signer.make("ann", BORN, 0, a_token(clock))
    assert token.text not in repr(token)
    assert SECRET.decode() not in repr(signer)


# --- the secret ---


def test_the_secret_is_made_at_first_use_for_its_owner_alone_and_stays(tmp_path: Path, clock: ManualClock) -> None:
    old_mask = os.umask(0)
    try:
        first = open_signer(tmp_path / SECRET_FILE, clock, is_loopback=False, warn=refuse_to_warn)
    finally:
        os.umask(old_mask)
    [file] = tmp_path.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == (SECRET_FILE, 0o600)
    assert len(bytes.fromhex(file.read_text())) == 32
    again = open_signer(tmp_path / SECRET_FILE, clock, is_loopback=False, warn=refuse_to_warn)
    assert again.read(first.make("ann", BORN, 0, a_token(clock)).text) is not None


def test_each_server_makes_its_own_secret(tmp_path: Path, clock: ManualClock) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        open_signer(tmp_path / name / SECRET_FILE, clock, is_loopback=True, warn=refuse_to_warn)
        made.append((tmp_path / name / SECRET_FILE).read_text())
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        ("changeme", 0o600, "has 8 bytes; at least 32"),
        (" " * 40 + "x", 0o600, "has 1 bytes"),
        (SECRET.decode(), 0o644, "can be read by others"),
        (SECRET.decode(), 0o640, "chmod 600"),
    ],
)
def test_a_weak_secret_is_refused_on_a_network_and_told_on_loopback(
    tmp_path: Path, clock: ManualClock, content: str, mode: int, sentence: str
) -> None:
    file = tmp_path / SECRET_FILE
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=sentence) as caught:
        open_signer(tmp_path / SECRET_FILE, clock, is_loopback=False, warn=refuse_to_warn)
    assert content.strip() not in str(caught.value).replace("least 32 bytes", "")
    told: list[str] = []
    signer = open_signer(tmp_path / SECRET_FILE, clock, is_loopback=True, warn=told.append)
    assert told == [str(caught.value)]
    assert signer.read(signer.make("ann", BORN, 0, a_token(clock)).text) is not None


def test_an_empty_secret_is_refused_everywhere(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / SECRET_FILE
    file.touch(mode=0o600)
    with pytest.raises(ConfigError, match="has 0 bytes"):
        open_signer(tmp_path / SECRET_FILE, clock, is_loopback=True, warn=refuse_to_warn)


def test_a_secret_that_cannot_be_read_or_made_is_named(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / SECRET_FILE).mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        open_signer(tmp_path / SECRET_FILE, clock, is_loopback=True, warn=refuse_to_warn)
    with pytest.raises(ConfigError, match="No such file"):
        open_signer(tmp_path / "nowhere" / SECRET_FILE, clock, is_loopback=True, warn=refuse_to_warn)
