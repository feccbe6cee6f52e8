"""The operator's, the user's and the administrator's commands as processes: users, login, sessions, kick, announce."""

import asyncio
import json
import stat
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
        empty = await command("login", "--user", "ann", "--password-stdin")
        assert empty == Finished(2, "", "stocktrack: No password on standard input.\n")
        login = await command("login", "--user", "ann", "--password-stdin", "--days", "2", stdin=PASSWORD_LINE)
        assert (login.code, login.out) == (0, "")
        [file] = (tmp_path / "data").glob("*/tokens/*.json")
        token = json.loads(file.read_text())["token"]
        assert token not in login.err
        assert file.stat().st_mode & 0o777 == 0o600
        assert (await command("stocks")).code == 0

        [listed] = (await command("tokens")).out.splitlines()
        token_id, name, scope, *_ = listed.split("\t")
        assert (name.startswith("login on"), scope) == (True, "full")
        assert json.loads((await command("tokens", "--json")).out)["tokens"][0]["token_id"] == token_id

        revoked = await run_stocktrack(tmp_path, "users", "revoke", "ann")
        assert revoked.code == 0
        refused = await command("stocks")
        assert refused.code == 4
        assert "stocktrack login" in refused.err
        assert (await command("logout")).err.endswith("was removed.\n")
        assert (await command("logout")).err.startswith("stocktrack: There is no token")
        assert (await command("stocks")).code == 4
        assert token not in server.text


async def test_logout_ends_the_token_at_the_server_too_and_says_where_it_cannot(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    async with server_process(tmp_path) as server:
        port = ("--port", str(server.port))
        login = ("login", "--user", "ann", "--password-stdin", *port)
        for _ in range(2):
            assert (await run_stocktrack(tmp_path, *login, stdin=PASSWORD_LINE)).code == 0
        assert (await run_stocktrack(tmp_path, "logout", *port)).code == 0
        listed = await run_stocktrack(tmp_path, "users", "tokens", "ann", "--json")
        assert len(json.loads(listed.out)) == 1  # the first one, whose file the second login has overwritten
        assert (await run_stocktrack(tmp_path, *login, stdin=PASSWORD_LINE)).code == 0
    gone = await run_stocktrack(tmp_path, "logout", *port)
    assert gone.code == 0
    assert "was removed" in gone.err
    assert "was not ended there" in gone.err


async def test_a_user_makes_lists_and_ends_tokens_and_changes_the_password(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    async with server_process(tmp_path) as server:

        async def command(*arguments: str, password: str = PASSWORD, stdin: bytes = b"") -> Finished:
            return await run_stocktrack(
                tmp_path,
                *(*arguments, "--port", str(server.port)),
                stdin=stdin,
                STOCKTRACK_USER="ann",
                STOCKTRACK_PASSWORD=password,
            )

        made = await command("token", "--name", "board", "--scope", "read")
        assert (made.code, made.out.count("\n")) == (0, 1)
        board = await server.connect()
        reply = await board.ask({"type": "AUTH", "token": made.out.strip()})
        assert reply["scope"] == "read"
        assert (await command("revoke")).code == 2
        assert (await command("revoke", "k1", "--all")).code == 2
        assert (await command("revoke", "k1")).code == 2
        revoked = await command("revoke", reply["token_id"])
        assert (revoked.code, revoked.err) == (0, f"stocktrack: The token {reply['token_id']} was revoked.\n")
        assert (await board.rest())[-1]["reason"] == "not_authenticated"
        await board.close()
        assert (await command("tokens")) == Finished(0, "", "")

        new = f"{PASSWORD} two"
        changed = await command("password", "--password-stdin", stdin=f"{PASSWORD}\n{new}\n".encode())
        assert changed.code == 0, changed.err
        assert (await command("tokens")).code == 4
        assert (await command("token", "--name", "=1+1", password=new)).code == 0
        own = await command("tokens", password=new)
        listed = await run_stocktrack(tmp_path, "users", "tokens", "ann")
        assert [each.out.split("\t")[1] for each in (own, listed)] == ["'=1+1", "'=1+1"]  # no spreadsheet runs it


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


async def test_a_secret_that_others_can_read_is_mended_on_loopback_and_ends_the_command_on_a_network(
    tmp_path: Path,
) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD_LINE)
    await run_stocktrack(tmp_path, "users", "token", "ann")
    [secret] = (tmp_path / "data").glob("*/token.secret")
    secret.chmod(0o644)
    told = await run_stocktrack(tmp_path, "users", "token", "ann")
    assert told.code == 0
    assert "can be read by others" in told.err
    assert len(told.out.splitlines()) == 1
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    secret.chmod(0o644)
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
        assert (await command("kick")).code == 2
        anew = await server.log_in("ann")
        assert (await command("kick", "--all-of", "ann")).err == "stocktrack: 1 session of ann was ended.\n"
        assert (await anew.rest())[-1]["reason"] == "not_permitted"
        await anew.close()

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
