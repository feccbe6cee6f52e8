"""Real reverse proxies with the configurations of docs/operations.md, on free ports before a server of a test.

async with reverse_proxy("nginx", tmp_path, web_port=server.app.web.port) as proxy:
    ... proxy.web_port ...
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from certificates import AUTHORITY, trusting
from patience import PATIENCE_SECONDS
from requirements import require_program

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
NAME = "quotes.example"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy listens."""

    web_port: int
    lines_port: int | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        """What trusts its certificate."""
        return trusting()


def snippet(language: str) -> str:
    """The configuration in this language that the page for operators shows."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """The text with each first replaced by its second: each must be there."""
    for old, new in pairs:
        assert old in text, f"the page shows no {old!r}"
        text = text.replace(old, new)
    return text


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago: these programs take no port 0."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def reverse_proxy(program: str, folder: Path, *, web_port: int, port: int | None = None) -> AsyncIterator[Proxy]:
    """One of nginx, caddy and haproxy before these ports of the server; it is ended afterwards."""
    leaf = trustme.CA.issue_cert(AUTHORITY, NAME)
    cert, key, both = folder / "quotes.pem", folder / "quotes.key", folder / "both.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(key))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(both))
    web = ("127.0.0.1:8080", f"127.0.0.1:{web_port}")
    config, pid_file = folder / f"{program}.conf", folder / f"{program}.pid"
    proxy = Proxy(free_port(), free_port() if port is not None else None)
    match program:
        case "nginx":
            require_program("nginx")
            rules = replaced(
                snippet("nginx"),
                web,
                ("listen 443 ssl", f"listen 127.0.0.1:{proxy.web_port} ssl"),
                ("/etc/ssl/quotes.pem", str(cert)),
                ("/etc/ssl/quotes.key", str(key)),
            )
            temporary = "".join(
                f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            user = "user root;" if os.geteuid() == 0 else ""
            config.write_text(f"{user} pid {pid_file}; events {{}} http {{ access_log off; {temporary}\n{rules} }}")
            command = ["nginx", "-c", str(config), "-e", str(folder / "error.log")]
        case "caddy":
            require_program("caddy")
            rules = replaced(
                snippet("caddyfile"), web, (f"{NAME} {{", f"https://{NAME}:{proxy.web_port} {{\n    tls {cert} {key}")
            )
            config.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{rules}")
            command = ["caddy", "start", "--config", str(config), "--adapter", "caddyfile", "--pidfile", str(pid_file)]
        case _:
            require_program("haproxy")
            rules = replaced(
                snippet("haproxy"),
                web,
                ("127.0.0.1:65432", f"127.0.0.1:{port}"),
                ("bind :443", f"bind 127.0.0.1:{proxy.web_port}"),
                ("bind :65433", f"bind 127.0.0.1:{proxy.lines_port}"),
                ("/etc/haproxy/quotes.pem", str(both)),
            )
            config.write_text(rules)
            command = ["haproxy", "-f", str(config), "-D", "-p", str(pid_file)]
    # Each goes into the background when it listens.
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    starting = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=None
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await starting.wait() == 0
    try:
        yield proxy
    finally:
        await _end(int(pid_file.read_text()))


async def _end(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
