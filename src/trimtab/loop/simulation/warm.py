"""``python -m trimtab.loop.simulation.warm LOCK``: runs the trainings of a simulation, one after the other.

Each line of its input is the path of a request, each line of its output the exit code of that training: what a training
imports takes seconds, which a simulation would pay for each of its fits. It waits for ``LOCK`` first, which the process
of a simulation that was killed holds as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
import time
from pathlib import Path

from trimtab.config.process import end_quickly, silence_telemetry

__all__ = ["main"]

_LOOK_S = 0.5


def main() -> None:
    """Train what is asked for until the input ends, or whoever asks is gone."""
    end_quickly()
    silence_telemetry()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Start-up cost: what a training needs, while the simulation reads its table.
    import trimtab.training.pipeline  # noqa: F401
    from trimtab.training.job import run_job
    from trimtab.training.request import read_request

    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = Path(line.rstrip("\n"))
        _clear(request)
        answers.write(f"{run_job(read_request(request))}\n")


def _clear(request: Path) -> None:
    """Remove what an attempt left that was killed: this one ends as if it had been the first."""
    for path in request.parent.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != request:
            path.unlink()


def _end_with(parent: int) -> None:
    """End when the parent has: a training that went on would write beside the one that follows it."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
