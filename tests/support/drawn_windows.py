"""What a window of prompt_toolkit draws, without a terminal."""

from prompt_toolkit.application import Application, create_app_session
from prompt_toolkit.application.current import set_app
from prompt_toolkit.input import DummyInput
from prompt_toolkit.layout import Layout, Window
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition
from prompt_toolkit.output import DummyOutput


def drawn(window: Window, width: int = 40, height: int = 9) -> Screen:
    """What a window draws of a size, three cells from the left and two from the top."""
    screen, handlers = Screen(), MouseHandlers()
    with create_app_session(input=DummyInput(), output=DummyOutput()):
        app: Application[None] = Application(layout=Layout(window))
        with set_app(app):
            window.write_to_screen(screen, handlers, WritePosition(3, 2, width, height), "", False, None)
    return screen
