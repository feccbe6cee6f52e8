"""REST for administrators: who has an account."""

from typing import Annotated, Any

from fastapi import Query

from stocktrack.messages import UsersReply
from stocktrack.web.rest.parts import Asking, json_answer, router


@router.get("/users", response_model=UsersReply)
async def users(
    asking: Asking,
    after: Annotated[
        str | None,
        Query(min_length=1, max_length=64, description="the last name of the page before, where that says more"),
    ] = None,
) -> Any:
    """Who has an account, by name, and how many sessions each has now; for administrators."""
    return json_answer(await asking.ask("USERS", after=after))
