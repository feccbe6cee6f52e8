"""`stocktrack say` and `mute`, what `watch` shows of a chat, and who is muted by `users list`, as processes."""

import asyncio
import json
from pathlib import Path

from live_server import PASSWORD
from server_process import STOCKTRACK, Finished, environment, run_stocktrack, server_process

PASSWORD_LINE = f"{PASSWORD}\n".encode()


async def add_users(home: Path) -> None:
    for name, *admin in (("root", "--admin"), ("ann",)):
        added = await run_stocktrack(home, "users", "add", name, *admin, "--password-stdin", stdin=PASSWORD_LINE)
        assert added.code == 0, added.err


async def test_words_are_said_and_a_user_is_muted_from_a_shell(tmp_path: Path) -> None:
    await add_users(tmp_path)
    async with server_process(tmp_path, STOCKTRACK_CHAT="true") as server:

        async def command(user: str, *arguments: str) -> Finished:
            return await run_stocktrack(
                tmp_path,
                *(*arguments, "--port", str(server.port)),
                STOCKTRACK_USER=user,
                STOCKTRACK_PASSWORD=PASSWORD,
            )

        listener = await server.log_in("root")
        told = await command("ann", "say", "What", "a day!")
        assert (told.code, told.out, told.err) == (0, "", "stocktrack: 1 session will hear it.\n")
        assert (await listener.receive_until("SAID"))["text"] == "What a day!"
        alone = await command("ann", "say", "--symbol", "aapl", "--json", "x")
        assert (json.loads(alone.out)["recipients"], alone.code) == (0, 0)
        # At another worker there may be somebody who does.
        alone = await command("ann", "say", "--symbol", "aapl", "x")
        assert alone.err == "stocktrack: Nobody at this server hears it.\n"
        assert (await command("ann", "say", "x" * 501)).code == 2
        nothing = await command("ann", "say", " ")
        assert (nothing.code, "There is nothing to say." in nothing.err) == (2, True)

        assert (await command("ann", "mute", "root")).code == 4
        unknown = await command("root", "mute", "Mallory")
        assert (unknown.code, unknown.err) == (2, "stocktrack: There is no user 'Mallory'.\n")
        assert (await command("root", "mute", "ann", "--minutes", "-1")).code == 2
        muted = await command("root", "mute", "ann", "--minutes", "5")
        assert muted.code == 0
        assert muted.err.startswith("stocktrack: ann is muted until 2")
        refused = await command("ann", "say", "x")
        assert refused.code == 4
        assert "muted you until" in refused.err
        rows = (await run_stocktrack(tmp_path, "users", "list")).out.splitlines()
        assert ["muted until" in row for row in rows] == [True, False]
        listed = json.loads((await run_stocktrack(tmp_path, "users", "list", "--json")).out)
        assert [user["muted_until"] is not None for user in listed] == [True, False]
        lifted = await command("root", "mute", "ann", "--minutes", "0")
        assert lifted.err == "stocktrack: ann may talk again.\n"
        assert (await command("ann", "say", "x")).code == 0
        rows = (await run_stocktrack(tmp_path, "users", "list")).out.splitlines()
        assert not any("muted" in row for row in rows)
        await listener.close()


async def test_where_chat_is_off_say_names_the_reason(tmp_path: Path) -> None:
    await add_users(tmp_path)
    async with server_process(tmp_path) as server:
        refused = await run_stocktrack(
            tmp_path, "say", "x", "--port", str(server.port), STOCKTRACK_USER="ann", STOCKTRACK_PASSWORD=PASSWORD
        )
        assert refused.code == 3
        assert refused.err == "stocktrack: The operator of this server has switched chat off.\n"
        refused = await run_stocktrack(
            *(tmp_path, "say", "x", "--json", "--port", str(server.port)),
            STOCKTRACK_USER="ann",
            STOCKTRACK_PASSWORD=PASSWORD,
        )
        assert (refused.code, json.loads(refused.out)["reason"]) == (3, "not_offered")


async def test_watch_shows_what_is_said_on_standard_error_and_jsonl_as_a_line(tmp_path: Path) -> None:
    await add_users(tmp_path)
    async with server_process(tmp_path, STOCKTRACK_CHAT="true") as server:
        talker = await server.log_in("root")

        async def watching(*options: str) -> asyncio.subprocess.Process:
            process = await asyncio.create_subprocess_exec(
                *(*STOCKTRACK, "watch", "AAPL", "--port", str(server.port), *options),
                env=environment(tmp_path, STOCKTRACK_USER="ann", STOCKTRACK_PASSWORD=PASSWORD),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            assert await process.stdout.readline()  # the first price
            return process

        plain = await watching()
        lines = await watching("--jsonl")
        try:
            said = await talker.ask({"type": "SAY", "symbol": "AAPL", "text": "What a day! <b>"})
            assert said["recipients"] == 2
            assert plain.stderr is not None
            assert await plain.stderr.readline() == b"stocktrack: root (AAPL): What a day! <b>\n"
            assert lines.stdout is not None
            while (line := json.loads(await lines.stdout.readline()))["type"] != "SAID":
                assert line["type"] == "PRICE"
            assert (line["username"], line["symbol"], line["text"]) == ("root", "AAPL", "What a day! <b>")
        finally:
            for process in (plain, lines):
                process.terminate()
                await process.communicate()
        await talker.close()
