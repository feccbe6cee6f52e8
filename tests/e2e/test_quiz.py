"""The quizmaster of `examples/` and three real clients, over TCP, WebSocket and the page, to the end of the quiz."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import expect
from websockets.asyncio.client import connect

from browser import chromium, visitor
from live_server import PASSWORD, RawClient
from patience import PATIENCE_SECONDS
from server_process import environment, run_stocktrack, server_process
from stocktrack.clock import end
from web_clients import SocketClient

QUIZ = Path(__file__).parents[2] / "examples" / "quiz.py"
QUESTIONS = """question,answers
Who is at the socket?,the first
Who is at the WebSocket?,Zweite Größe|the second
"Who is on the page, please?",<b>the third</b>
Who is nobody?,no one at all
"""
OF_THE_MARKET = "Which of these two rose more today: "


class Heard:
    """What one player heard of the quizmaster, with `answer(question)` the player's answer to each, None for none."""

    def __init__(self, answer: Callable[[str], str | None]) -> None:
        self.texts: list[str] = []
        self._answer = answer
        self.is_over = asyncio.Event()

    def take(self, line: dict[str, Any]) -> str | None:
        """Take a line of the server, and return what to say."""
        if line["type"] != "SAID" or line["username"] != "quizmaster":
            return None
        self.texts.append(line["text"])
        if line["text"].startswith("The quiz is over."):
            self.is_over.set()
        return self._answer(line["text"]) if line["text"].startswith("Question ") else None


async def play_raw(client: RawClient, heard: Heard) -> None:
    while True:
        if (text := heard.take(await client.receive())) is not None:
            client.send({"type": "SAY", "text": text})


async def play_websocket(client: SocketClient, heard: Heard) -> None:
    await client.send({"type": "AUTH", "username": "bob", "password": PASSWORD})
    while True:
        if (text := heard.take(await client.line())) is not None:
            await client.send({"type": "SAY", "text": text})


@contextlib.asynccontextmanager
async def playing(*players: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(player) for player in players]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await end(*tasks)


def first_of_two(question: str) -> str | None:
    if OF_THE_MARKET in question:
        return question.split(OF_THE_MARKET)[1].split(" ", maxsplit=1)[0]
    return "  THE   first." if "at the socket" in question else None


def second_of_two(question: str) -> str | None:
    if OF_THE_MARKET in question:
        return question.split(" or ")[1].split(" ", maxsplit=1)[0]
    return "zweite grosse" if "at the WebSocket" in question else None


async def test_three_clients_play_a_quiz_to_its_end_over_tcp_websocket_and_the_page(tmp_path: Path) -> None:
    for name in ("quizmaster", "ann", "bob", "cyd"):
        added = await run_stocktrack(tmp_path, "users", "add", name, "--password-stdin", stdin=f"{PASSWORD}\n".encode())
        assert added.code == 0, added.err
    questions = tmp_path / "questions.csv"
    questions.write_text(QUESTIONS, encoding="utf-8")
    async with (
        chromium() as browser,
        server_process(tmp_path, STOCKTRACK_CHAT="true", STOCKTRACK_WEB_PORT="0") as server,
    ):
        page = (await server.logged("ready"))["page"]
        ann, bob = Heard(first_of_two), Heard(second_of_two)
        tcp, leaver = await server.log_in("ann"), await server.log_in("bob")
        async with (
            connect(f"{page.replace('http', 'ws', 1)}ws") as socket,
            visitor(browser, page) as cyd,
            playing(play_raw(tcp, ann), play_websocket(SocketClient(socket), bob)),
        ):
            await cyd.log_in("cyd")
            await cyd.page.get_by_role("button", name="Chat").click()
            quiz = await asyncio.create_subprocess_exec(
                *(sys.executable, str(QUIZ), str(questions), "--rounds", "5", "--seconds", "6", "--pause", "0"),
                *("--players", "4", "--market-every", "5", "--seed", "1"),
                env=environment(
                    tmp_path,
                    STOCKTRACK_PORT=str(server.port),
                    STOCKTRACK_USER="quizmaster",
                    STOCKTRACK_PASSWORD=PASSWORD,
                ),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said = cyd.page.get_by_role("log")
            await expect(said).to_contain_text("Who is on the page, please?")
            leaver.vanish()
            await cyd.say("<B>The third</B>")
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                out, err = await quiz.communicate()
                assert (quiz.returncode, err) == (0, b"")
                await asyncio.gather(ann.is_over.wait(), bob.is_over.wait())
            await expect(said).to_contain_text("The quiz is over.")
            own = said.get_by_text("<B>The third</B>", exact=True)
            await expect(own).to_have_count(1)  # as text: there is no element of it
            await expect(said.locator("b")).to_have_count(0)
        await tcp.close()
    lines = out.decode().splitlines()
    told = [line for line in lines if not line.endswith("players are there.")]
    assert ann.texts == bob.texts == told
    for right in ("Right, ann: the first.", "Right, bob: Zweite Größe.", "Right, cyd: <b>the third</b>."):
        assert len([line for line in told if line.startswith(right)]) == 1, told
    assert len([line for line in told if line.startswith("Nobody knew: no one at all.")]) == 1
    [asked] = [line for line in told if OF_THE_MARKET in line]
    [winner] = [line for line in told[told.index(asked) :] if line.startswith("Right, ")]
    assert winner.split(",")[1].split(":")[0].strip() in {"ann", "bob"}
    best = winner.split(" ")[1].rstrip(":")
    assert told[-1].startswith(f"The quiz is over. {best} won with 2 points. {best} 2, ")
