"""A real Redis server for tests: in a folder of its own, on a free port and a Unix socket, ended by its process id."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from killable import Killable
from patience import PATIENCE_SECONDS
from requirements import require

_HINT = "Redis's server (Debian: apt-get install redis-server)"


class RedisServer(Killable):
    """One server; it can be killed, paused and started again on the same port, and keeps nothing on disk."""

    def __init__(self, folder: Path, options: Sequence[str], password: str | None = None) -> None:
        self._options = options
        self._password = password
        self.folder = folder
        self.socket_path = folder / "redis.sock"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Its address, for `redis_url`."""
        login = f":{self._password}@" if self._password is not None else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        """The address of its Unix socket."""
        login = f":{self._password}@" if self._password is not None else ""
        return f"unix://{login}{self.socket_path}"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        settings = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--unixsocket": str(self.socket_path),
            "--dir": str(self.folder),
            "--save": "",
            "--appendonly": "no",
            "--enable-debug-command": "yes",
            "--loglevel": "warning",
        }
        arguments = [part for name, value in settings.items() for part in (name, value)]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - Debian's own program
                ["redis-server", *arguments, *self._options],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket_path))
                client.sendall(b"PING\r\n")
                if client.recv(100):  # +PONG, or that it wants a password
                    return
        raise RuntimeError(f"Redis did not start: {(self.folder / 'log').read_text()}")

    def command(self, *words: str) -> bytes:
        """Its raw answer to one command, as a program without any library would send it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_SECONDS)
            client.connect(str(self.socket_path))
            asked = [list(words)] if self._password is None else [["AUTH", self._password], list(words)]
            for each in asked:
                client.sendall(_encoded(each))
                answer = client.recv(1 << 20)
            return answer

    def stop(self) -> None:
        """End it in any case."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def _encoded(words: Sequence[str]) -> bytes:
    parts = (f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


@contextlib.contextmanager
def running_redis(*options: str, password: str | None = None) -> Iterator[RedisServer]:
    """A server with more `options` of its command line; it is stopped, and its folder removed, at the end."""
    require(shutil.which("redis-server") is not None, _HINT)
    folder = Path(tempfile.mkdtemp(prefix="stocktrack-redis-"))
    if password is not None:
        options = (*options, "--requirepass", password)
    try:
        server = RedisServer(folder, options, password)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
