"""A window of prompt_toolkit that is quick to draw: whole lines in the size of the terminal, nothing wraps or scrolls.

The toolkit's own one looks at each cell several times, and keeps of each where it came from: on a large terminal that
takes longer than everything else that the board does.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Final

from prompt_toolkit.application import get_app
from prompt_toolkit.data_structures import Point
from prompt_toolkit.formatted_text import OneStyleAndTextTuple
from prompt_toolkit.layout import Dimension, UIContent, UIControl, Window
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition
from prompt_toolkit.mouse_events import MouseEvent

if TYPE_CHECKING:
    from prompt_toolkit.key_binding.key_bindings import NotImplementedOrNone

# A hostile server could send every character there is in every colour.
_MOST_CHARS: Final = 10_000
_BEHIND_A_WIDE_ONE: Final = Char("", "")


class _Chars(dict[str, Char]):
    """The characters of one style as the screen takes them; `odd` are those that do not take one cell."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.odd: set[str] = set()
        self._style = style

    def __missing__(self, text: str) -> Char:
        char = Char(text, self._style)
        if char.width != 1:
            self.odd.add(text)
        if len(self) < _MOST_CHARS:
            self[text] = char
        return char


class LinesControl(UIControl):
    """What a `BoardWindow` shows: the lines that `lines` makes at each drawing.

    A part of a line is a style and a text, and perhaps what is called with an event of the mouse on it.
    """

    def __init__(self, lines: Callable[[], Sequence[Sequence[OneStyleAndTextTuple]]]) -> None:
        self._make = lines
        self._lines: Sequence[Sequence[OneStyleAndTextTuple]] = ()

    def is_focusable(self) -> bool:
        """It takes the keys."""
        return True

    def create_content(self, width: int, height: int) -> UIContent:
        """Called by prompt_toolkit to draw the lines."""
        self._lines = lines = self._make()
        return UIContent(lambda number: [*lines[number]], len(lines), show_cursor=False)

    def mouse_handler(self, mouse_event: MouseEvent) -> "NotImplementedOrNone":
        """Called by prompt_toolkit with the line and the character of it that is pointed at."""
        if mouse_event.position.y < len(self._lines):
            left = mouse_event.position.x
            for _, text, *handlers in self._lines[mouse_event.position.y]:
                left -= len(text)
                if left < 0:
                    return handlers[0](mouse_event) if handlers else NotImplemented
        return NotImplemented


class BoardWindow(Window):
    """A window for a control whose lines are as wide as the window; it takes all the room that there is.

    Of the toolkit's window it has the control with its mouse handlers, the focus, and the place among others and below
    floats; it has no margins, no cursor, and what does not fit is cut off.
    """

    def __init__(self, control: UIControl) -> None:
        super().__init__(control, wrap_lines=False, always_hide_cursor=True)
        self._chars: dict[str, _Chars] = {}

    def preferred_width(self, max_available_width: int) -> Dimension:
        """All there is."""
        return Dimension(preferred=max_available_width)

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:
        """All there is."""
        return Dimension(preferred=max_available_height)

    def write_to_screen(  # noqa: PLR0917 - as the base has it
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        """Called by prompt_toolkit to draw the lines."""
        left, top = write_position.xpos, write_position.ypos
        width, height = write_position.width, write_position.height
        if width <= 0 or height <= 0:
            return
        content = self.content.create_content(width, height)
        lines = [content.get_line(number) for number in range(min(height, content.line_count))]
        lines += [[]] * (height - len(lines))
        for y, line in enumerate(lines, top):
            self._write(screen.data_buffer[y], line, left, left + width)
        app = get_app()
        if app.layout.has_focus(self):
            screen.set_cursor_position(self, Point(left, top))
            screen.show_cursor = False
        screen.height = max(screen.height, top + height)
        screen.visible_windows_to_write_positions[self] = write_position
        if app.mouse_support():
            self._take_mouse(mouse_handlers, write_position, lines)

    def _write(self, cells: dict[int, Char], line: Sequence[OneStyleAndTextTuple], x: int, end: int) -> None:
        for style, text, *_ in line:
            chars = self._chars_of(style)
            made = [*map(chars.__getitem__, text)]
            if chars.odd and not chars.odd.isdisjoint(text):
                x, is_full = _write_odd(cells, made, x, end)
                if is_full:
                    break
            else:
                cells.update(zip(range(x, end), made, strict=False))
                x = min(x + len(made), end)
        cells.update(zip(range(x, end), repeat(self._chars_of("")[" "]), strict=False))

    def _chars_of(self, style: str) -> _Chars:
        chars = self._chars.get(style)
        if chars is None:
            chars = self._chars[style] = _Chars(style)
        return chars

    def _take_mouse(
        self, handlers: MouseHandlers, position: WritePosition, lines: Sequence[Sequence[OneStyleAndTextTuple]]
    ) -> None:
        """Have the control told of the mouse by the line and the character of it that is pointed at."""

        def handle(event: MouseEvent) -> "NotImplementedOrNone":
            if self not in get_app().layout.walk_through_modal_area():
                return NotImplemented
            row = event.position.y - position.ypos
            column = self._characters_before(lines[row], event.position.x - position.xpos)
            at = MouseEvent(Point(column, row), event.event_type, event.button, event.modifiers)
            return self.content.mouse_handler(at)

        handlers.set_mouse_handler_for_range(
            position.xpos, position.xpos + position.width, position.ypos, position.ypos + position.height, handle
        )

    def _characters_before(self, line: Sequence[OneStyleAndTextTuple], cells: int) -> int:
        """How many characters of a line stand before a cell."""
        count = 0
        for _, text, *_ in line:
            for character in text:
                cells -= self._chars_of("")[character].width
                if cells < 0:
                    return count
                count += 1
        return count


def _write_odd(cells: dict[int, Char], made: Sequence[Char], x: int, end: int) -> tuple[int, bool]:
    """Write characters of any width, as the toolkit does; the cell behind them, and whether one had no room."""
    for char in made:
        if char.width == 0:
            # It is drawn on the one before it: an accent, or a joiner of an emoji.
            before = x - 1
            while before in cells and cells[before] is _BEHIND_A_WIDE_ONE:
                before -= 1
            if before in cells:
                cells[before] = Char(cells[before].char + char.char, cells[before].style)
            continue
        if x + char.width > end:
            return x, True
        cells[x] = char
        for behind in range(x + 1, x + char.width):
            cells[behind] = _BEHIND_A_WIDE_ONE
        x += char.width
    return x, False
