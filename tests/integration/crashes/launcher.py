"""``python -m tests.integration.crashes.launcher``: forks real processes that need not import everything again.

One JSON object a line comes in on standard input, one goes out for it on standard output. ``{"flow": …, "project": …,
"at": …, "job_at": …}`` runs a flow in a child and says how it ended; ``{"await": pid}`` says how an orphan of such a
child ended (its training, say).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_CHILD_S = 480.0
_FLOWS = "tests.integration.crashes.flows"
_HEAVY = ("trimtab.bootstrap", "trimtab.lake.contract", "trimtab.registry.projection", "dvc.repo", _FLOWS)


def main() -> None:
    """Import what takes seconds, say so, and serve until standard input ends."""
    for name in _HEAVY:
        importlib.import_module(name)
    importlib.import_module("trimtab.lake.contract").warm_up()
    # A training that outlives the process that started it becomes this one's child: it can be waited for.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ended: dict[int, int] = {}
    _answer({"ready": os.getpid()})
    for line in sys.stdin:
        asked = json.loads(line)
        pid = asked["await"] if "await" in asked else _fork(asked)
        _answer({"pid": pid, "code": _code_of(pid, ended)})


def _answer(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _fork(asked: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        log = os.open(Path(asked["project"]) / "flows.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        flows = importlib.import_module(_FLOWS)
        finished = flows.run(Path(asked["project"]), asked["flow"], at=asked.get("at"), job_at=asked.get("job_at"))
        sys.stdout.flush()
        os._exit(0 if finished else 3)
    except BaseException:  # noqa: BLE001 - the end of a process: its log says why
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _code_of(wanted: int, ended: dict[int, int]) -> int:
    """Return the exit code of a child, negative for a signal; one that does not end is killed (and told as -24)."""
    deadline = time.monotonic() + _CHILD_S
    while wanted not in ended:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            ended[pid] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > deadline:
            os.kill(wanted, signal.SIGKILL)
            return -signal.SIGXCPU
        else:
            time.sleep(0.01)
    return ended[wanted]


if __name__ == "__main__":
    main()
