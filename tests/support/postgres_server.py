"""A real PostgreSQL server for tests: its own folder, a free port, an unprivileged user, ended by its process id."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import asyncpg
from sqlalchemy.engine import URL

from patience import PATIENCE_SECONDS
from requirements import require

USER, PASSWORD = "stocktrack", "pg secret: 7 words"
_HINT = "PostgreSQL's server programs (Debian: apt-get install postgresql)"


class PostgresServer:
    """One server on its folder; it can be stopped and started again on the same port."""

    def __init__(self, programs: Path, folder: Path, become: dict[str, Any]) -> None:
        self._programs = programs
        self.folder = folder
        self._become = become
        self._process: subprocess.Popen[str] | None = None
        self._log_reader = threading.Thread()
        self._databases = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def pid(self) -> int:
        """The process that all others of this server are children of."""
        assert self._process is not None
        return self._process.pid

    def make(self) -> None:
        """Make the folder's content."""
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD, encoding="utf-8")
        if self._become:
            os.chown(password_file, self._become["user"], self._become["group"])
        options = ["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", f"--username={USER}"]
        subprocess.run(  # noqa: S603 - Debian's own program
            [self._programs / "initdb", *options, f"--pwfile={password_file}", "-D", self.folder / "data"],
            check=True,
            capture_output=True,
            cwd=self.folder,
            timeout=PATIENCE_SECONDS,
            **self._become,
        )

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",  # the machine does not lose its power in these tests
            "max_connections": 40,
            "log_min_messages": "log",
            "lc_messages": "C",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = process = subprocess.Popen(  # noqa: S603 - Debian's own program
            [self._programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            **self._become,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError("PostgreSQL did not start")
        # Whatever it says later is thrown away, so that it never waits for somebody to read it.
        self._log_reader = threading.Thread(target=_read_to_the_end, args=(process.stderr,), name="PostgreSQL's log")
        self._log_reader.start()

    def stop(self) -> None:
        """Stop it as an administrator would who is in a hurry: its clients are disconnected."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._log_reader.join(PATIENCE_SECONDS)

    def url(self, database: str, *, password: str = PASSWORD, **query: str) -> str:
        """The address of a database, for `database_url`."""
        url = URL.create("postgresql", USER, password, "127.0.0.1", self.port, database, query)
        return url.render_as_string(hide_password=False)

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the administrator."""
        connection = await self.connect(database)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def connect(self, database: str = "postgres") -> Any:
        """A connection of another program's, for the caller to close."""
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, database=database, timeout=PATIENCE_SECONDS
        )

    async def new_database(self) -> str:
        """The name of a new, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        await self.execute(f"CREATE DATABASE {name}")
        return name


def _read_to_the_end(log: IO[str]) -> None:
    with log:
        log.read()


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that is stopped, and whose folder is removed, at the end."""
    programs = _programs()
    require(programs is not None, _HINT)
    folder = Path(tempfile.mkdtemp(prefix="stocktrack-pg-"))
    try:
        server = PostgresServer(Path(str(programs)), folder, _unprivileged(folder))
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """The folder of `initdb` and `postgres`: on PATH, or the newest of Debian's."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """What makes a child process another user's where this one is root's: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
