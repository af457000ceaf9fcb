"""Work of which a process does one at a time."""

from __future__ import annotations

import threading

import pytest

from trimtab.core.errors import BackendError
from trimtab.loop.one_at_a_time import OneAtATime


def test_whoever_comes_meanwhile_is_told_so_and_may_come_again() -> None:
    looks = OneAtATime("a look")
    begun, may_end = threading.Event(), threading.Event()

    def look() -> None:
        with looks.turn():
            begun.set()
            assert may_end.wait(30)

    first = threading.Thread(target=look)
    first.start()
    assert begun.wait(30)
    with pytest.raises(BackendError, match="a look: one is under way"), looks.turn(patience_s=0.01):
        pass
    may_end.set()
    first.join(30)
    with looks.turn(patience_s=0.01):
        pass


def test_work_that_failed_holds_nobody_up() -> None:
    looks = OneAtATime("a look")
    with pytest.raises(ZeroDivisionError), looks.turn():
        raise ZeroDivisionError
    with looks.turn(patience_s=0.01):
        pass
