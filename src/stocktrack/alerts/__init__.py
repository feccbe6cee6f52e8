"""Alerts: judged by each change of the board, written before anybody is told, told until somebody took it."""
