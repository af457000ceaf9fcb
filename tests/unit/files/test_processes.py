"""A number names a process only together with when it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from trimtab.files.processes import is_alive, started_ticks


def test_this_process_is_alive_and_another_of_its_number_is_not_it() -> None:
    ticks = started_ticks(os.getpid())
    assert is_alive(os.getpid())
    assert is_alive(os.getpid(), ticks)
    if sys.platform.startswith("linux"):
        assert ticks > 0
        assert not is_alive(os.getpid(), ticks + 1)


def test_numbers_that_no_process_can_have_are_not_alive() -> None:
    assert [is_alive(number) for number in (0, -1, 2**40)] == [False, False, False]
    assert started_ticks(2**22 + 1) == 0


def test_a_killed_process_is_dead_also_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        ticks = started_ticks(child.pid)
        assert is_alive(child.pid, ticks)
        os.kill(child.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while is_alive(child.pid, ticks):
            assert time.monotonic() < deadline, "a killed process was taken for alive"
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    assert not is_alive(child.pid, ticks)
