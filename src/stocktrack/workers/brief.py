"""What a child is started with: which process it is, and which settings it runs by."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stocktrack.config import LoadedSettings, Settings, load_settings

# What the parent has settled once for all: a child that is started again later has the same.
_SETTLED = ("host", "redis_url", "metrics_host", "database_url", "workers")


@dataclass(frozen=True, slots=True)
class Brief:
    """A child by its name, such as "worker 1", and what it does.

    Its settings are read again, as the parent read them, and then `settled` over them.
    """

    name: str
    role: Literal["worker", "feed"]
    flags: Mapping[str, Any]
    config_file: str | None
    settled: Mapping[str, Any]
    is_first: bool = False

    def values(self) -> dict[str, Any]:
        """As plain values, which `Brief(**values)` reads back."""
        return dataclasses.asdict(self)

    def load(self) -> LoadedSettings:
        """The child's settings as they are written at this moment."""
        return settled(load(self.flags, self.config_file), self.settled)


def load(flags: Mapping[str, Any], config_file: str | None) -> LoadedSettings:
    """The settings of all of them, before anything is settled."""
    return load_settings(flags, config_file=None if config_file is None else Path(config_file), is_for_redis=True)


def settled(loaded: LoadedSettings, values: Mapping[str, Any]) -> LoadedSettings:
    """The settings with other values, which JSON may have carried."""
    update = {
        name: tuple(value) if isinstance(value, list) else Path(value) if name == "data_dir" else value
        for name, value in values.items()
    }
    return dataclasses.replace(loaded, settings=loaded.settings.model_copy(update=update))


def briefs(
    settings: Settings, flags: Mapping[str, Any], config_file: str | None, ports: Mapping[str, int | None]
) -> list[Brief]:
    """The children of a server: a feed for the market's sources, where there are any but Redis, and the workers.

    `ports` are those that the parent has reserved.
    """
    common = {name: getattr(settings, name) for name in _SETTLED} | {"data_dir": str(settings.data_dir)}
    children = []
    sources = tuple(name for name in settings.providers if name != "redis")
    if sources:
        # What goes out beside prices to clients goes out once.
        values = {**common, "providers": sources, "metrics_port": None}
        children.append(Brief("feed", "feed", flags, config_file, values))
    values = {**common, **ports, "providers": ("redis",), "publish_to": ()}
    children += [
        Brief(f"worker {number}", "worker", flags, config_file, values, is_first=number == 1)
        for number in range(1, settings.workers + 1)
    ]
    return children
