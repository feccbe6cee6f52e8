"""REST of logins: a token for a password, the user's tokens, and another password."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from stocktrack.messages import MAX_TOKENS, ChangePasswordReply, RevokeReply, TokenReply, TokensReply
from stocktrack.scopes import Scope
from stocktrack.web.asgi import IS_FORWARDED
from stocktrack.web.rest.parts import Asking, address_of, json_answer, router, sessions_of
from stocktrack.web.rest.sessions import RestSession, RestSessions

LOGIN_NAME = "REST login"


class Login(BaseModel):
    """A user's name and password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str
    password: str = Field(repr=False, description="the one that `stocktrack users add` was given")
    days: int | None = Field(default=None, description="how many days the token is valid; 30 unless given")
    name: str | None = Field(default=None, description="what the token is listed by; REST login unless given")
    scope: str | None = Field(default=None, description="read, for a token that changes nothing; full unless given")


class LoginAnswer(BaseModel):
    """A token for the Authorization header; it is told this once."""

    token: str = Field(repr=False)
    username: str
    expires_at: int = Field(description="epoch milliseconds")
    token_id: str
    scope: Scope


class NewPassword(BaseModel):
    """The password that counts now, and the one that is to count."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    password: str = Field(repr=False)
    new_password: str = Field(repr=False)


@router.post("/login", response_model=LoginAnswer)
async def login(body: Login, request: Request, sessions: Annotated[RestSessions, Depends(sessions_of)]) -> Any:
    """Get a token for a user's name and password."""
    session = sessions.open(address_of(request), lambda: None, is_forwarded=request.scope[IS_FORWARDED])
    try:
        await session.ask("AUTH", username=body.username, password=body.password)
        name = body.name or LOGIN_NAME
        await _make_room(session, name)
        made = await session.ask("TOKEN", days=body.days, name=name, scope=body.scope)
    finally:
        sessions.close_session(session)
    assert isinstance(made, TokenReply)  # noqa: S101 - as its row says
    return json_answer(
        LoginAnswer(
            token=made.token,
            username=made.username,
            expires_at=made.expires_at,
            token_id=made.token_id,
            scope=made.scope,
        )
    )


@router.post("/logout", response_model=RevokeReply)
async def logout(asking: Asking) -> Any:
    """End the token that this request came with, and the sessions that it opened."""
    return json_answer(await asking.end_token())


@router.get("/tokens", response_model=TokensReply)
async def list_tokens(asking: Asking) -> Any:
    """The user's tokens that are valid, the oldest first."""
    return json_answer(await asking.ask("TOKENS"))


@router.delete("/tokens", response_model=RevokeReply)
async def revoke_tokens(asking: Asking) -> Any:
    """End all tokens of the user, this one too."""
    return json_answer(await asking.ask("REVOKE"))


@router.delete("/tokens/{token_id}", response_model=RevokeReply)
async def revoke_token(token_id: str, asking: Asking) -> Any:
    """End one token of the user."""
    return json_answer(await asking.ask("REVOKE", token_id=token_id))


@router.post("/password", response_model=ChangePasswordReply)
async def change_password(body: NewPassword, asking: Asking) -> Any:
    """Change the user's password; all tokens end, this one too."""
    return json_answer(await asking.ask("PASSWORD", password=body.password, new_password=body.new_password))


async def _make_room(session: RestSession, name: str) -> None:
    """End the oldest token of this name where the user has as many as there may be.

    Whoever logs in for each of many runs, and never ends a token, is not locked out by that.
    """
    listed = await session.ask("TOKENS")
    assert isinstance(listed, TokensReply)  # noqa: S101 - as its row says
    if len(listed.tokens) >= MAX_TOKENS:
        oldest = next((token for token in listed.tokens if token.name == name), None)
        if oldest is not None:
            await session.ask("REVOKE", token_id=oldest.token_id)
