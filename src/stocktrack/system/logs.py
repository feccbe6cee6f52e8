"""Logs for the operator: structlog over the standard library, on standard error, without secrets."""

import io
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog

_SECRET_KEYS = frozenset({"password", "token", "secret", "api_key", "password_hash", "database_url"})


def configure_logs(
    log_format: Literal["console", "json"], level: str, *, fields: Mapping[str, str] | None = None
) -> None:
    """Send all logs, ours and the libraries', to standard error in `log_format`; `fields` stand in every line."""

    def with_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(fields or {})
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        *([with_fields] if fields else []),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_secrets,
    ]
    renderer: structlog.typing.Processor
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        shared.append(_printable)
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=_traceback
        )
    structlog.configure(
        processors=[
            # The level is the standard library's, which can change; structlog's own is fixed at a logger's first use.
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.getLogger().handlers[:] = [handler]
    set_log_level(level)


def set_log_level(level: str) -> None:
    """Log from `level` on; it can be changed at any time."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    # Other people's libraries speak of their own affairs; what matters of it is translated at the border.
    for name in (
        "yfinance",
        "peewee",
        "curl_cffi",
        "httpx2",
        "httpcore2",
        "websockets",  # prints the address of a stream, where a key may stand
        "asyncio",
        "sqlalchemy",
        "alembic",
    ):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # The last two tell the addresses that alerts go to.
    for name in ("yfinance", "apprise", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in _SECRET_KEYS & event.keys():
        event[key] = "…"
    return event


def _printable(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write out what a terminal would obey: a source's message, say, comes from outside."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _escaped(value)
    return event


def _traceback(out: TextIO, error: structlog.typing.ExcInfo) -> None:
    """A plain one: rich's shows the values of local variables, and one of them may be a password.

    Each of its lines is set in, so that what an error says of itself never looks like a line of the log.
    """
    text = io.StringIO()
    structlog.dev.plain_traceback(text, error)
    out.write("".join(f"\n  {_escaped(line)}" for line in text.getvalue().strip("\n").split("\n")))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
