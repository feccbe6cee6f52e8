"""The kind `ntfy`: a note to whoever has subscribed to a topic of ntfy, as https://docs.ntfy.sh/publish/ describes it.

It is published as JSON to the server's root, where the topic and all texts stand in the body: in the form with a path
they would stand in headers.
"""

from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from stocktrack.alert_targets.base import AlertMessage, as_json
from stocktrack.alert_targets.posting import AT_ONCE, Post
from stocktrack.clock import Clock
from stocktrack.target_settings import NtfySettings

TAGS: Final = ("chart_with_upwards_trend",)  # ntfy draws it before the title


class NtfyTarget:
    """A `Target`."""

    kind: Final = "ntfy"
    at_once: Final = AT_ONCE

    def __init__(self, name: str, settings: NtfySettings, clock: Clock) -> None:
        self.name = name
        server, self._topic = server_and_topic(settings.url.get_secret_value())
        self._priority = {} if settings.priority is None else {"priority": settings.priority}
        self._headers = {}
        auth = None
        if settings.token is not None:
            self._headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
        elif settings.username is not None and settings.password is not None:
            auth = (settings.username, settings.password.get_secret_value())
        self._post = Post(
            name, server, timeout_seconds=settings.timeout_seconds, clock=clock, ca_file=settings.ca_file, auth=auth
        )

    async def send(self, message: AlertMessage) -> None:
        """Return once the server has taken it; a phone gets it when it can be reached."""
        note: dict[str, Any] = {
            "topic": self._topic,
            "title": message.title,
            "message": message.text,
            "tags": TAGS,
            **self._priority,
            # Since ntfy 2.16 a second message of the same id takes the place of the first; before, it is not read.
            "sequence_id": message.id,
        }
        await self._post.send(as_json(note), self._headers)

    async def close(self) -> None:
        """Break off what is under way."""
        await self._post.close()


def server_and_topic(url: str) -> tuple[str, str]:
    """The address of the server's root, and the topic, which is the last part of the path."""
    parts = urlsplit(url)
    root, _, topic = parts.path.rstrip("/").rpartition("/")
    return urlunsplit((parts.scheme, parts.netloc, f"{root}/", "", "")), unquote(topic)
