"""All answers: importing this has each file of them put its own into the registry."""

from stocktrack.sessions import answers, chat_answers
from stocktrack.sessions.answering import ANSWERS

__all__ = ["ANSWERS", "answers", "chat_answers"]
