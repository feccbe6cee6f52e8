"""What stands in for the web where the settings ask for none: nothing of what the web needs is imported then."""

import ssl


class NoWeb:
    """Listens nowhere; it does what `Web` does."""

    address: None = None
    port: None = None
    operator: None = None

    def change_tls(self, tls: ssl.SSLContext | None) -> None:
        """There is nobody to use the certificate."""

    async def start(self) -> None:
        """There is nothing to start."""

    def stop_listening(self) -> None:
        """Nothing listens."""

    async def close(self, within_seconds: float) -> None:
        """There is nobody to close."""
