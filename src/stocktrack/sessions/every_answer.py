"""All answers: importing this has each file of them put its own into the registry."""

from stocktrack.sessions import alert_answers, answers, holding_answers
from stocktrack.sessions.answering import ANSWERS

__all__ = ["ANSWERS", "alert_answers", "answers", "holding_answers"]
