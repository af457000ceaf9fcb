"""Jobs that have ended when `start` returns: a simulated training takes no simulated time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError
from trimtab.files import write_atomically
from trimtab.loop.jobs import JobProcessState
from trimtab.training.hindrance import Hindrance, read_hindrance
from trimtab.training.request import RESULT_NAME

__all__ = ["InlineJobs"]


class InlineJobs:
    """A `JobRunner` that trains in one process beside this one, which has imported all that trainings need."""

    def __init__(self, log: Path) -> None:
        """``log``: where the trainings' own words go."""
        self._log = log
        self._worker: subprocess.Popen[str] | None = None

    def warm_up(self) -> None:
        """Start the process, so that it imports while others are at work."""
        self._running()

    def start(self, out_dir: Path, request: bytes) -> None:
        """Train, and return when it has ended; see the port."""
        if (out_dir / RESULT_NAME).exists():
            return
        out_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(out_dir / "request.json", request)
        worker = self._running()
        if worker.stdin is None or worker.stdout is None:  # pragma: no cover - both are pipes
            raise BackendError("trainings of the simulation: their process has no pipes; start the simulation again")
        try:
            worker.stdin.write(f"{out_dir / 'request.json'}\n")
            worker.stdin.flush()
            answered = worker.stdout.readline()
        except BrokenPipeError:
            answered = ""
        if not answered:
            # It left a result if its time was over, and none if it was killed: `state` says which.
            worker.wait()
            self._worker = None

    def state(self, out_dir: Path) -> JobProcessState:
        """Look for a result; see the port."""
        if (out_dir / RESULT_NAME).exists():
            return JobProcessState.FINISHED
        return JobProcessState.GONE if read_hindrance(out_dir) is None else JobProcessState.HINDERED

    def result(self, out_dir: Path) -> JsonObject | None:
        """Return the content of ``result.json``; see the port."""
        try:
            content: JsonObject = json.loads((out_dir / RESULT_NAME).read_bytes())
        except FileNotFoundError:
            return None
        return content

    def hindrance(self, out_dir: Path) -> Hindrance | None:
        """Return what ``hindrance.json`` says; see the port."""
        return read_hindrance(out_dir)

    def progress(self, out_dir: Path) -> JsonObject | None:
        """Return None: nobody sees a job that has not ended."""
        return None

    def cancel(self, out_dir: Path) -> None:
        """Do nothing: what could be cancelled has ended."""

    def stop_all(self) -> None:
        """End the process, whatever it is at, and those that it started."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._worker is not None and self._worker.poll() is None:
            return self._worker
        self.stop_all()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._log.open("ab") as log:
                self._worker = subprocess.Popen(
                    [sys.executable, "-m", "trimtab.loop.simulation.warm", str(self._log.with_name("trainings.lock"))],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    # Ctrl-C is the simulation's to answer.
                    start_new_session=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
        except OSError as error:
            raise BackendError(
                f"trainings of the simulation: no process can be started ({error}); check memory and disk"
            ) from error
        return self._worker
