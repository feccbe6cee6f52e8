"""The kind `webhook`: the message as JSON to an address of the operator's, signed with a secret that both know."""

import hashlib
import hmac
from typing import Final

from stocktrack.alert_targets.base import AlertMessage
from stocktrack.alert_targets.posting import AT_ONCE, Post
from stocktrack.clock import Clock
from stocktrack.target_settings import WebhookSettings

SIGNATURE_HEADER: Final = "X-StockTrack-Signature"
DELIVERY_HEADER: Final = "X-StockTrack-Delivery"


class WebhookTarget:
    """A `Target`."""

    kind: Final = "webhook"
    at_once: Final = AT_ONCE

    def __init__(self, name: str, settings: WebhookSettings, clock: Clock) -> None:
        self.name = name
        self._secret = settings.secret
        self._post = Post(
            name,
            settings.url.get_secret_value(),
            timeout_seconds=settings.timeout_seconds,
            clock=clock,
            ca_file=settings.ca_file,
        )

    async def send(self, message: AlertMessage) -> None:
        """Return once the address has answered with a status of success."""
        body = message.body()
        headers = {DELIVERY_HEADER: message.id}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = signature(body, self._secret.get_secret_value())
        await self._post.send(body, headers)

    async def close(self) -> None:
        """Break off what is under way."""
        await self._post.close()


def signature(body: bytes, secret: str) -> str:
    """What the header says of a body: `sha256=` and the HMAC-SHA256 of its bytes, in hexadecimal digits."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
