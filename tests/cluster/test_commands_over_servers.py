"""SESSIONS, KICK and ANNOUNCE over two servers at one Redis, and what they say where one is missing."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from clusters import bus_of, told, two_servers, until_joined
from fakes import ScriptedProvider
from live_server import PASSWORD, live_server, until
from redis_server import RedisServer, running_redis
from server_process import run_stocktrack
from stocktrack.clock import ManualClock
from stocktrack.cluster import administration

NEVER_MS = "9999999999999"


async def test_sessions_are_those_of_all_servers_under_names_of_their_own(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann = await one.log_in()
        await two.log_in("bob")
        await two.log_in("bob")

        reply = await ann.ask({"type": "SESSIONS"})

        names = [each["session"] for each in reply["sessions"]]
        expected = {f"s1-{bus_of(one).name}", f"s1-{bus_of(two).name}", f"s2-{bus_of(two).name}"}
        assert set(names) == expected
        assert (reply["count"], reply["more"], "partial" in reply) == (3, False, False)


async def test_pages_go_from_server_to_server_and_on_from_a_session_that_is_gone(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann = await one.log_in()
        for server in (one, two):
            for _ in range(4):
                await server.log_in("bob")
        whole = [each["session"] for each in (await ann.ask({"type": "SESSIONS"}))["sessions"]]
        monkeypatch.setattr(administration, "PAGE_BYTES", 400)

        names: list[str] = []
        reply = await ann.ask({"type": "SESSIONS"})
        pages = 1
        while reply["more"]:
            names += [each["session"] for each in reply["sessions"]]
            reply = await ann.ask({"type": "SESSIONS", "after": names[-1]})
            pages += 1
        names += [each["session"] for each in reply["sessions"]]

        assert names == whole
        assert pages >= 3
        kicked = next(name for name in whole[1:] if name != f"s1-{bus_of(one).name}")
        assert (await ann.ask({"type": "KICK", "session": kicked}))["code"] == 200
        monkeypatch.undo()
        after = await ann.ask({"type": "SESSIONS", "after": kicked})
        assert [each["session"] for each in after["sessions"]] == whole[whole.index(kicked) + 1 :]


async def test_users_have_the_sessions_of_all_servers_together(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann = await one.log_in()
        for server in (one, two, two):
            await server.log_in("bob")
        reply = await ann.ask({"type": "USERS"})
        assert [(user["username"], user["sessions"]) for user in reply["users"]] == [("ann", 1), ("bob", 3)]
        assert "partial" not in reply
        redis.command("HSET", "stocktrack:servers", "stuck", f'{NEVER_MS} {{"host":"web9","pid":7}}')
        reply = await ann.ask({"type": "USERS"})
        assert [user["sessions"] for user in reply["users"]] == [1, 3]
        assert reply["partial"]
        assert "stuck, process 7 on web9" in reply["message"]


async def test_brief_sessions_of_other_servers_have_no_names_of_symbols(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann, bob = await one.log_in(), await two.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "save": False})
        listed = (await ann.ask({"type": "SESSIONS"}))["sessions"]
        brief = (await ann.ask({"type": "SESSIONS", "brief": True}))["sessions"]
        assert sorted(each["symbols"] for each in listed) == [[], ["AAPL"]]
        assert sorted((each["symbols"], each["symbol_count"]) for each in brief) == [([], 0), ([], 1)]


async def test_kick_ends_a_session_of_another_server_and_both_trails_tell_of_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann, bob = await one.log_in(), await two.log_in("bob")
        name = f"s1-{bus_of(two).name}"
        with capture_logs() as logs:
            reply = await ann.ask({"type": "KICK", "session": name})

        assert (reply["code"], reply["username"], reply["count"]) == (200, "bob", 1)
        assert (await bob.rest())[-1]["reason"] == "not_permitted"
        kicked = [entry for entry in logs if entry["event"] == "session_kicked"]
        assert [(entry["session"], entry["by"], entry["user"], entry.get("server")) for entry in kicked] == [
            (name, "ann", "bob", None),
            (name, "ann", "bob", bus_of(two).name),
        ]


@pytest.mark.parametrize("session", ["s9-{two}", "s1-zzzzz", "s1", "s1-{one}"])
async def test_a_session_that_is_nowhere_or_the_own_one_cannot_be_kicked(
    session: str, redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann = await one.log_in()
        name = session.format(one=bus_of(one).name, two=bus_of(two).name)
        reply = await ann.ask({"type": "KICK", "session": name})
        assert (reply["code"], reply["reason"]) == (400, "invalid_command")
        assert (await ann.ask({"type": "PING"}))["code"] == 200


async def test_kick_of_a_user_ends_the_sessions_at_all_servers_but_the_own_one(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann, others = await one.log_in(), [await one.log_in(), await two.log_in(), await two.log_in()]
        reply = await ann.ask({"type": "KICK", "username": "ann"})
        assert (reply["code"], reply["count"]) == (200, 3)
        for other in others:
            assert (await other.rest())[-1]["reason"] == "not_permitted"
        assert (await ann.ask({"type": "KICK", "username": "bob"}))["code"] == 400


async def test_who_is_no_administrator_reaches_nobody(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        bob, ann = await one.log_in("bob"), await two.log_in()
        reply = await bob.ask({"type": "KICK", "session": f"s1-{bus_of(two).name}"})
        assert (reply["code"], reply["reason"]) == (401, "not_permitted")
        assert (await ann.ask({"type": "PING"}))["code"] == 200


async def test_an_announcement_reaches_the_sessions_of_all(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        ann, bob = await one.log_in(), await two.log_in("bob")
        reply = await ann.ask({"type": "ANNOUNCE", "text": "At noon."})
        assert (reply["code"], reply["recipients"], "partial" in reply) == (200, 2, False)
        assert (await told(bob, "announcement"))["message"] == "At noon."


async def test_a_server_that_does_not_answer_is_named_and_not_waited_for(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, _):
        ann = await one.log_in()
        redis.command("HSET", "stocktrack:servers", "stuck", f'{NEVER_MS} {{"host":"web9","pid":7}}')
        told_all = await ann.ask({"type": "ANNOUNCE", "text": "At noon."})
        kicked = await ann.ask({"type": "KICK", "session": "s1-stuck"})
    assert (told_all["code"], told_all["recipients"], told_all["partial"]) == (200, 1, True)
    assert "stuck, process 7 on web9" in told_all["message"]
    assert (kicked["code"], kicked["reason"], kicked["retryable"]) == (500, "server_unreachable", True)


@pytest.mark.parametrize("command", [("announce", "At noon."), ("sessions",), ("kick", "--all-of", "bob")])
async def test_the_commands_say_on_a_terminal_which_server_is_missing(
    command: tuple[str, ...], redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        await two.log_in("bob")
        redis.command("HSET", "stocktrack:servers", "stuck", f'{NEVER_MS} {{"host":"web9","pid":7}}')
        finished = await run_stocktrack(
            tmp_path,
            *command,
            STOCKTRACK_PORT=str(one.port),
            STOCKTRACK_USER="ann",
            STOCKTRACK_PASSWORD=PASSWORD,
        )
    assert finished.code == 0
    assert "stuck, process 7 on web9" in finished.err
    assert "stuck" not in finished.out


async def test_without_redis_everything_goes_on_here_and_the_answer_says_so(tmp_path: Path) -> None:
    with running_redis() as redis:
        async with two_servers(redis, tmp_path) as (one, two):
            ann, bob = await one.log_in(), await two.log_in("bob")
            with capture_logs() as logs:
                redis.kill()
                await until(lambda: bus_of(one).why_alone and bus_of(two).why_alone)
                reply = await ann.ask({"type": "ANNOUNCE", "text": "At noon."})
                listed = await ann.ask({"type": "SESSIONS"})
                elsewhere = await ann.ask({"type": "KICK", "session": f"s1-{bus_of(two).name}"})
            assert (reply["recipients"], reply["partial"]) == (1, True)
            assert reply["message"].endswith("This is of this server alone.")
            assert (listed["count"], listed["partial"]) == (1, True)
            assert elsewhere["reason"] == "server_unreachable"
            assert len([entry for entry in logs if entry["event"].startswith("other servers cannot")]) == 2

            redis.start()
            await until_joined(one, two)
            again = await ann.ask({"type": "ANNOUNCE", "text": "Back."})
            assert (again["recipients"], "partial" in again) == (2, False)
            assert (await told(bob, "announcement"))["message"] == "Back."


async def test_a_server_that_was_closed_is_out_at_once(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, _):
        await until_joined(one)
    assert redis.command("HLEN", "stocktrack:servers") == b":0\r\n"


async def test_a_server_without_redis_has_no_bus_and_its_sessions_have_short_names(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        ann = await server.log_in()
        reply = await ann.ask({"type": "SESSIONS"})
        assert server.app.cluster is None
        assert [each["session"] for each in reply["sessions"]] == ["s1"]
