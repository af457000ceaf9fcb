"""Structured logs: one JSON object a line for machines, or coloured lines for people."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["LastingStream", "LogFormat", "configure_logs"]

LogFormat = Literal["json", "console"]

_SECRET_WORDS = ("secret", "password", "token", "api_key", "authorization")


class LastingStream:
    """Writes lines to ``stream`` and goes on where they cannot be written: a full disk must end nobody who logs.

    The first line that gets through again is followed by what ``told`` says of how many did not: at most so many, since
    the last of them may have been kept back and come late.
    """

    def __init__(self, stream: TextIO, told: Callable[[int], str]) -> None:
        self._stream = stream
        self._told = told
        self._lost = 0
        self._failed = False

    def write(self, text: str) -> int:
        """Write, or remember that it could not be; `flush` ends a line."""
        try:
            return self._stream.write(text)
        except OSError:
            self._failed = True
            return len(text)

    def flush(self) -> None:
        """Have written what was handed over, or count it as a line that was not."""
        try:
            self._stream.flush()
            if not self._failed and self._lost:
                self._stream.write(self._told(self._lost))
                self._lost = 0
                self._stream.flush()
        except OSError:
            self._failed = True
        self._lost += self._failed
        self._failed = False


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "[redacted]"
    return event


def _named(process: str) -> structlog.typing.Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def configure_logs(log_format: LogFormat = "json", *, level: int = logging.INFO, process: str | None = None) -> None:
    """Send this process's logs to standard error; ``process`` is named in each line."""
    renderer: structlog.typing.Processor = (
        # Not the one that prints local variables: headers, and so keys, would be among them.
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    if process is not None:
        processors.insert(1, _named(process))
    if log_format == "json":
        processors.append(structlog.processors.format_exc_info)

    def lines_lost(at_most: int) -> str:
        event: Any = {"event": "log.lines_lost", "at_most": at_most}
        for step in (*processors, renderer):
            event = step(None, "warning", event)
        return f"{event}\n"

    stream = cast(TextIO, LastingStream(sys.stderr, lines_lost))
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard library; their lines get the same form as ours.
    handler = logging.StreamHandler(stream)
    handler.setLevel(max(level, logging.WARNING))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
