"""Draws a person's attention from another window: the terminal's bell, and a notification of the desktop.

Two escape sequences ask for a notification, and no terminal says which it knows: OSC 9, a text, and OSC 777, a title
and a text. docs/decisions/0064 has the terminals, and why each gets which.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Final, TextIO

from stocktrack.clock import Clock, RealClock
from stocktrack.terminal.screen_settings import Notify, ScreenSettings

# What comes within so long of the last one is the same burst: one bell, and one more notification for all of it.
BURST_SECONDS: Final = 2.0
MAX_NOTIFICATION_CHARS: Final = 200  # GNU screen passes no more than 768 bytes in one piece
_TITLE: Final = "StockTrack"
_BELL: Final = "\a"
_ESC: Final = "\x1b"
_STRING_END: Final = f"{_ESC}\\"
_REAL_CLOCK = RealClock()

# Who is known to notify by which. Some tell who they are by TERM, which travels over ssh, the others by a variable.
_OSC9_PROGRAMS = frozenset({"iTerm.app", "WezTerm", "ghostty", "WarpTerminal"})
_OSC9_TERMS = ("xterm-kitty", "xterm-ghostty", "wezterm")
_OSC777_TERMS = ("foot", "rxvt", "contour")
# ConEmu knows other commands by OSC 9, Apple's Terminal neither, and the Linux console prints what it does not know.
_NEITHER_TERMS = ("linux", "dumb", "vt1", "vt2", "cons25")


class Attention:
    """Rings and notifies on `out`, which must be a terminal: `call` as often as there is news, while `run` runs."""

    def __init__(
        self,
        out: TextIO,
        settings: ScreenSettings,
        *,
        clock: Clock = _REAL_CLOCK,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._out = out
        self._has_bell = settings.bell
        self._sequences = sequences_for(settings.notify, environment)
        self._wrap = _Wrap(environment)
        self._clock = clock
        self._waiting: list[str] = []
        self._is_burst = False
        self._news = asyncio.Event()

    def call(self, text: str) -> None:
        """Ring and notify of a sentence at once, or with the others of its burst."""
        self._news.set()
        if self._is_burst:
            self._waiting.append(text)
            return
        self._is_burst = True
        self._write((_BELL if self._has_bell else "") + self._notification(text))

    async def run(self) -> None:
        """Notify of what came in bursts, without end."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._clock.sleep(BURST_SECONDS)
            if self._waiting:
                newest, more = self._waiting[-1], len(self._waiting) - 1
                self._waiting.clear()
                self._news.set()
                self._write(self._notification(f"{newest} And {more} more." if more else newest))
            elif not self._news.is_set():
                self._is_burst = False

    def _notification(self, text: str) -> str:
        wrap = self._wrap
        return "".join(wrap(notification(text, kind, is_in_screen=wrap.is_screen)) for kind in self._sequences)

    def _write(self, data: str) -> None:
        if not data:
            return
        try:
            self._out.write(data)
            self._out.flush()
        except (OSError, ValueError):
            # The terminal has gone; whoever draws on it notices as well.
            return


def notification(text: str, kind: Notify, *, is_in_screen: bool = False) -> str:
    """The escape sequence that asks for a notification; nothing in `text` can end it, or begin another.

    Only ASCII is left of it: in a terminal that is not set to UTF-8, a byte of a letter may end the sequence.
    """
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)[:MAX_NOTIFICATION_CHARS]
    # GNU screen takes the usual end for that of its own envelope, and all of them take the older one.
    ending = _BELL if is_in_screen else _STRING_END
    if kind is Notify.OSC777:
        return f"{_ESC}]777;notify;{_TITLE};{plain.replace(';', ',')}{ending}"
    # It begins with a word: to others OSC 9 with a number is a command.
    return f"{_ESC}]9;{_TITLE}: {plain}{ending}"


def sequences_for(wanted: Notify, environment: Mapping[str, str]) -> tuple[Notify, ...]:
    """By which sequences to notify in the terminal that the environment tells of; both where it tells of none."""
    if wanted is not Notify.AUTO:
        return () if wanted is Notify.OFF else (wanted,)
    term, program = environment.get("TERM", "dumb"), environment.get("TERM_PROGRAM", "")
    if program == "Apple_Terminal" or environment.get("ConEmuPID") or term.startswith(_NEITHER_TERMS):
        return ()
    if program in _OSC9_PROGRAMS or environment.get("LC_TERMINAL") == "iTerm2" or environment.get("KITTY_WINDOW_ID"):
        return (Notify.OSC9,)
    if term.startswith(_OSC9_TERMS):
        return (Notify.OSC9,)
    if term.startswith(_OSC777_TERMS) or environment.get("WT_SESSION"):
        return (Notify.OSC777,)
    # What VTE knows depends on who built it, and over ssh nobody says who it is. Who knows neither ignores them, and
    # few that know both do not say who they are.
    return (Notify.OSC9, Notify.OSC777)


class _Wrap:
    """Hands a sequence through tmux and GNU screen to the terminal they run in; tmux wants `allow-passthrough on`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        term = environment.get("TERM", "")
        self.is_tmux = bool(environment.get("TMUX")) or term.startswith("tmux")
        self.is_screen = not self.is_tmux and (bool(environment.get("STY")) or term.startswith("screen"))

    def __call__(self, sequence: str) -> str:
        if self.is_tmux:
            return f"{_ESC}Ptmux;{sequence.replace(_ESC, _ESC * 2)}{_STRING_END}"
        return f"{_ESC}P{sequence}{_STRING_END}" if self.is_screen else sequence
