"""The terminal after the regular hours: real programs in a pseudo-terminal, over a source that a test holds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from after_hours import AfterHours
from live_server import PASSWORD, live_server
from stocktrack.clock import ManualClock
from terminal import Terminal, program_environment

POLL_SECONDS = 5.0


@dataclass(slots=True)
class Evening:
    """A server where AAPL is after its regular hours, and the programs that call it."""

    clock: ManualClock
    source: AfterHours
    environment: dict[str, str]

    def program(self, *arguments: str, columns: int, rows: int = 24) -> Terminal:
        return Terminal(*arguments, environment=self.environment, columns=columns, rows=rows)


@pytest_asyncio.fixture
async def evening(tmp_path: Path) -> AsyncIterator[Evening]:
    clock = ManualClock()
    source = AfterHours(clock)
    async with live_server(tmp_path / "server", source, users=("ann",), clock=clock) as server:
        (tmp_path / "home").mkdir()
        environment = program_environment(tmp_path / "home", server.port, STOCKTRACK_PASSWORD=PASSWORD)
        yield Evening(clock, source, environment)


async def test_the_board_shows_the_price_after_hours_until_the_market_opens(evening: Evening) -> None:
    with evening.program("watch", "AAPL", "TSLA", columns=80) as terminal:
        await asyncio.to_thread(terminal.wait_for, "post 270.75 +0.39%", "300.00")
        row = next(line for line in terminal.lines if line.startswith("AAPL"))
        assert row.split()[:6] == ["AAPL", "269.70", "+0.70", "+0.26%", "post", "270.75"]
        assert terminal.colours_of("post 270.75 +0.39%") == {"green"}

        evening.source.open_market("AAPL", 272.25)
        await evening.clock.advance(POLL_SECONDS)

        await asyncio.to_thread(
            terminal.wait_until,
            lambda: "272.25" in terminal.screen and "Extended" not in terminal.screen,
            "for the market to open",
        )
        assert "270.75" not in terminal.screen


@pytest.mark.parametrize(("columns", "is_shown"), [(120, True), (80, True), (50, True), (40, False)])
async def test_get_shows_it_where_it_fits_and_the_day_and_the_year_below(
    evening: Evening, columns: int, is_shown: bool
) -> None:
    with evening.program("get", "AAPL", columns=columns) as terminal:
        assert await asyncio.to_thread(terminal.wait_exit) == 0
        assert ("post 270.75 +0.39%" in terminal.screen) is is_shown
        assert ("270.75" in terminal.screen) is is_shown
        assert "52 weeks        169.21 to 271.41" in terminal.lines
        assert "Market cap      3.98T USD" in terminal.lines


async def test_the_interactive_client_prints_it_beside_the_price_and_info_the_hours_of_the_market(
    evening: Evening,
) -> None:
    with evening.program("client", "--menu", columns=80) as terminal:
        await asyncio.to_thread(terminal.wait_for, "stocktrack>")
        terminal.enter("subscribe AAPL")
        await asyncio.to_thread(terminal.wait_for, "+0.26%  post 270.75 +0.39%")
        terminal.enter("info AAPL")
        await asyncio.to_thread(terminal.wait_for, "your time")
        assert any(line.startswith("Market  opens ") for line in terminal.text.splitlines())
