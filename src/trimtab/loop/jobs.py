"""The job port: a whole run as a process of its own, which leaves ``result.json`` and never writes our database."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError
from trimtab.files import write_atomically
from trimtab.training.hindrance import Hindrance, read_hindrance, write_spare
from trimtab.training.request import TRIALS_NAME

__all__ = ["JobProcessState", "JobRunner", "SubprocessJobs"]


_STOPPED = "stopped"
_KEPT = {"lock", "log.txt", "request.json", TRIALS_NAME}


class JobProcessState(StrEnum):
    """What is known of a job's process."""

    RUNNING = "running"
    FINISHED = "finished"
    GONE = "gone"
    STOPPED = "stopped"
    HINDERED = "hindered"


class JobRunner(Protocol):
    """Runs jobs somewhere. All calls may be repeated; a job is known by its folder.

    `start` on a folder whose job runs or has finished does nothing. A job that was started survives its starter.
    """

    def start(self, out_dir: Path, request: bytes) -> None:
        """Start the training job whose request is ``request``.

        Raises:
            BackendError: no process could be started.
        """

    def state(self, out_dir: Path) -> JobProcessState:
        """Say whether the job runs, has left a result, is gone without one, or was stopped by `stop_all`.

        Hindered: it has ended without a result, and says what it waits for; a later start takes it up again.
        """

    def result(self, out_dir: Path) -> JsonObject | None:
        """Return what the job left, None before that."""

    def hindrance(self, out_dir: Path) -> Hindrance | None:
        """Return what a hindered job waits for, None for any other."""

    def progress(self, out_dir: Path) -> JsonObject | None:
        """Return the last progress line, None before the first."""

    def cancel(self, out_dir: Path) -> None:
        """Ask the job to stop; it leaves a result that says so."""

    def stop_all(self) -> None:
        """Kill the jobs that this process started, without a result: a later start takes them up again."""


class SubprocessJobs:
    """Runs jobs as processes on this machine.

    A job holds an exclusive lock on ``out_dir/lock`` as long as it lives: the kernel, not a pid, says whether it does.
    """

    def __init__(self, module: str = "trimtab.training.job") -> None:
        self._module = module
        self._children: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, out_dir: Path, request: bytes) -> None:
        """Start the job as ``python -m MODULE out_dir/request.json``; see the port."""
        out_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(out_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if (out_dir / "result.json").exists():
                return
            request_path = out_dir / "request.json"
            write_atomically(request_path, request)
            _clear(out_dir)
            write_spare(out_dir)
            with (out_dir / "log.txt").open("ab") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", self._module, str(request_path)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(lock,),
                    start_new_session=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            write_atomically(out_dir / "pid", str(child.pid).encode())
            self._children[out_dir] = child
        except OSError as error:
            raise BackendError(f"job in {out_dir}: cannot be started ({error}); check memory and disk") from error
        finally:
            os.close(lock)

    def state(self, out_dir: Path) -> JobProcessState:
        """Look for a result, then for a living process; see the port."""
        child = self._children.get(out_dir)
        if child is not None and child.poll() is not None:
            del self._children[out_dir]
        # Looked at in this order: a job that ends in between has left its result, and is not taken for gone.
        lives = self._is_locked(out_dir)
        if (out_dir / "result.json").exists():
            return JobProcessState.FINISHED
        if lives:
            return JobProcessState.RUNNING
        if read_hindrance(out_dir) is not None:
            return JobProcessState.HINDERED
        return JobProcessState.STOPPED if (out_dir / _STOPPED).exists() else JobProcessState.GONE

    def result(self, out_dir: Path) -> JsonObject | None:
        """Return the content of ``result.json``; see the port."""
        try:
            content: JsonObject = json.loads((out_dir / "result.json").read_bytes())
        except FileNotFoundError:
            return None
        return content

    def hindrance(self, out_dir: Path) -> Hindrance | None:
        """Return what ``hindrance.json`` says; see the port."""
        return read_hindrance(out_dir)

    def progress(self, out_dir: Path) -> JsonObject | None:
        """Return the last whole line of ``progress.jsonl``; see the port."""
        try:
            lines = (out_dir / "progress.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        for line in reversed(lines):
            try:
                latest: JsonObject = json.loads(line)
            except ValueError:
                continue
            return latest
        return None

    def cancel(self, out_dir: Path) -> None:
        """Send SIGTERM to the job if it still lives; see the port."""
        self._signal(out_dir, signal.SIGTERM)

    def stop_all(self) -> None:
        """Kill the process groups of jobs started here; see the port."""
        for out_dir in list(self._children):
            (out_dir / _STOPPED).touch()
            self._signal(out_dir, signal.SIGKILL)
            self._children.pop(out_dir).wait()

    def _signal(self, out_dir: Path, number: signal.Signals) -> None:
        if not self._is_locked(out_dir):
            return
        try:
            os.killpg(int((out_dir / "pid").read_text()), number)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return

    def _is_locked(self, out_dir: Path) -> bool:
        try:
            lock = os.open(out_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False


def _clear(out_dir: Path) -> None:
    """Remove what an earlier attempt left: half a bundle, its progress, a process number that may be another's now.

    The trials that it ended stay: the next attempt goes on behind them.
    """
    for path in out_dir.iterdir():
        if path.name in _KEPT:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
