"""A quizmaster: asks everybody who is logged in questions, and counts who gives the right answer first.

    stocktrack serve --config quiz.toml            # with chat = true
    python examples/quiz.py --rounds 10            # as the user of STOCKTRACK_USER and STOCKTRACK_PASSWORD

Players are whoever is logged in, at a terminal (`say 42`), on the page or by a program of their own. Questions come
from a CSV file with the columns `question` and `answers`, where `|` stands between answers that are all right; every
third one is about the market: which of two stocks rose more today, by the server's newest prices.
"""

import argparse
import asyncio
import csv
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from stocktrack.client import (
    ClientError,
    NotAuthorised,
    State,
    StateChange,
    StockTrackClient,
    TooManyRequests,
    Unavailable,
)
from stocktrack.client.settings import (
    ClientSettings,
    CredentialsMissingError,
    ask_for_credentials,
    load_client_settings,
)
from stocktrack.errors import ConfigError
from stocktrack.messages import MAX_SAID_CHARS, BoardQuote, Said
from stocktrack.quotes import clean_text

QUESTIONS = Path(__file__).with_name("quiz_questions.csv")
SYMBOLS = ("AAPL", "MSFT", "TSLA", "NVDA", "KO", "JPM")
SCORES_TOLD = 5
# How soon it looks again whether players are there, or whether it may speak again where the server does not say.
AGAIN_SECONDS = 5.0


class QuestionsError(Exception):
    """The file of questions cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, which answers are right, and the one that is told when nobody knew.

    Who gives one of the `wrong` answers has no other try: of two it would be right at the second.
    """

    text: str
    answers: frozenset[str]  # as `plain` makes them
    solution: str
    wrong: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str, answers: Sequence[str], wrong: Sequence[str] = ()) -> "Question":
        """A question to which each of `answers` is right, and those of `wrong` that are not among them are wrong."""
        right = frozenset(map(plain, answers))
        return cls(text, right, answers[0], frozenset(map(plain, wrong)) - right)


def plain(text: str) -> str:
    """A text by which answers are compared: case, accents, spaces and punctuation are forgiven."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in folded if char.isalnum())
    return letters or "".join(folded.split())


def read_questions(path: Path) -> list[Question]:
    """The questions of a CSV file; `QuestionsError` where there are none, or one is not whole."""
    questions = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"question", "answers"} <= {*(rows.fieldnames or ())}:
                raise QuestionsError(f"{path}: the first line has to name the columns question,answers.")
            for row in rows:
                text = clean_text(row["question"] or "", MAX_SAID_CHARS)
                answers = [answer.strip() for answer in (row["answers"] or "").split("|") if answer.strip()]
                if not text or not answers:
                    raise QuestionsError(f"{path}, line {rows.line_num}: it needs a question and an answer.")
                questions.append(Question.of(text, answers))
    except (OSError, UnicodeError, csv.Error) as error:
        raise QuestionsError(f"{path} cannot be read: {error}.") from None
    if not questions:
        raise QuestionsError(f"{path} holds no question.")
    return questions


def market_question(quotes: Sequence[BoardQuote], choose: random.Random) -> Question | None:
    """Which of two rose more today; None where no two of the quotes can be told apart."""
    known = [quote for quote in quotes if quote.change_percent is not None and not quote.stale]
    pairs = [(one, two) for one, two in combinations(known, 2) if one.change_percent != two.change_percent]
    if not pairs:
        return None
    one, two = choose.choice(pairs)
    worse, better = sorted((one, two), key=lambda quote: quote.change_percent or 0.0)
    right, wrong = names_of(better), names_of(worse)
    told = " or ".join(f"{quote.symbol} ({quote.name})" if quote.name else quote.symbol for quote in (one, two))
    return Question.of(
        clean_text(f"Which of these two rose more today: {told}?", MAX_SAID_CHARS),
        [better.symbol, *sorted(right - wrong)],
        sorted(wrong - right),
    )


def names_of(quote: BoardQuote) -> set[str]:
    """What people call a share: its symbol, its name, and what the name begins with."""
    words = (quote.name or "").removeprefix("The ").split()
    return {quote.symbol, *filter(None, (quote.name, *words[:1]))}


def standings(scores: Counter[str]) -> str:
    """`Ann 3, Bob 1`, the best first."""
    best = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
    rest = f" and {len(best) - SCORES_TOLD} more" if len(best) > SCORES_TOLD else ""
    return ", ".join(f"{name} {points}" for name, points in best[:SCORES_TOLD]) + rest


def verdict(scores: Counter[str]) -> str:
    """Who has won."""
    if not scores:
        return "Nobody knew anything."
    most = max(scores.values())
    winners = sorted(name for name, points in scores.items() if points == most)
    return f"{' and '.join(winners)} won with {most} {'point' if most == 1 else 'points'}."


class Quizmaster:
    """Asks and listens on one connection, which comes back by itself; a question that it fell into is asked again."""

    def __init__(self, settings: ClientSettings, options: argparse.Namespace, questions: Sequence[Question]) -> None:
        self._options = options
        self._questions = questions
        self._choose = random.Random(options.seed)  # noqa: S311 - it shuffles questions
        self._scores: Counter[str] = Counter()
        self._answers: asyncio.Queue[Said | None] = asyncio.Queue()  # None: the connection was lost and is back
        self._was_lost = False
        self._client: StockTrackClient = settings.client(on_said=self._answers.put_nowait, on_state=self._take_state)

    async def run(self) -> None:
        """Play all rounds; `ClientError` where the server will not have it, or is gone for good."""
        async with self._client as client:
            if not client.has_chat:
                raise QuestionsError(f"{client.address} lets nobody talk: its operator has to set chat = true.")
            if self._options.symbol is not None:
                await client.subscribe(self._options.symbol, interval=3600.0, save=False)
            await self._greet()
            from_file = self._from_file()
            for number in range(1, self._options.rounds + 1):
                question = await self._from_market(number) or next(from_file)
                await self._play(number, question)
                await asyncio.sleep(self._options.pause)
            await self._say(f"The quiz is over. {verdict(self._scores)} {standings(self._scores)}".strip())

    async def _greet(self) -> None:
        rounds, seconds = self._options.rounds, self._options.seconds
        greeting = f"A quiz of {rounds} questions! Say the answer within {seconds:g} seconds; the first one counts."
        heard: set[str] = set()
        # Of those at another worker or server nobody can be counted: they are there as soon as they say something.
        while (players := max(await self._say(greeting), len(heard))) < self._options.players:
            print(f"{players} of {self._options.players} players are there.", flush=True)
            await asyncio.sleep(AGAIN_SECONDS)
            heard |= {said.username for said in self._take_said()}

    def _from_file(self) -> Iterator[Question]:
        """The questions in an order of chance, each once before any comes again."""
        while True:
            yield from self._choose.sample(self._questions, len(self._questions))

    async def _from_market(self, number: int) -> Question | None:
        """A question about the market where it is time for one and the prices are there."""
        if not self._options.market_every or number % self._options.market_every:
            return None
        try:
            quotes = (await self._client.get(self._options.symbols)).quotes
        except Unavailable:
            return None
        except ClientError as error:
            print(f"No question about the market: {error}", flush=True)
            return None
        return market_question(quotes, self._choose)

    async def _play(self, number: int, question: Question) -> None:
        asked = clean_text(f"Question {number}: {question.text}", MAX_SAID_CHARS)
        self._take_said()  # what was said before the question answers nothing
        await self._say(asked)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._options.seconds
        while (winner := await self._next_right(question, until - loop.time())) is None:
            if loop.time() >= until:
                await self._say(f"Nobody knew: {question.solution}. {standings(self._scores)}".strip())
                return
            # Who answered while the connection was away was not heard.
            await self._say(f"I was away for a moment. {asked}")
            until = loop.time() + self._options.seconds
        self._scores[winner] += 1
        await self._say(f"Right, {winner}: {question.solution}. {standings(self._scores)}")

    def _take_said(self) -> list[Said]:
        """All that was said by now and nobody has looked at."""
        taken = [self._answers.get_nowait() for _ in range(self._answers.qsize())]
        return [said for said in taken if said is not None]

    async def _next_right(self, question: Question, seconds: float) -> str | None:
        """Who says a right answer first; None when the time is over, and after a connection that was lost is back."""
        out: set[str] = set()
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while (said := await self._answers.get()) is not None:
                    answer = plain(said.text)
                    if said.symbol != self._options.symbol or said.username in out:
                        continue
                    if answer in question.answers:
                        return clean_text(said.username, 64)
                    if answer in question.wrong:
                        out.add(said.username)
        except TimeoutError:
            pass
        return None

    async def _say(self, text: str) -> int:
        """Say it, after a connection that is lost is back; returns how many sessions hear it."""
        text = clean_text(text, MAX_SAID_CHARS)
        print(text, flush=True)
        while True:
            try:
                await self._client.wait_connected()
                return (await self._client.say(text, self._options.symbol)).recipients
            except TooManyRequests as error:
                await asyncio.sleep((error.retry_after_ms or AGAIN_SECONDS * 1000) / 1000)
            except Unavailable:
                if self._client.state is State.CLOSED:
                    raise
                # It may have been heard. To say it twice is better than not at all.

    def _take_state(self, change: StateChange) -> None:
        if change.state is State.RECONNECTING:
            self._was_lost = True
        elif change.state is State.CONNECTED and self._was_lost:
            self._was_lost = False
            self._answers.put_nowait(None)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("questions", nargs="?", type=Path, default=QUESTIONS, help="a CSV file; the one beside this")
    options.add_argument("--rounds", type=_count, default=10, help="how many questions; 10")
    options.add_argument("--seconds", type=_seconds, default=20.0, help="for each answer; 20")
    options.add_argument("--pause", type=_pause, default=3.0, help="seconds between two questions; 3")
    options.add_argument("--players", type=_count, default=1, help="begin when so many sessions are there; 1")
    options.add_argument("--market-every", type=_every, default=3, metavar="N", help="each Nth is of the market; 3")
    options.add_argument("--symbols", type=_symbols, default=SYMBOLS, help=f"of those; {','.join(SYMBOLS)}")
    options.add_argument("--symbol", type=str.upper, default=None, help="play among those who are pushed this symbol")
    options.add_argument("--seed", type=int, default=None, help="the same questions in the same order again")
    options.add_argument("--host", default=None, help="the server; STOCKTRACK_HOST, else 127.0.0.1")
    options.add_argument("--port", type=int, default=None, help="its port; STOCKTRACK_PORT, else 65432")
    options.add_argument("--user", default=None, help="the quizmaster; STOCKTRACK_USER, else asked for")
    return options


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return int(text)


def _every(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _pause(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3_600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to 3600")
    return seconds


def _seconds(text: str) -> float:
    if (seconds := _pause(text)) < 0.1:
        raise argparse.ArgumentTypeError(f"{text!r} is too short for an answer")
    return seconds


def _symbols(text: str) -> tuple[str, ...]:
    return tuple(symbol.strip().upper() for symbol in text.split(",") if symbol.strip())


def main() -> int:
    """Run a quiz, and return the exit code."""
    options = parser().parse_args()
    try:
        questions = read_questions(options.questions)
        settings = ask_for_credentials(
            load_client_settings(host=options.host, port=options.port, username=options.user)
        )
        asyncio.run(Quizmaster(settings, options, questions).run())
    except NotAuthorised as error:
        print(f"The server refuses the quizmaster: {error}", file=sys.stderr)
        return 4
    except (ClientError, ConfigError, CredentialsMissingError, QuestionsError) as error:
        print(f"quiz: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
