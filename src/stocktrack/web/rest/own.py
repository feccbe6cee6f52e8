"""REST of what users have of their own: their alerts, what they hold, and what they say to each other."""

from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from stocktrack.holding_rows import HOLDING_COLUMNS, holding_lines
from stocktrack.messages import (
    AddLotReply,
    AlertReply,
    AlertTestReply,
    HoldingsReply,
    MyAlertsReply,
    RemoveLotReply,
    SayReply,
    UnalertReply,
)
from stocktrack.web.csv_tables import CSV, VARY, csv_answer, wants_csv
from stocktrack.web.rest.parts import Asking, json_answer, router


class NewAlert(BaseModel):
    """An alert to be made: the fields of the command ALERT."""

    model_config = ConfigDict(extra="forbid", strict=True)  # "200" and true are no numbers at the other doors either
    symbol: str
    when: str
    value: float
    minutes: int | None = None
    repeat: str | None = None
    cooldown_seconds: int | None = None
    quiet_hours: str | None = None
    timezone: str | None = None
    targets: list[str] | None = None
    replaces: str | None = Field(default=None, description="the alert that this one takes the place of")


class NewLot(BaseModel):
    """A purchase, or with a negative quantity a sale; its costs are in the currency of the price."""

    model_config = ConfigDict(extra="forbid", strict=True)
    symbol: str
    quantity: FiniteFloat
    unit_cost: FiniteFloat = Field(description="of one, in the currency of the price: pence for GBp")
    fixed_cost: FiniteFloat = Field(default=0.0, description="fees, in the same currency")
    group: str | None = Field(default=None, description="left out: main")


class Word(BaseModel):
    """What a user says."""

    model_config = ConfigDict(extra="forbid")
    text: str
    symbol: str | None = Field(default=None, description="to those who are pushed it; left out: to all")


@router.get("/alerts", response_model=MyAlertsReply)
async def my_alerts(
    asking: Asking,
    symbol: Annotated[str | None, Query(description="only its alerts")] = None,
    after: Annotated[str | None, Query(description="only alerts made after this one")] = None,
) -> Any:
    """The user's alerts, the oldest first, and the targets that they may name."""
    return json_answer(await asking.ask("MY_ALERTS", symbol=symbol, after=after))


@router.post("/alerts", response_model=AlertReply)
async def alert(body: NewAlert, asking: Asking) -> Any:
    """Make an alert; it is on disk when this is answered."""
    return json_answer(await asking.ask("ALERT", **body.model_dump(exclude_unset=True)))


@router.delete("/alerts/{alert}", response_model=UnalertReply)
async def unalert(alert: str, asking: Asking) -> Any:
    """Take an alert out."""
    return json_answer(await asking.ask("UNALERT", alert=alert))


@router.post("/alert_targets/{target}/test", response_model=AlertTestReply)
async def test_alert(target: str, asking: Asking) -> Any:
    """Have a target told a test message, once."""
    return json_answer(await asking.ask("TEST_ALERT", target=target))


@router.head("/holdings.csv", include_in_schema=False)
@router.head("/holdings", include_in_schema=False)
@router.get(
    "/holdings.csv",
    response_class=PlainTextResponse,
    responses={
        200: {
            "description": "The holdings as a table of CSV.",
            "content": {CSV: {"schema": {"type": "string"}, "example": f"{','.join(HOLDING_COLUMNS)}\n"}},
        },
    },
)
@router.get(
    "/holdings",
    response_model=HoldingsReply,
    responses={
        200: {
            "description": "Holdings, lots and totals; the holdings as CSV where Accept prefers it.",
            "content": {CSV: {"schema": {"type": "string"}, "example": f"{','.join(HOLDING_COLUMNS)}\n"}},
        },
    },
)
async def holdings(
    asking: Asking,
    request: Request,
    currency: Annotated[str | None, Query(description="of the totals; left out: the server's")] = None,
    group: Annotated[str | None, Query(description="only lots of this group; left out: all")] = None,
) -> Any:
    """What the user holds and what it is worth, with totals in one currency."""
    reply = await asking.ask("HOLDINGS", currency=currency, group=group)
    assert isinstance(reply, HoldingsReply)  # noqa: S101 - as its row says
    return csv_answer(holding_lines(reply), "holdings") if wants_csv(request) else json_answer(reply, headers=VARY)


@router.post("/lots", response_model=AddLotReply)
async def add_lot(body: NewLot, asking: Asking) -> Any:
    """Keep a lot: what was bought, or with a negative quantity sold."""
    return json_answer(await asking.ask("ADD_LOT", **body.model_dump(exclude_none=True)))


@router.delete("/lots/{lot}", response_model=RemoveLotReply)
async def remove_lot(lot: str, asking: Asking) -> Any:
    """Take out a lot by its name, such as l3."""
    return json_answer(await asking.ask("REMOVE_LOT", lot=lot))


@router.post("/say", response_model=SayReply)
async def say(word: Word, asking: Asking) -> Any:
    """Say something to those who are pushed a symbol, or to all that are logged in; nobody hears anything here."""
    return json_answer(await asking.ask("SAY", text=word.text, symbol=word.symbol))
