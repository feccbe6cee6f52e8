"""Fetches what the detail of a symbol shows, part after part, while it is open on the board."""

import contextlib

from stocktrack.client import ClientError, State, StockTrackClient, TooManyRequests
from stocktrack.clock import Clock, RealClock
from stocktrack.terminal.board_detail import BoardDetail
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.chart_request import find_chart
from stocktrack.terminal.exit_codes import sentence_of

# How often it is looked whether a detail was opened, or another range is wanted: soon enough for a key.
LOOK_SECONDS = 0.1
# Who goes down a list with the arrows does not want the chart of each.
STAY_SECONDS = 0.2
MOST_PAUSE_SECONDS = 30.0
DIVIDENDS, HEADLINES = 4, 5

_REAL_CLOCK = RealClock()


class Details:
    """Gives the open detail of `view` its parts, until it is cancelled; `run` raises nothing but what cancels it.

    What the server does not have is left out; a chart that is not to be had says why in its place.
    """

    def __init__(self, client: StockTrackClient, view: BoardView, *, clock: Clock = _REAL_CLOCK) -> None:
        self._client = client
        self._view = view
        self._clock = clock

    async def run(self) -> None:
        """Ask for what is wanted, the chart first."""
        while self._client.state is not State.CLOSED:
            detail, now_ms = self._view.detail, self._clock.now_ms()
            if detail is None or self._client.state is not State.CONNECTED or not detail.is_wanting(now_ms):
                await self._clock.sleep(LOOK_SECONDS)
                continue
            await self._clock.sleep(STAY_SECONDS)
            if self._view.detail is not detail:
                continue
            if detail.is_chart_wanted(now_ms):
                await self._chart(detail)
            else:
                await self._facts(detail)

    async def _chart(self, detail: BoardDetail) -> None:
        back = detail.range
        try:
            chart = await find_chart(self._client, detail.symbol, range=back)
            detail.put_chart(back, chart, self._clock.now_ms())
        except TooManyRequests as error:
            await self._clock.sleep(min((error.retry_after_ms or 0) / 1000, MOST_PAUSE_SECONDS) or LOOK_SECONDS)
        except ClientError as error:
            if self._client.state is State.CONNECTED:
                detail.put_chart(back, sentence_of(error), self._clock.now_ms())
        self._view.is_changed = True

    async def _facts(self, detail: BoardDetail) -> None:
        detail.are_facts_wanted = False
        for part in (self._company, self._dividends, self._news):
            if self._view.detail is not detail:
                return
            with contextlib.suppress(ClientError):
                await part(detail)
            self._view.is_changed = True

    async def _company(self, detail: BoardDetail) -> None:
        detail.put_company((await self._client.info(detail.symbol)).company)

    async def _dividends(self, detail: BoardDetail) -> None:
        detail.put_dividends((await self._client.dividends(detail.symbol, limit=DIVIDENDS)).dividends)

    async def _news(self, detail: BoardDetail) -> None:
        detail.put_news((await self._client.news(limit=HEADLINES, symbol=detail.symbol)).articles)
