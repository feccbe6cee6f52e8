"""The quizmaster's rules, and what it does on a real server when things go wrong."""

import argparse
import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import quiz
from quiz import Question, Quizmaster, market_question, parser, plain, read_questions, standings, verdict

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, RawClient, live_server, until
from stocktrack.client import NotAuthorised, State
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import ManualClock, end
from stocktrack.messages import BoardQuote
from stocktrack.quotes import MarketState

CHANCE = random.Random(1)  # noqa: S311 - it picks two stocks

# --- its rules ---


@pytest.mark.parametrize(
    ("said", "is_right"),
    [
        *(("Zürich", True), ("zurich", True), ("ZÜRICH!", True), ("  zu rich ", True), ("Zu\u0308rich", True)),
        *(("Zuerich", False), ("Zürich Nord", False), ("", False), ("?", False)),
    ],
)
def test_case_spaces_and_accents_are_forgiven_and_nothing_else(said: str, is_right: bool) -> None:
    assert (plain(said) in Question.of("Where?", ["Zürich"]).answers) is is_right


def test_an_answer_of_signs_alone_is_compared_as_it_is() -> None:
    assert plain("+") in Question.of("Which sign?", ["+"]).answers
    assert plain("-") not in Question.of("Which sign?", ["+"]).answers


def test_the_questions_that_come_along_can_be_asked() -> None:
    questions = read_questions(quiz.QUESTIONS)
    assert len(questions) >= 10
    assert all(question.answers and "" not in question.answers for question in questions)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "columns question,answers"),
        ("question;answers\na;b\n", "columns question,answers"),
        ("question,answers\n", "holds no question"),
        ("question,answers\nWho?,you\nWhat?,\n", "line 3"),
        ("question,answers\n,you\n", "line 2"),
        (b"question,answers\nWho?,\xff\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_quiz_is_refused_in_a_sentence(tmp_path: Path, content: str | bytes, why: str) -> None:
    file = tmp_path / "quiz.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(quiz.QuestionsError, match=why):
        read_questions(file)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--rounds", "0"], ["--rounds", "x"], ["--seconds", "0"], ["--pause", "-1"], ["--players", "0"]),
        *(["--market-every", "-1"], ["--seconds", "nan"]),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args(arguments)
    assert exit_.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def quote(symbol: str, percent: float | None, *, name: str | None = None, stale: bool = False) -> BoardQuote:
    fields: dict[str, Any] = {"received_at": 1, "provider": "x", "market_state": MarketState.OPEN, "seq": 1}
    return BoardQuote(symbol=symbol, price=1.0, change_percent=percent, name=name, stale=stale, **fields)


def test_of_two_stocks_the_one_that_rose_more_is_right_and_the_other_one_is_wrong() -> None:
    quotes = [quote("AAPL", -0.5, name="Apple Inc."), quote("KO", -2.0, name="The Coca-Cola Company")]
    question = market_question(quotes, CHANCE)
    assert question is not None
    assert "AAPL (Apple Inc.)" in question.text
    assert {plain(each) for each in ("aapl", "Apple", "apple inc")} == question.answers
    assert plain("Coca-Cola") in question.wrong
    assert question.solution == "AAPL"


def test_without_two_prices_that_can_be_told_apart_there_is_no_such_question() -> None:
    for quotes in (
        [quote("A", 1.0)],
        [quote("A", 1.0), quote("B", None)],
        [quote("A", 1.0), quote("B", 2.0, stale=True)],
        [quote("A", 1.0), quote("B", 1.0)],
    ):
        assert market_question(quotes, CHANCE) is None


def test_the_scores_name_the_best_first_and_all_winners() -> None:
    scores = Counter({"bob": 2, "ann": 2, "cyd": 1})
    assert standings(scores) == "ann 2, bob 2, cyd 1"
    assert verdict(scores) == "ann and bob won with 2 points."
    assert verdict(Counter()) == "Nobody knew anything."
    assert standings(Counter({f"p{number}": number for number in range(1, 9)})).endswith("p4 4 and 3 more")


# --- on a real server ---

QUESTIONS = [Question.of("Who am I?", ["Ann"])]


@contextlib.asynccontextmanager
async def chatting(folder: Path) -> AsyncIterator[LiveServer]:
    async with live_server(folder, ScriptedProvider(ManualClock()), users=("master", "ann"), chat=True) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        yield server


def quizmaster(server: LiveServer, *arguments: str, questions: Sequence[Question] = QUESTIONS) -> Quizmaster:
    options: argparse.Namespace = parser().parse_args(["--pause", "0", "--market-every", "0", *arguments])
    return Quizmaster(ClientSettings(server.host, server.port, "master", PASSWORD), options, questions)


async def heard(client: RawClient, begins: str) -> str:
    """The next word that begins so."""
    while not (text := str((await client.receive_until("SAID"))["text"])).startswith(begins):
        pass
    return text


async def test_a_question_that_the_connection_was_lost_in_is_asked_again(tmp_path: Path) -> None:
    async with chatting(tmp_path) as server:
        ann = await server.log_in()
        master = quizmaster(server, "--rounds", "1", "--seconds", "600")
        playing = asyncio.create_task(master.run())
        try:
            await heard(ann, "Question 1: Who am I?")
            [session] = [each for each in server.app.sessions if each.username == "master"]
            session.connection.abort()
            await until(lambda: master._client.state is not State.CONNECTED)
            await ann.ask({"type": "SAY", "text": "ann"})  # nobody hears it
            assert await heard(ann, "I was away") == "I was away for a moment. Question 1: Who am I?"
            await ann.ask({"type": "SAY", "text": "ann"})
            assert await heard(ann, "Right") == "Right, ann: Ann. ann 1"
            await heard(ann, "The quiz is over. ann won with 1 point.")
            await playing
        finally:
            await end(playing)


async def test_of_two_stocks_nobody_has_a_second_try(tmp_path: Path) -> None:
    two = [Question.of("Which of two?", ["AAPL"], ["TSLA"])]
    async with chatting(tmp_path) as server:
        ann, other = await server.log_in(), await server.log_in("master")
        playing = asyncio.create_task(quizmaster(server, "--rounds", "1", "--seconds", "600", questions=two).run())
        try:
            await heard(ann, "Question 1")
            for text in ("TSLA", "AAPL"):
                await ann.ask({"type": "SAY", "text": text})
            await other.ask({"type": "SAY", "text": "aapl"})
            assert await heard(ann, "Right") == "Right, master: AAPL. master 1"
            await playing
        finally:
            await end(playing)


async def test_players_at_other_servers_are_counted_when_they_say_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiz, "AGAIN_SECONDS", 0.05)
    async with chatting(tmp_path) as server:
        # As where all of them are at another worker, which no reply counts.
        monkeypatch.setattr(server.app.sessions._chat, "_recipients", lambda _symbol, _by: 0)
        ann = await server.log_in()
        playing = asyncio.create_task(quizmaster(server, "--rounds", "1", "--seconds", "600").run())
        try:
            await heard(ann, "A quiz of 1")
            await heard(ann, "A quiz of 1")
            await ann.ask({"type": "SAY", "text": "I am here"})
            await heard(ann, "Question 1")
            await ann.ask({"type": "SAY", "text": "ann"})
            await heard(ann, "Right, ann")
            await playing
        finally:
            await end(playing)


async def test_a_quizmaster_who_is_muted_ends_with_the_reason(tmp_path: Path) -> None:
    async with chatting(tmp_path) as server:
        ann = await server.log_in()
        playing = asyncio.create_task(quizmaster(server, "--rounds", "9", "--seconds", "600").run())
        try:
            await heard(ann, "Question 1")
            await ann.ask({"type": "MUTE", "username": "master"})
            await ann.ask({"type": "SAY", "text": "ann"})
            with pytest.raises(NotAuthorised, match="muted you until"):
                await playing
        finally:
            await end(playing)


async def test_among_those_who_watch_a_symbol_the_quiz_is_played_there_alone(tmp_path: Path) -> None:
    async with chatting(tmp_path) as server:
        ann, other = await server.log_in(), await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "save": False})
        playing = asyncio.create_task(quizmaster(server, "--rounds", "1", "--seconds", "600", "--symbol", "aapl").run())
        try:
            await heard(ann, "Question 1")
            await ann.ask({"type": "SAY", "text": "ann"})  # to all, and so no answer
            assert (await other.receive_until("SAID"))["text"] == "ann"
            await ann.ask({"type": "SAY", "text": "ann", "symbol": "AAPL"})
            await heard(ann, "Right, ann")
            await playing
        finally:
            await end(playing)


async def test_where_chat_is_off_the_quizmaster_says_what_the_operator_has_to_do(tmp_path: Path) -> None:
    async with live_server(tmp_path, ScriptedProvider(ManualClock()), users=("master",)) as server:
        with pytest.raises(quiz.QuestionsError, match="chat = true"):
            await quizmaster(server).run()
