"""All answers: importing this has each file of them put its own into the registry."""

from stocktrack.sessions import admin_answers, alert_answers, answers, chat_answers, holding_answers, list_answers
from stocktrack.sessions.answering import ANSWERS

__all__ = ["ANSWERS", "admin_answers", "alert_answers", "answers", "chat_answers", "holding_answers", "list_answers"]
