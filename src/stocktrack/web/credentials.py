"""Whose a request is, as it says in its Authorization header: a token (Bearer), or a name and a password (Basic).

One rule for REST and for the stream of events: a token of the user's own stands for the password, a name of the
allowlist alone is nobody's login here, and no page of another site may use what its browser remembers.
"""

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeAlias

from stocktrack.accounts.identity import Identity
from stocktrack.errors import CommandError, Reason
from stocktrack.sessions.answers import tell_failure
from stocktrack.sessions.contracts import Authenticator
from stocktrack.system.trail import Trail
from stocktrack.web.origins import is_sent_by_another_site
from stocktrack.wire.lines import BadLine, command_of

# By which of HTTP's schemes a request may say whose it is.
SCHEMES: Final = ("bearer", "basic")

# The fields of an AUTH: a token, or a name and a password.
Login: TypeAlias = Mapping[str, str]


class Credentials:
    """Reads the logins of requests and checks them."""

    def __init__(
        self,
        authenticator: Authenticator,
        trail: Trail,
        *,
        allowed_origins: Collection[str] = (),
        public_names: Collection[str] = (),
    ) -> None:
        self._authenticator = authenticator
        self._trail = trail
        self._allowed_origins = allowed_origins
        self._public_names = public_names

    def read(self, header: Callable[[str], Sequence[str]], in_address: str = "") -> Login | None:
        """What a request logs in with, where ``header(name)`` is what it has of a header; None where it has nothing.

        A token `in_address` counts before a password, which a browser or a proxy's client may send by itself.
        `CommandError` where a login can't be one, and for a password that a page of another site has sent.
        """
        authorization = next(iter(header("authorization")), "")
        if token := bearer_token(authorization) or in_address:
            return {"token": token}
        if (login := name_and_password(authorization)) is None:
            return None
        # A browser sends a password that it was once given along with whatever any page asks of us.
        if is_sent_by_another_site(header, self._allowed_origins, self._public_names):
            raise CommandError(
                Reason.NOT_PERMITTED,
                "A page of another site may not use a password here: let it have a token, as Authorization: Bearer "
                "TOKEN, and name the site in the setting allowed_origins.",
            )
        name, password = login
        if self._authenticator.owner_of(password) == name:
            return {"token": password}
        try:
            command_of("AUTH", username=name, password=password)
        except BadLine:
            why = "Basic needs the name of a user and a password, as in `curl -u NAME:PASSWORD`."
            raise CommandError(Reason.NOT_AUTHENTICATED, why) from None
        return {"username": name, "password": password}

    async def verify(self, login: Login, *, address: str, door: str) -> Identity:
        """Who it is; `CommandError` where the login is wrong, which the trail tells, `StorageError` if nobody can.

        Wrong passwords are counted and slowed down as at every login; a right one costs a hash once in some minutes.
        """
        try:
            if (token := login.get("token")) is not None:
                return await self._authenticator.verify_token(token, address)
            return await self._authenticator.verify(login["username"], login["password"], address, by_name=False)
        except CommandError as error:
            tell_failure(self._trail, error, address=address, door=door)
            raise


def bearer_token(authorization: str) -> str:
    """The token in an Authorization header; empty where there is none."""
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def name_and_password(authorization: str) -> tuple[str, str] | None:
    """The name and the password in an Authorization header (Basic, RFC 7617); None where there are none.

    The password may hold colons. Both are UTF-8, or where they can't be, Latin-1, as old programs write them.
    """
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    given = given.strip()
    try:
        decoded = base64.b64decode(given + "=" * (-len(given) % 4), validate=True)
    except ValueError:
        return None
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    name, colon, password = text.partition(":")
    return (name, password) if colon else None


def no_login(how: str = "") -> CommandError:
    """Why a request without a login is refused; `how` is another way to send a token, where there is one."""
    why = "This needs a token: get one from /api/v1/login and send it as Authorization: Bearer TOKEN"
    return CommandError(Reason.NOT_AUTHENTICATED, f"{why}{how}.")
