import asyncio
import io
import re

import pytest

from stocktrack.clock import ManualClock, end, settle
from stocktrack.terminal.attention import BURST_SECONDS, Attention, notification, sequences_for
from stocktrack.terminal.screen_settings import Notify, ScreenSettings

XTERM = {"TERM": "xterm-256color"}
# What ends a control string or begins another one, as bytes of a terminal that is not set to UTF-8 too.
CONTROL = re.compile(rb"[\x00-\x1f\x7f-\xff]")
HOSTILE = "AAPL\x1b\\\a\x9c\x1b]52;c;YQ==\a \u009d œĜ ; 4;3 \r\n" + "x" * 5_000


class Rung:
    """An `Attention` on a clock of its own, and what it wrote."""

    def __init__(self, *, settings: ScreenSettings | None = None, **environment: str) -> None:
        self.out, self.clock = io.StringIO(), ManualClock()
        self.attention = Attention(
            self.out, settings or ScreenSettings(), clock=self.clock, environment=environment or XTERM
        )

    @property
    def written(self) -> str:
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        return text


async def test_a_burst_rings_once_and_ends_with_one_more_notification() -> None:
    rung = Rung(TERM="foot")
    running = asyncio.create_task(rung.attention.run())
    rung.attention.call("one")
    assert rung.written == "\a\x1b]777;notify;StockTrack;one\x1b\\"
    for text in ("two", "three", "four"):
        rung.attention.call(text)
    await settle()
    assert rung.written == ""

    await rung.clock.advance(BURST_SECONDS)
    assert rung.written == "\x1b]777;notify;StockTrack;four And 2 more.\x1b\\"

    await rung.clock.advance(BURST_SECONDS)
    rung.attention.call("five")
    assert rung.written == "\a\x1b]777;notify;StockTrack;five\x1b\\"
    await end(running)


async def test_what_goes_on_coming_rings_only_at_first() -> None:
    rung = Rung(TERM="foot")
    running = asyncio.create_task(rung.attention.run())
    written = ""
    for number in range(20):
        rung.attention.call(f"number {number}.")
        await rung.clock.advance(BURST_SECONDS / 2)
        written += rung.written

    assert written.count("\a") == 1
    assert 8 <= written.count("notify;") <= 11
    await end(running)


@pytest.mark.parametrize("kind", [Notify.OSC9, Notify.OSC777])
@pytest.mark.parametrize("is_in_screen", [False, True])
def test_nothing_in_a_text_ends_the_sequence_or_begins_another(kind: Notify, is_in_screen: bool) -> None:
    sequence = notification(HOSTILE, kind, is_in_screen=is_in_screen).encode()

    ending = b"\a" if is_in_screen else b"\x1b\\"
    assert sequence.startswith(b"\x1b]")
    assert sequence.endswith(ending)
    assert not CONTROL.search(sequence[2 : -len(ending)])
    assert len(sequence) < 300
    if kind is Notify.OSC777:
        assert sequence.count(b";") == 3
    else:
        assert sequence.startswith(b"\x1b]9;StockTrack: "), "a number there is a command of other terminals"


@pytest.mark.parametrize(
    ("environment", "kinds"),
    [
        ({"TERM": "xterm-256color"}, (Notify.OSC9, Notify.OSC777)),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, (Notify.OSC9,)),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, (Notify.OSC9,)),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, (Notify.OSC9,)),
        ({"TERM": "xterm-kitty"}, (Notify.OSC9,)),
        ({"TERM": "xterm-ghostty"}, (Notify.OSC9,)),
        ({"TERM": "foot-extra"}, (Notify.OSC777,)),
        ({"TERM": "rxvt-unicode-256color"}, (Notify.OSC777,)),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, (Notify.OSC9, Notify.OSC777)),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, ()),
        ({"TERM": "xterm-256color", "WT_SESSION": "1"}, (Notify.OSC777,)),
        ({"TERM": "xterm-256color", "ConEmuPID": "1"}, ()),
        ({"TERM": "linux"}, ()),
        ({"TERM": "dumb"}, ()),
        ({}, ()),
    ],
)
def test_each_terminal_gets_the_sequence_that_it_knows(environment: dict[str, str], kinds: tuple[Notify, ...]) -> None:
    assert sequences_for(Notify.AUTO, environment) == kinds
    assert sequences_for(Notify.OFF, environment) == ()
    assert sequences_for(Notify.OSC777, environment) == (Notify.OSC777,)


def test_inside_tmux_and_screen_it_is_wrapped() -> None:
    tmux = Rung(settings=ScreenSettings(notify=Notify.OSC9), TERM="tmux-256color", TMUX="/tmp/tmux-1/default,1,0")  # noqa: S108
    tmux.attention.call("up")
    assert tmux.written == "\a\x1bPtmux;\x1b\x1b]9;StockTrack: up\x1b\x1b\\\x1b\\"

    screen = Rung(settings=ScreenSettings(notify=Notify.OSC777), TERM="screen-256color", STY="1.pts-0")
    screen.attention.call("up" * 500)
    written = screen.written
    assert written.startswith("\a\x1bP\x1b]777;notify;StockTrack;upup")
    assert written.endswith("up\a\x1b\\")
    assert len(written) < 768


def test_both_can_be_switched_off() -> None:
    silent = Rung(settings=ScreenSettings(bell=False, notify=Notify.OFF))
    silent.attention.call("up")
    assert silent.written == ""

    bell = Rung(settings=ScreenSettings(notify=Notify.OFF))
    bell.attention.call("up")
    assert bell.written == "\a"

    still = Rung(settings=ScreenSettings(bell=False), TERM="foot")
    still.attention.call("up")
    assert still.written == "\x1b]777;notify;StockTrack;up\x1b\\"


def test_a_terminal_that_has_gone_is_no_error() -> None:
    rung = Rung()
    rung.out.close()
    rung.attention.call("up")
    assert rung.out.closed
