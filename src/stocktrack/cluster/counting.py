"""What somebody used up at one server, deducted at the others: requests to the sources, and wrong logins."""

from pydantic import BaseModel, ConfigDict, Field

from stocktrack.accounts.throttle import Counted, LoginThrottle
from stocktrack.cluster.bus import Bus
from stocktrack.sessions.open_sessions import Sessions


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Paid(_Told):
    """Somebody caused so many requests to the sources."""

    whose: str = Field(max_length=256)
    requests: int = Field(ge=1, le=1_000_000)


class LoginCounted(_Told):
    """What a login throttle counted; a name is told as what stands for it, never as it was typed."""

    kind: Counted
    name: str = Field(max_length=64)
    network: str = Field(max_length=64)


def share_counts(bus: Bus, sessions: Sessions, throttle: LoginThrottle) -> None:
    """Have what is counted here told to the other servers, and what they tell counted here."""

    async def paid(word: Paid, _sender: str) -> None:
        sessions.deduct(word.whose, word.requests)

    async def login_counted(word: LoginCounted, _sender: str) -> None:
        throttle.repeat(word.kind, word.name, word.network)

    def tell_paid(whose: str, requests: int) -> None:
        bus.tell("paid", Paid(whose=whose, requests=requests))

    def tell_login(kind: Counted, name: str, network: str) -> None:
        bus.tell("login", LoginCounted(kind=kind, name=name, network=network))

    bus.on("paid", Paid, paid)
    bus.on("login", LoginCounted, login_counted)
    sessions.budgets.on_pay = tell_paid
    throttle.on_count = tell_login
