"""The operator's, the user's and the administrator's commands as processes: users, login, sessions, kick, announce."""

import asyncio
import json
from pathlib import Path

from live_server import PASSWORD
from server_process import Finished, run_stocktrack, server_process

PASSWORD_LINE = f"{PASSWORD}\n".encode()
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there


async def test_login_stores_a_token_that_the_commands_use_until_it_is_revoked(tmp_path: Path) -> None:
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    assert added.code == 0, added.err
    async with server_process(tmp_path) as server:

        async def command(*arguments: str, stdin: bytes = b"") -> Finished:
            return await run_stocktrack(tmp_path, *arguments, "--port", str(server.port), stdin=stdin)

        wrong = await command("login", "--user", "ann", "--password-stdin", stdin=b"SeCrEt\n")
        assert (wrong.code, wrong.out) == (4, "")
        login = await command("login", "--user", "ann", "--password-stdin", "--days", "2", stdin=PASSWORD_LINE)
        assert (login.code, login.out) == (0, "")
        [file] = (tmp_path / "data").glob("*/tokens/*.json")
        token = json.loads(file.read_text())["token"]
        assert token not in login.err
        assert file.stat().st_mode & 0o777 == 0o600
        assert (await command("stocks")).code == 0

        revoked = await run_stocktrack(tmp_path, "users", "revoke", "ann")
        assert revoked.code == 0
        refused = await command("stocks")
        assert refused.code == 4
        assert "stocktrack login" in refused.err
        assert (await command("logout")).err.endswith("was removed.\n")
        assert (await command("logout")).err.startswith("stocktrack: There is no token")
        assert (await command("stocks")).code == 4
        assert token not in server.text


async def test_users_token_prints_the_token_alone_and_it_logs_in(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    made = await run_stocktrack(tmp_path, "users", "token", "ann", "--days", "3")
    assert made.code == 0
    [token] = made.out.splitlines()
    assert token not in made.err
    async with server_process(tmp_path) as server:
        client = await server.connect()
        reply = await client.ask({"type": "AUTH", "token": token})
        assert (reply["code"], reply["username"]) == (200, "ann")
        await client.close()
        assert token not in server.text
    for arguments, code in ((("nobody",), 1), (("ann", "--days", "0"), 2), (("ann", "--days", "366"), 2)):
        refused = await run_stocktrack(tmp_path, "users", "token", *arguments)
        assert (refused.code, refused.out) == (code, "")


async def test_a_weak_secret_is_told_on_loopback_and_ends_the_command_on_a_network(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    await run_stocktrack(tmp_path, "users", "token", "ann")
    [secret] = (tmp_path / "data").glob("*/token.secret")
    secret.chmod(0o644)
    told = await run_stocktrack(tmp_path, "users", "token", "ann")
    assert told.code == 0
    assert "can be read by others" in told.err
    assert len(told.out.splitlines()) == 1
    for command in (("users", "token", "ann"), ("serve", "--provider", "simulated")):
        refused = await run_stocktrack(tmp_path, *command, STOCKTRACK_HOST=EVERYWHERE)
        assert (refused.code, refused.out) == (1, ""), command
        assert "can be read by others" in refused.err
        assert secret.read_text().strip() not in refused.err


async def test_an_administrator_manages_sessions_and_others_are_refused(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "root", "--admin", "--password-stdin", stdin=PASSWORD_LINE)
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    async with server_process(tmp_path) as server:
        ann = await server.log_in("ann")

        async def command(*arguments: str) -> Finished:
            return await run_stocktrack(
                tmp_path,
                *(*arguments, "--port", str(server.port)),
                STOCKTRACK_USER="root",
                STOCKTRACK_PASSWORD=PASSWORD,
            )

        listed = await command("sessions", "--json")
        assert listed.code == 0, listed.err
        sessions = json.loads(listed.out)
        assert [session["username"] for session in sessions] == ["ann", "root"]
        rows = (await command("sessions")).out.splitlines()
        assert rows[0].split("\t")[:4] == [sessions[0]["session"], "ann", "127.0.0.1", "tcp"]

        told = await command("announce", "Lunch at noon.")
        assert told.err == "stocktrack: 2 sessions were told.\n"
        notice = await ann.receive_until("NOTICE")
        assert (notice["reason"], notice["message"]) == ("announcement", "Lunch at noon.")
        kicked = await command("kick", sessions[0]["session"])
        assert kicked.code == 0, kicked.err
        assert [line["reason"] for line in await ann.rest() if line["type"] == "NOTICE"] == ["not_permitted"]
        assert (await command("kick", "s4711")).code == 2

        demoted = await run_stocktrack(tmp_path, "users", "admin", "root", "off")
        assert demoted.code == 0
        for arguments in (("sessions",), ("kick", "s1"), ("announce", "x")):
            refused = await command(*arguments)
            assert (refused.code, refused.out) == (4, ""), arguments
        await ann.close()
    users = await run_stocktrack(tmp_path, "users", "list", "--json")
    assert [(user["name"], user["is_admin"]) for user in json.loads(users.out)] == [("ann", False), ("root", False)]


async def test_an_allowlist_on_a_network_is_a_setting_that_is_wrong_unless_forced(tmp_path: Path) -> None:
    check = ("config", "check")
    refused, forced = await asyncio.gather(
        run_stocktrack(tmp_path, *check, STOCKTRACK_ALLOWLIST="ann", STOCKTRACK_HOST=EVERYWHERE),
        run_stocktrack(
            tmp_path,
            *check,
            STOCKTRACK_ALLOWLIST="ann",
            STOCKTRACK_HOST=EVERYWHERE,
            STOCKTRACK_ALLOWLIST_FORCE="true",
        ),
    )
    assert refused.code == 1
    assert "allowlist_force = true" in refused.err
    assert forced.code == 0, forced.err
