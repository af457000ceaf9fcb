"""How long our server takes from the command to its first right answer, and the memory that it then has."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.serving.ours import LOGGED, our_server, state_folder
from bench.serving.servers import ask

__all__ = ["Footprint", "footprint"]

_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Footprint:
    """Medians of several starts: seconds to the first right answer, resident megabytes (10⁶) after it."""

    start_s: float
    resident_mb: float
    starts: int


def footprint(work: Path, *, starts: int) -> Footprint:
    """Start the server ``starts`` times on a fresh state.

    Raises:
        SystemExit: it does not answer.
    """
    found = [_once(work) for _ in range(starts)]
    return Footprint(
        statistics.median(seconds for seconds, _ in found), statistics.median(size for _, size in found), starts
    )


def _once(work: Path) -> tuple[float, float]:
    server = our_server(state_folder(work), LOGGED)
    began = time.perf_counter()
    process = subprocess.Popen(server.command, cwd=server.folder, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                if ask(server)[0] == 200:
                    break
            except OSError:
                time.sleep(0.005)
            if time.perf_counter() - began > _TIMEOUT_S or process.poll() is not None:
                raise SystemExit("error: our server gave no answer; run its command by hand to see why")
        return time.perf_counter() - began, _resident_mb(process.pid)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("error: /proc tells no VmRSS; this line of the bench needs Linux")
