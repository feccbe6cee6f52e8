"""Opens a link in the person's browser, or says that there is none."""

import os
import sys
import webbrowser
from contextlib import AbstractAsyncContextManager, nullcontext

from prompt_toolkit.application import in_terminal

from stocktrack.system.blocking import BlockingPool

# Where none of these is set there is no window to open, and a browser that draws in the terminal is one to ask for.
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_SCHEMES = ("https://", "http://")


async def open_link(link: str) -> bool:
    """Open a web page; False where there is no browser for it. One that draws in the terminal has it meanwhile."""
    if not link.startswith(_SCHEMES) or not _has_screen():
        return False
    pool = BlockingPool("browser", 1)
    try:
        browser = webbrowser.get()
        # One that is waited for may draw; the others open a window and are gone.
        is_drawing = type(browser) is webbrowser.GenericBrowser
        place: AbstractAsyncContextManager[None] = in_terminal() if is_drawing else nullcontext()
        async with place:
            return bool(await pool.run(browser.open, link))
    except (webbrowser.Error, OSError):
        return False
    finally:
        pool.close()


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in _SCREENS)
