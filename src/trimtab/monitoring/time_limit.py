"""Bounds how long a monitor may take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from trimtab.core.errors import BackendError

__all__ = ["within"]

Answer = TypeVar("Answer")

_abandoned: dict[str, threading.Thread] = {}


def within(limit_s: float, name: str, work: Callable[[], Answer]) -> Answer:
    """Return what ``work`` returns, if it does so within ``limit_s`` seconds.

    It runs in a thread of its own. Python cannot end a thread: one that takes longer is left behind, and until it has
    ended nothing else of the same ``name`` is begun, so that what hangs at every look hangs once.

    Raises:
        BackendError: it takes too long, or the one before it is still running.
        Exception: what ``work`` raises.
    """
    before = _abandoned.get(name)
    if before is not None and before.is_alive():
        raise BackendError(
            f"{name}: an earlier look is still running; expected it to have ended; restart to be rid of it"
        )
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def working() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - a boundary: raised again where it is waited for
            errors.append(error)

    thread = threading.Thread(target=working, name=f"monitor {name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if errors and not isinstance(errors[0], Exception):
        raise BackendError(f"{name}: wants to end the process; expected an answer; correct the monitor") from errors[0]
    if errors:
        raise errors[0]
    if answers:
        _abandoned.pop(name, None)
        return answers[0]
    _abandoned[name] = thread
    raise BackendError(
        f"{name}: no answer within {limit_s:g} s; expected one; raise its time_limit, or shorten its window"
    )
