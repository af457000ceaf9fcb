"""``python -m tests.integration.killed_simulation PROJECT TABLE POINT...``: a simulation that is killed at each point.

Each time in a process of its own, which has all imports from this one, and goes on where the one before was killed;
the last one is not killed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from tests.integration.recorded_load import asked

# What a simulation imports on its way, so that each process need not do so again.
import trimtab.lake.contract
import trimtab.lake.dvc_store
from trimtab.config.logs import configure_logs
from trimtab.config.project import ProjectFolder
from trimtab.core.crashpoints import arm
from trimtab.loop.simulation.run import simulate

__all__ = ["main"]


def main(root: Path, table: Path, *points: str) -> None:
    """Run the simulation, and say how each process ended."""
    configure_logs("console", level=logging.ERROR)
    trimtab.lake.contract.warm_up()
    for number, point in enumerate((*points, None)):
        process = os.fork()
        if process == 0:
            arm(point)
            simulate(ProjectFolder.open(root), asked(table), resume=number > 0)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(f"{point}: {'killed' if killed else os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
