"""Ctrl-C: heard wherever it comes, and what it leaves behind is said before the command is gone."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from trimtab.cli.output import errors_console

__all__ = ["heard", "left_behind", "listen"]

_pressed = threading.Event()


def listen() -> None:
    """Take note of Ctrl-C from now on, beside raising KeyboardInterrupt.

    It may come while a library tidies up, which then logs it or hands it to ``sys.unraisablehook``: neither is an error
    to show a traceback of.
    """
    signal.signal(signal.SIGINT, _interrupt)
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_no_interrupt)
    sys.unraisablehook = _show_unraisable


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt))


def _show_unraisable(raised: sys.UnraisableHookArgs) -> None:
    if not isinstance(raised.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(raised)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _pressed.set()
    raise KeyboardInterrupt


@contextmanager
def heard() -> Iterator[None]:
    """Let Ctrl-C leave the block as KeyboardInterrupt.

    Native code that calls back into Python may swallow it, and fail a moment later with an error of its own, or not at
    all.
    """
    try:
        yield
        if _pressed.is_set():
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        _pressed.clear()
        raise
    except Exception as error:
        if _pressed.is_set():
            _pressed.clear()
            raise KeyboardInterrupt from error
        raise


@contextmanager
def left_behind(told: str | Callable[[], str]) -> Iterator[None]:
    """Say ``told``, or what it answers then, when Ctrl-C ends the waiting in the block; let it end the command."""
    try:
        with heard():
            yield
    except KeyboardInterrupt:
        errors_console.print(told if isinstance(told, str) else told(), markup=False, soft_wrap=True)
        raise
