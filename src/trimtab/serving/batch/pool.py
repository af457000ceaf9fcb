"""Processes that answer parts side by side; one that dies is told of, and ends the run."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, TypeAlias

from trimtab.core.errors import BackendError
from trimtab.serving.batch.worker import Failed, PartTask, Setup, Written, work

__all__ = ["answers"]

_GRACE_S: Final = 10.0

_Link: TypeAlias = "Connection[Any, Any]"


def answers(setup: Setup, tasks: Sequence[PartTask], workers: int) -> Generator[Written, None, None]:
    """Yield what up to ``workers`` processes say of ``tasks``, in the order in which they say it.

    When the iterator is closed, the processes have ended.

    Raises:
        TrimtabError: what a process says.
        BackendError: one died.
    """
    waiting = list(reversed(tasks))
    processes: dict[_Link, SpawnProcess] = {}
    try:
        for _ in range(min(workers, len(tasks))):
            link, process = _started(setup)
            processes[link] = process
            link.send(waiting.pop())
        left = len(tasks)
        while left:
            for ready in wait(list(processes)):
                assert isinstance(ready, Connection)
                told = _heard(ready, processes[ready])
                yield told
                if told.part is None:
                    continue
                left -= 1
                if waiting:
                    ready.send(waiting.pop())
    finally:
        _end(processes)


def _started(setup: Setup) -> tuple[_Link, SpawnProcess]:
    # Spawned, not forked: threads of Arrow and of the progress bar would be copied halfway.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(setup, theirs), name="batch", daemon=True)
    # Ctrl-C reaches all processes of a terminal, and only the first answers it. Blocked, not ignored: the mask is
    # inherited, and one that comes just now is heard a moment later.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    # Ours would keep the other end open, and the death of the process would never be heard.
    theirs.close()
    return ours, process


def _heard(link: _Link, process: SpawnProcess) -> Written:
    try:
        told = link.recv()
    except (EOFError, ConnectionResetError):
        process.join(_GRACE_S)
        code = process.exitcode
        how = (
            f"was killed by signal {-code} (out of memory?)" if code is not None and code < 0 else f"ended with {code}"
        )
        raise BackendError(f"a process of the batch {how}; start the same command again, it goes on") from None
    if isinstance(told, Failed):
        raise told.error
    assert isinstance(told, Written)
    return told


def _end(processes: dict[_Link, SpawnProcess]) -> None:
    for link, process in processes.items():
        link.close()
        process.terminate()
    for process in processes.values():
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
