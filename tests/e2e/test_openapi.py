"""The OpenAPI description against the real server: schemathesis asks whatever it allows and forbids, a thousand times.

The curls of the page /docs run here too, as somebody would copy them.
"""

import asyncio
import html
import json
import os
import re
from pathlib import Path

from live_server import PASSWORD
from patient_http import patient_http
from requirements import require, require_program
from server_process import ServerProcess, run_stocktrack, server_process

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "tools" / "clients"
SCHEMATHESIS = ROOT / ".clients" / "schemathesis" / "bin" / "schemathesis"
# None that an example of the description has: else the examples would change it.
FUZZ_PASSWORD = "SeCrEt of whoever fuzzes"
WEB = {"STOCKTRACK_WEB_PORT": "0", "STOCKTRACK_CHAT": "true"}
# What is tested is not that there are limits.
UNLIMITED = {
    **WEB,
    "STOCKTRACK_COMMANDS_PER_SECOND": "1000000",
    "STOCKTRACK_COMMAND_BURST": "1000000",
    "STOCKTRACK_USER_UPSTREAM_REQUESTS_PER_MINUTE": "1000000",
    "STOCKTRACK_USER_UPSTREAM_BURST": "1000000",
    "STOCKTRACK_LOGIN_FAILURES_PER_MINUTE": "1000000",
}
# Of each operation and kind of test; together with the examples and the edges of each parameter well over a thousand.
EXAMPLES = 10
MOST_SECONDS = 150.0


async def url_of(server: ServerProcess) -> str:
    """Where its web port is."""
    return str((await server.logged("ready"))["page"]).rstrip("/")


async def test_a_thousand_requests_by_the_description_find_nothing_that_it_does_not_say(tmp_path: Path) -> None:
    require(SCHEMATHESIS.exists(), "schemathesis (`make clients` makes .clients/schemathesis)")
    home = tmp_path / "server"
    home.mkdir()
    for user in ("fuzz", "spent"):
        added = await run_stocktrack(
            home, "users", "add", user, "--password-stdin", stdin=f"{FUZZ_PASSWORD}\n".encode(), **UNLIMITED
        )
        assert added.code == 0, added.err
    async with server_process(home, **UNLIMITED) as server:
        url = await url_of(server)
        process = await asyncio.create_subprocess_exec(
            *(str(SCHEMATHESIS), "--config-file", str(SETTINGS / "schemathesis.toml"), "run"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", f"{url}/openapi.json"),
            cwd=tmp_path,
            env={
                **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                "HOME": str(tmp_path),
                "NO_COLOR": "1",
                "PYTHONPATH": str(SETTINGS),
                "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
                "STOCKTRACK_TEST_URL": url,
                "STOCKTRACK_TEST_USER": "fuzz",
                "STOCKTRACK_TEST_OTHER_USER": "spent",
                "STOCKTRACK_TEST_PASSWORD": FUZZ_PASSWORD,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(MOST_SECONDS):
                told = (await process.stdout.read()).decode(errors="replace")
                code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert code == 0, told
        counted = re.search(r"(\d+) generated", told)
        assert counted is not None, told
        assert int(counted[1]) >= 1_000, told
        assert not [entry for entry in server.log if entry.get("level") in {"error", "critical"}]


async def test_the_curls_of_the_page_run_as_they_are(tmp_path: Path) -> None:
    require_program("curl")
    program = require_program("bash")
    await run_stocktrack(tmp_path, "users", "add", "ann", "--admin", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    async with server_process(tmp_path, **WEB) as server, patient_http() as http:
        url = await url_of(server)
        page = (await http.get(f"{url}/docs")).text
        openapi = (await http.get(f"{url}/openapi.json")).json()
        commands = [html.unescape(text) for text in re.findall(r'<pre class="command"><code>(.*?)</code></pre>', page)]
        first_steps, *others = commands
        assert len(others) == sum(len(operations) for operations in openapi["paths"].values())
        # What changes something is left out, a stream, which has no end, and tables.
        others = [command for command in others if not re.search(r"/stream|\.csv", command)]
        reading = [command for command in others if command.startswith("curl -s '")]
        assert len(reading) >= 11
        script = "\n".join([first_steps, *(f"{command}; echo" for command in reading)])
        process = await asyncio.create_subprocess_exec(
            *(str(program), "-c", script),
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        answers = [json.loads(line) for line in out.decode().splitlines()]
        assert len(answers) == len(reading)
        assert [answer for answer in answers if answer.get("code") != 200] == []
