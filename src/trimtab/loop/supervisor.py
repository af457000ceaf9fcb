"""Starts the platform's processes, restarts one that dies, and takes all of them down with it."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from trimtab.config.project import ProjectFolder
from trimtab.core.errors import BackendError, ConflictError
from trimtab.loop.log_files import shorten
from trimtab.serving.options import DRAIN_GRACE_S, ServerOptions

__all__ = ["ChildSpec", "Supervisor", "platform_processes"]

_log = structlog.get_logger(__name__)

_PR_SET_PDEATHSIG = 1
_RESTARTS_PER_MINUTE = 5
# Longer than the inference server's own patience: it answers first, and then ends the workers that hang.
_STOP_S = ServerOptions().drain_timeout_s + 2 * DRAIN_GRACE_S
_EXIT_CONFIG = 2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep alive: its name, its command line, and the file that it writes when it is ready."""

    name: str
    arguments: tuple[str, ...]
    ready_file: Path | None = None


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes]
    started_at: list[float] = field(default_factory=list)


def platform_processes(project: ProjectFolder, *, log_format: str = "json") -> tuple[ChildSpec, ...]:
    """Return the processes of ``trimtab up``, in the order in which they start; they stop in this order too."""
    serving = project.config.serving
    limit = () if serving.log_limit is None else ("--log-limit", str(serving.log_limit))
    watchdog_s = 0 if serving.watchdog is None else serving.watchdog.total_seconds()
    budget = () if serving.memory_budget is None else ("--memory-budget", str(serving.memory_budget))
    # The file's name only: the hashes in it, and the key that the server makes for us, stand in no list of processes.
    keys = () if project.serving_keys is None else ("--keys", str(project.serving_keys))
    return (
        ChildSpec(
            "inference-server",
            (
                *("-m", "trimtab.serving.server", "--state", str(project.serving)),
                *("--host", serving.host, "--port", str(serving.port), "--workers", str(serving.workers)),
                *("--sync-interval", f"{serving.sync_interval.total_seconds()}s", "--log-format", log_format),
                *("--watchdog", f"{watchdog_s}s"),
                *limit,
                *budget,
                *keys,
            ),
            project.serving / "server.json",
        ),
        ChildSpec(
            "shipper",
            (
                *("-m", "trimtab.records.shipper", "--journal", str(project.journal), "--intake", str(project.intake)),
                *("--interval", f"{serving.ship_interval.total_seconds()}s"),
                *limit,
            ),
        ),
        ChildSpec(
            "control-plane",
            ("-m", "trimtab.api", "--project", str(project.root), "--log-format", log_format),
            project.state / "control-plane.json",
        ),
    )


class Supervisor:
    """The parent of the platform's processes. One a project: a second is refused.

    A child that exits is started again, at most five times a minute; after that everything is stopped and the reason
    told. When the supervisor itself is killed, the kernel ends its children. Its methods may be called from any thread.
    """

    def __init__(self, project: ProjectFolder, specs: tuple[ChildSpec, ...]) -> None:
        self._project = project
        self._specs = specs
        self._children: dict[str, _Child] = {}
        self._stopping = threading.Event()
        self._one_at_a_time = threading.Lock()
        # The kernel ends a child with the thread that started it: this one lives until all of them are stopped.
        self._parent = ThreadPoolExecutor(max_workers=1, thread_name_prefix="supervisor")
        self.failure: str | None = None
        self._lock: int | None = None

    def start(self, *, timeout_s: float = 60.0, progress: Callable[[str], None] | None = None) -> None:
        """Start all processes and wait until each says that it is ready.

        Raises:
            ConflictError: the project is up already.
            BackendError: a process ended, or was not ready in time; nothing is left running.
        """
        self._take_lock()
        deadline = time.monotonic() + timeout_s
        try:
            self._project.logs.mkdir(parents=True, exist_ok=True)
            for spec in self._specs:
                self._children[spec.name] = _Child(spec, self._spawn(spec), [time.monotonic()])
            for child in self._children.values():
                if progress is not None:
                    progress(child.spec.name)
                self._await_ready(child, deadline)
        except BaseException:
            self.stop()
            raise

    def watch_once(self) -> bool:
        """Restart what died; return False once the supervisor has given up or is stopping."""
        with self._one_at_a_time:
            return not self._stopping.is_set() and self.failure is None and self._restart_dead()

    def _restart_dead(self) -> bool:
        for child in self._children.values():
            code = child.process.poll()
            if code is None:
                continue
            now = time.monotonic()
            recent = [moment for moment in child.started_at if now - moment < 60]
            _log.warning("process.died", child=child.spec.name, exit_code=code, starts_within_a_minute=len(recent))
            if len(recent) > _RESTARTS_PER_MINUTE or code == _EXIT_CONFIG:
                self.failure = f"{child.spec.name}: ended with {code}; {self._last_words(child.spec)}"
                return False
            child.process = self._spawn(child.spec)
            child.started_at = [*recent, now]
        return True

    def run(self) -> None:
        """Watch until SIGTERM, SIGINT or failure, then stop everything.

        Raises:
            BackendError: a process could not be kept alive.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        while self.watch_once():
            for spec in self._specs:
                shorten(self._project.logs / f"{spec.name}.log")
            self._stopping.wait(0.5)
        self.stop()
        if self.failure is not None:
            raise BackendError(self.failure)

    def stop(self) -> None:
        """Stop the processes one after the other, each with its chance to finish; what does not end is killed."""
        self._stopping.set()
        with self._one_at_a_time:
            for child in self._children.values():
                _stop(child)
        self._parent.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {name: child.process.pid for name, child in self._children.items()}

    def _take_lock(self) -> None:
        self._project.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._project.state / "up.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text(encoding="utf-8").strip() or "unknown"
            os.close(lock)
            raise ConflictError(
                f"project {self._project.config.project!r}: is up already (process {holder}); "
                "use it, or stop that process first"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def _spawn(self, spec: ChildSpec) -> subprocess.Popen[bytes]:
        if spec.ready_file is not None:
            # What a killed process said of itself must not be taken for the new one's word.
            spec.ready_file.unlink(missing_ok=True)
        return self._parent.submit(self._open, spec).result()

    def _open(self, spec: ChildSpec) -> subprocess.Popen[bytes]:
        with (self._project.logs / f"{spec.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *spec.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(_die_with_parent, os.getpid()) if sys.platform == "linux" else None,
            )

    def _await_ready(self, child: _Child, deadline: float) -> None:
        while child.spec.ready_file is not None and not child.spec.ready_file.exists():
            if child.process.poll() is not None:
                raise BackendError(f"{child.spec.name}: ended at start; {self._last_words(child.spec)}")
            if time.monotonic() > deadline:
                raise BackendError(f"{child.spec.name}: not ready in time; {self._last_words(child.spec)}")
            time.sleep(0.05)

    def _last_words(self, spec: ChildSpec) -> str:
        path = self._project.logs / f"{spec.name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return f"it said: {_sentence_of(lines[-1])[:400]}" if lines else f"see {path}"


def _sentence_of(line: str) -> str:
    """Return what a line of a log says to a person.

    >>> _sentence_of('{"event": "control-plane.refused", "error": "port in use"}'), _sentence_of("error: no room")
    ('port in use', 'no room')
    """
    try:
        told = json.loads(line)
        return str(told.get("error") or told["event"])
    except (ValueError, KeyError, AttributeError):
        return line.removeprefix("error: ")


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent(parent: int) -> None:
    """Have the kernel end this child when its parent dies, however that happens."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before the kernel was asked.
        os._exit(1)


def _stop(child: _Child) -> None:
    if child.process.poll() is not None:
        return
    child.process.terminate()
    try:
        child.process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        _log.warning("process.killed", child=child.spec.name)
        child.process.kill()
        child.process.wait()
