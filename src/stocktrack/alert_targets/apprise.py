"""The kind `apprise`: the addresses of Apprise, which knows the services of more than a hundred others.

Its library blocks and asks with `requests`, so that it runs in threads of the target's own; nothing can end one that
hangs, but it hangs alone.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import apprise

from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.alert_targets.under_way import UnderWay
from stocktrack.errors import ConfigError
from stocktrack.system.blocking import BlockingPool
from stocktrack.target_settings import AppriseSettings

AT_ONCE: Final = 2
_REMEMBERED = 1_000  # deliveries of which some addresses have taken theirs


class AppriseTarget:
    """A `Target`; `ConfigError` where Apprise does not know what an address is."""

    kind: Final = "apprise"
    at_once: Final = AT_ONCE

    def __init__(self, name: str, settings: AppriseSettings) -> None:
        self.name = name
        self._services = _services(name, settings)
        self._under_way = UnderWay(name, settings.timeout_seconds)
        self._pool = BlockingPool(f"Apprise to {name}", AT_ONCE)
        # A try that only some of the addresses took is made again, and not with those.
        self._taken: OrderedDict[str, set[int]] = OrderedDict()
        self._lock = threading.Lock()

    async def send(self, message: AlertMessage) -> None:
        """Return once each of the addresses has taken it, in this try or in one before."""
        missing = await self._under_way.run(lambda: self._pool.run(self._notify, message))
        if missing:
            which = f"{missing} of its {len(self._services)} addresses" if len(self._services) > 1 else "its address"
            raise TargetError(f"The target {self.name} was not told: {which} did not take it.")

    async def close(self) -> None:
        """Wait for nothing any more."""
        await self._under_way.close()
        self._pool.close()

    def _notify(self, message: AlertMessage) -> int:
        """How many of the addresses did not take it; in a thread."""
        with self._lock:
            taken = self._taken.setdefault(message.id, set())
            while len(self._taken) > _REMEMBERED:
                self._taken.popitem(last=False)
        for number, service in enumerate(self._services):
            # The title and the text are texts: whoever shows them as HTML has to escape them.
            if number not in taken and service.notify(
                body=message.text, title=message.title, body_format=apprise.NotifyFormat.TEXT, interpret_escapes=False
            ):
                taken.add(number)
        if len(taken) == len(self._services):
            with self._lock:
                self._taken.pop(message.id, None)
        return len(self._services) - len(taken)


def _services(name: str, settings: AppriseSettings) -> Sequence[apprise.Apprise]:
    asset = apprise.AppriseAsset(
        app_id="StockTrack",
        app_desc="StockTrack",
        # In our threads: those of Apprise's own pool would be waited for at exit.
        async_mode=False,
        service_timeout=0,
        http_redirects=False,
        # Nothing is kept on disk, and no address is written out.
        storage_mode="memory",
        secure_logging=True,
    )
    services = []
    for number, url in enumerate(settings.urls, start=1):
        service = apprise.Apprise.instantiate(url.get_secret_value(), asset=asset)
        if service is None:
            raise ConfigError(
                f"alert_targets.{name}.urls: Apprise cannot use number {number} of them; its documentation says how "
                "the addresses of each service are written."
            )
        for limit in ("socket_connect_timeout", "socket_read_timeout"):
            own = getattr(service, limit) or settings.timeout_seconds
            setattr(service, limit, min(own, settings.timeout_seconds))
        alone = apprise.Apprise(asset=asset)
        alone.add(service)
        services.append(alone)
    return services
