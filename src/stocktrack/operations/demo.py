"""`stocktrack demo`: a private server on the simulated market, and the interactive client over it."""

import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from stocktrack.app import App
from stocktrack.cli_client import Opening, run_client
from stocktrack.client.settings import ClientSettings
from stocktrack.commands.watch import Watch, watch_prices
from stocktrack.config import Settings
from stocktrack.system.logs import configure_logs
from stocktrack.system.processes import raise_descriptor_limit
from stocktrack.terminal.exit_codes import ExitCode
from stocktrack.terminal.run import is_live_screen, run_to_exit
from stocktrack.terminal.screen_settings import load_screen_settings
from stocktrack.web.assets import Assets

SYMBOLS = ("AAPL", "MSFT", "TSLA", "NVDA", "BTC-USD", "EURUSD=X", "^GSPC", "OCDO.L")
USER = "demo"


def run_demo(seconds: float | None) -> None:
    """Run the demo for `seconds`, or until the person leaves, and exit."""
    # A log line would spoil the screen; an error that deserves one ends the demo.
    configure_logs("console", "error")
    raise_descriptor_limit()
    # The folder is thrown away: a demo leaves nothing behind.
    with tempfile.TemporaryDirectory(prefix="stocktrack-demo-") as folder:
        run_to_exit(lambda: _demo(Path(folder), seconds))


async def _demo(folder: Path, seconds: float | None) -> int:
    settings = Settings(
        port=0, web_port=0, providers=("simulated",), data_dir=folder, simulated_interval_seconds=0.5, chat=True
    )
    app = App(settings)
    password = secrets.token_urlsafe(6)
    await app.start()
    try:
        await app.accounts.add(USER, password)
        host, port = app.server.addresses[0]
        caller = ClientSettings(host, port, USER, password)
        page = app.web.address if Assets().missing() is None else None
        join = how_to_join(page, port, password)
        async with caller.client(reconnect=False) as client:
            await client.set_list(SYMBOLS)  # for the page as well, which shows what is saved
        if is_live_screen():
            hint = f"A simulated market on {caller.address}.\n{join}"
            return await run_client(caller, opening=Opening(hint=hint, seconds=seconds), keeps_history=False)
        print(f"stocktrack: a simulated market on {caller.address}.\n{join}", file=sys.stderr)  # noqa: T201 - for a person
        return await _watch(caller, seconds)
    finally:
        await app.close()


def how_to_join(page: str | None, port: int, password: str) -> str:
    """The lines that tell others how to join; None is a page that is not there."""
    terminal = f"stocktrack client --port {port} --user {USER}   password: {password}"
    if page is None:
        return f"Join from a terminal:  {terminal}"
    return f"Join in a browser:  {page}#user={USER}&password={password}\nor from a terminal:  {terminal}"


async def _watch(settings: ClientSettings, seconds: float | None) -> int:
    """Lines of prices; SIGTERM ends them in order, so that the folder is removed."""
    watching = asyncio.ensure_future(watch_prices(settings, Watch(SYMBOLS, seconds=seconds), load_screen_settings()))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, watching.cancel)
    try:
        return await watching
    except asyncio.CancelledError:
        if watching.cancelled() and not _is_cancelled():
            return ExitCode.TERMINATED
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
