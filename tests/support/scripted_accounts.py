"""What the tests of the accounts stand on: a hasher that does what it is told, and logins that are waited for."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import jwt
import pytest

from patience import PATIENCE_SECONDS
from stocktrack.accounts.accounts import Accounts
from stocktrack.accounts.identity import Identity
from stocktrack.accounts.line import HashLine
from stocktrack.accounts.tokens import DAY_SECONDS, TokenSigner
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, Reason
from stocktrack.scopes import Scope
from stocktrack.storage.store import Store, TokenRow, UserRow

HERE = "127.0.0.1"
RIGHT = "correct horse"
SECRET = b"s" * 32


class ScriptedHasher:
    """Hashes that are quick and can be read; counts them, and holds them up between `hold` and `let_go`."""

    def __init__(self) -> None:
        self.compared: list[str] = []
        self.generation = 1
        self._is_held: Callable[[str], bool] = lambda _: False
        self._change = threading.Condition()
        self._begun = threading.Semaphore(0)

    def hash(self, password: bytes) -> str:
        return f"scripted:{self.generation}:{password.hex()}"

    def matches(self, password_hash: str, password: bytes) -> bool:
        kind, _, stored = password_hash.split(":")
        if kind != "scripted":
            raise ValueError("no scripted hash")
        text = password.decode()
        self.compared.append(text)
        self._begun.release()
        with self._change:
            assert self._change.wait_for(lambda: not self._is_held(text), 10)
        return stored == password.hex()

    def is_outdated(self, password_hash: str) -> bool:
        return password_hash.split(":")[1] != str(self.generation)

    def hold(self, *passwords: str) -> None:
        """Hold these passwords up, or all, and no others any longer."""
        self._hold(lambda password: not passwords or password in passwords)

    def let_go(self) -> None:
        self._hold(lambda _: False)

    async def begun(self, hashes: int = 1) -> None:
        """Return when so many more comparisons have begun."""
        for _ in range(hashes):
            assert await asyncio.to_thread(self._begun.acquire, timeout=10)

    def _hold(self, is_held: Callable[[str], bool]) -> None:
        with self._change:
            self._is_held = is_held
            self._change.notify_all()


@asynccontextmanager
async def started(
    store: Store,
    clock: ManualClock,
    hasher: ScriptedHasher,
    *,
    failures: int = 30,
    max_waiting_logins: int = 128,
    allowlist: tuple[str, ...] = (),
) -> AsyncIterator[Accounts]:
    accounts = Accounts(
        store,
        clock,
        open_signer=lambda: TokenSigner(SECRET, clock),
        login_failures_per_minute=failures,
        allowlist=allowlist,
        hasher=hasher,
        max_waiting_logins=max_waiting_logins,
    )
    await accounts.start()
    try:
        yield accounts
    finally:
        hasher.let_go()
        await accounts.close()


def unstarted(store: Store, clock: ManualClock, *, failures: int) -> Accounts:
    """Accounts with the real hasher."""
    return Accounts(store, clock, open_signer=lambda: TokenSigner(SECRET, clock), login_failures_per_minute=failures)


def a_token(clock: ManualClock, days: int = 1, *, scope: Scope = Scope.FULL) -> TokenRow:
    """The row of a token that is made now."""
    now = clock.now_ms()
    return TokenRow("kabc", None, scope, now, (now // 1000 + days * DAY_SECONDS) * 1000)


def an_old_token(secret: bytes, user: UserRow, clock: ManualClock, days: int = 30) -> str:
    """A token as it was made before tokens had an id and a scope."""
    now = clock.now_ms() // 1000
    payload = {
        "iss": "stocktrack",
        "sub": user.name,
        "iat": now,
        "exp": now + days * DAY_SECONDS,
        "since": user.created_at_ms,
        "epoch": user.token_epoch,
    }
    return jwt.encode(payload, hashlib.sha256(secret).digest(), algorithm="HS256")


async def failure(accounts: Accounts, name: str, password: str, address: str = HERE) -> CommandError:
    with pytest.raises(CommandError) as caught:
        await accounts.verify(name, password, address)
    return caught.value


async def outcomes(*logins: asyncio.Task[Identity]) -> list[Reason | None]:
    """Of each login the reason of its failure, or None where it succeeded."""
    results = await asyncio.gather(*logins, return_exceptions=True)
    reasons: list[Reason | None] = []
    for result in results:
        assert isinstance(result, Identity | CommandError), result
        reasons.append(result.reason if isinstance(result, CommandError) else None)
    return reasons


def line_of(accounts: Accounts) -> HashLine:
    return accounts._logins._line


def login(accounts: Accounts, name: str, password: str, address: str = HERE) -> asyncio.Task[Identity]:
    return asyncio.create_task(accounts.verify(name, password, address))


async def until(is_so: Callable[[], object]) -> None:
    """Return when `is_so`; what it waits for comes from a thread, so it is looked at again and again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.to_thread(lambda: None)


async def all_looked_up(store: Store) -> None:
    """Return when every login that was begun waits for a hash: the store reads in the order asked."""
    await settle()
    await store.user("nobody")
    await settle()


async def only_waiting(accounts: Accounts, clock: ManualClock, logins: int = 1) -> None:
    """Return when so many wrong logins only wait for their time to be over."""
    await until(lambda: len(clock._sleepers) == logins and not line_of(accounts).running)
