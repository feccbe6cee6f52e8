"""A topic of a Kafka broker, as an address names it; pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORT: Final = 9_092


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, and the broker to ask for the others of its cluster; `str` of it is its address."""

    host: str
    port: int
    name: str

    @classmethod
    def at(cls, url: str) -> "Topic":
        """The topic at an address that the settings have checked."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or DEFAULT_PORT, parts.path.strip("/"))

    @property
    def broker(self) -> str:
        """The broker's host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"kafka://{self.broker}/{self.name}"
