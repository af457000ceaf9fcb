"""Several server processes on one port, and what works beside them, kept alive by a supervisor.

The supervisor opens the port, and the workers inherit the listening socket: there is one queue of connections, so that
a worker that dies takes none with it but those that it had accepted. (With SO_REUSEPORT each worker has a queue of its
own, which the kernel resets when the worker dies.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from trimtab.core.errors import BackendError
from trimtab.files import write_atomically
from trimtab.files.processes import started_ticks
from trimtab.serving.autoscaling import Autoscaler
from trimtab.serving.options import DRAIN_GRACE_S, ServerOptions
from trimtab.serving.orders import Followed, WorkerOrders
from trimtab.serving.place import ServerInfo, journal_folder, read_server_info, withdraw_info, write_info
from trimtab.serving.spec import EndpointStatus

__all__ = ["Pool", "run_pool", "slowest"]

_LOOK_S: Final = 0.1
_FIRST_BACKOFF_S: Final = 0.25
_LONGEST_BACKOFF_S: Final = 30.0
_STEADY_S: Final = 60.0
_USAGE_ERROR: Final = 2
_PR_SET_PDEATHSIG: Final = 1
_LAST_GRACE_S: Final = 5.0

_log = structlog.get_logger("trimtab.serving.workers")


_Stamp = tuple[int, int, int]
_Read = tuple[_Stamp, EndpointStatus | None]


@dataclass(slots=True)
class _Child:
    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    again_at: float = 0.0
    read: dict[Path, _Read] = field(default_factory=dict)
    leaving_since: float | None = None


@dataclass(slots=True)
class Pool:
    """Workers 0..n-1 on one listener, and at most one shipper and one that follows a control plane elsewhere."""

    state: Path
    host: str
    listener: socket.socket
    options: ServerOptions
    workers: int
    log_format: Literal["json", "console"] = "json"
    intake: str | None = None
    followed: Followed | None = None
    _children: list[_Child] = field(default_factory=list)
    _told: dict[str, EndpointStatus] = field(default_factory=dict)
    _autoscaler: Autoscaler = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all workers."""
        self._autoscaler = Autoscaler(self.state / "specs", self.workers, time.monotonic())

    def start(self) -> None:
        """Start all; what workers of an earlier run left behind is removed first."""
        shutil.rmtree(self.state / "workers", ignore_errors=True)
        for number in range(self.workers):
            folder = self.state / "workers" / str(number)
            start = partial(self._start_worker, number, folder)
            self._children.append(_Child(f"worker {number}", start, folder))
        if self.intake is not None:
            self._children.append(_Child("shipper", partial(self._start_shipper, self.intake)))
        if self.followed is not None:
            self._children.append(_Child("mirror", partial(self._start_mirror, self.followed)))
        for child in self._children:
            _spawn(child)

    @property
    def ready(self) -> bool:
        """Whether every worker listens that is to stay."""
        staying = (child.folder for child in self._children if child.leaving_since is None)
        return all(read_server_info(folder) is not None for folder in staying if folder is not None)

    def ended_at_start(self) -> int | None:
        """Return the exit code of a child that could not start as it was told to, None if there is none."""
        for child in self._children:
            code = None if child.process is None else child.process.poll()
            if code == _USAGE_ERROR or (child.folder is None and code is not None):
                return code or _USAGE_ERROR
        return None

    def look(self, now: float) -> None:
        """Start again what has died, and tell how the endpoints stand."""
        spare = self._spare(now)
        for child in self._children:
            if child.name in spare:
                self._let_go(child, now)
                continue
            child.leaving_since = None
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            if child.process is None and now >= child.again_at:
                self._start_again(child, now)
        for status in self._statuses():
            if self._told.get(status.endpoint) != status:
                with contextlib.suppress(OSError):
                    write_atomically(self.state / "status" / f"{status.endpoint}.json", msgspec.json.encode(status))
                    self._told[status.endpoint] = status

    def stop(self) -> None:
        """Let the workers answer what they are answering, then let the shipper ship the rest."""
        self.listener.close()
        patience_s = self.options.drain_timeout_s + DRAIN_GRACE_S
        _stop([child for child in self._children if child.folder is not None], patience_s)
        _stop([child for child in self._children if child.folder is None], patience_s)
        shutil.rmtree(self.state / "workers", ignore_errors=True)

    def _spare(self, now: float) -> frozenset[str]:
        """Return the workers that the load does not need, by the policies of the endpoints: the last ones."""
        workers = [child for child in self._children if child.folder is not None]
        wanted = self._autoscaler.wanted(lambda: _in_flight(workers), now)
        return frozenset(child.name for child in workers[wanted:])

    def _let_go(self, child: _Child, now: float) -> None:
        """Have a worker end, after it has answered what it is answering; what it counted stays counted."""
        process = child.process
        if process is None:
            return
        if process.poll() is not None:
            child.process, child.failures, child.again_at = None, 0, now
            _keep_counts(child)
        elif child.leaving_since is None:
            child.leaving_since = now
            _log.info("worker_spared", child=child.name)
            process.terminate()
        elif now - child.leaving_since > self.options.drain_timeout_s + _LAST_GRACE_S:
            _log.warning("child_killed", child=child.name)
            process.kill()

    def _start_again(self, child: _Child, now: float) -> None:
        try:
            _spawn(child)
        except BackendError as error:
            # No memory or processes for a moment: those that live serve on.
            child.failures += 1
            child.again_at = now + _backoff_s(child.failures)
            _log.error("child_not_started", child=child.name, error=str(error))

    def _bury(self, child: _Child, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        child.process = None
        child.failures = 0 if now - child.started_at > _STEADY_S or code == 0 else child.failures + 1
        wait_s = 0.0 if code == 0 else _backoff_s(child.failures)
        child.again_at = now + wait_s
        if child.folder is not None:
            # Start-up cost: Prometheus' client, which is wanted only now.
            from trimtab.serving.shared_metrics import keep_counts_of

            keep_counts_of(child.folder)
            shutil.rmtree(child.folder, ignore_errors=True)
        _log.error("child_died", child=child.name, exit_code=code, starts_again_in_s=wait_s)

    def _statuses(self) -> list[EndpointStatus]:
        """Return how the endpoints stand that every worker which takes requests tells of."""
        told = [(child, _statuses_of(child)) for child in self._children]
        found: list[EndpointStatus] = []
        for name in sorted({name for _, statuses in told for name in statuses}):
            silent = [child for child, statuses in told if name not in statuses]
            # One that is starting takes no requests either: the others tell of the endpoint meanwhile.
            if not any(_takes_requests(child) for child in silent):
                found.append(slowest([statuses[name] for _, statuses in told if name in statuses], os.getpid()))
        return found

    def _start_worker(self, number: int, folder: Path) -> subprocess.Popen[bytes]:
        orders = WorkerOrders(
            number=number,
            workers=self.workers,
            state=str(self.state),
            told_in=str(folder),
            host=self.host,
            descriptor=self.listener.fileno(),
            log_format=self.log_format,
            options=self.options,
        )
        process = _popen(["-m", "trimtab.serving.worker"], stdin=subprocess.PIPE, pass_fds=[self.listener.fileno()])
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(msgspec.json.encode(orders))
        return process

    def _start_shipper(self, intake: str) -> subprocess.Popen[bytes]:
        limit = self.options.log_limit_bytes
        return _popen(
            [
                *("-m", "trimtab.records.shipper", "--journal", str(journal_folder(self.state)), "--intake", intake),
                *("--log-format", self.log_format),
                *(() if limit is None else ("--log-limit", str(limit))),
            ],
            stdin=subprocess.DEVNULL,
        )

    def _start_mirror(self, followed: Followed) -> subprocess.Popen[bytes]:
        return _popen(
            [
                *("-m", "trimtab.serving.mirror", "--state", str(self.state), "--url", followed.url),
                *("--key-env", followed.key_env, "--log-format", self.log_format),
            ],
            stdin=subprocess.DEVNULL,
        )


def run_pool(
    state: Path,
    host: str,
    listener: socket.socket,
    *,
    workers: int,
    options: ServerOptions,
    log_format: Literal["json", "console"],
    intake: str | None = None,
    followed: Followed | None = None,
    on_ready: Callable[[ServerInfo], None] | None = None,
) -> int:
    """Serve on ``listener`` with ``workers`` processes until SIGTERM or SIGINT, then drain all; return the exit code.

    ``on_ready`` is called once all of them listen. Exit code 2: it could not start, told in one sentence on standard
    error.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    pool = Pool(state, host, listener, options, workers, log_format, intake, followed)
    info = ServerInfo(
        pid=os.getpid(),
        host=host,
        port=pool.listener.getsockname()[1],
        started_us=time.time_ns() // 1_000,
        start_ticks=started_ticks(os.getpid()),
    )
    try:
        pool.start()
        return _keep_alive(pool, info, stopping, on_ready)
    finally:
        withdraw_info(state, info)
        pool.stop()


def slowest(statuses: list[EndpointStatus], pid: int) -> EndpointStatus:
    """Return what all workers together serve as one endpoint: what the one serves that is furthest behind.

    Raises:
        ValueError: none says anything.
    """
    last = min(statuses, key=lambda status: (status.generation, status.error is None))
    return msgspec.structs.replace(last, pid=pid)


def _keep_alive(
    pool: Pool, info: ServerInfo, stopping: threading.Event, on_ready: Callable[[ServerInfo], None] | None
) -> int:
    announced = False
    while not stopping.wait(_LOOK_S):
        if not announced:
            code = pool.ended_at_start()
            if code is not None:
                return code
        pool.look(time.monotonic())
        if not announced and pool.ready:
            announced = True
            write_info(pool.state, info)
            _log.info("listening", host=info.host, port=info.port, workers=pool.workers)
            if on_ready is not None:
                on_ready(info)
    return 0


def _backoff_s(failures: int) -> float:
    return min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** max(0, failures - 1))


def _spawn(child: _Child) -> None:
    try:
        child.process = child.start()
    except OSError as error:
        raise BackendError(f"{child.name}: cannot be started ({error.strerror}); free memory or processes") from error
    child.started_at = time.monotonic()


def _popen(arguments: list[str], *, stdin: int, pass_fds: list[int] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=stdin,
        pass_fds=pass_fds or (),
        # Ctrl-C goes to a whole group: only the supervisor answers it, so that the shipper outlives the workers.
        process_group=0,
        preexec_fn=partial(_die_with_parent, os.getpid()) if sys.platform == "linux" else None,
    )


def _stop(children: list[_Child], timeout_s: float) -> None:
    running = [child for child in children if child.process is not None and child.process.poll() is None]
    for child in running:
        if child.process is not None:
            child.process.terminate()
    deadline = time.monotonic() + timeout_s
    for child in running:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("child_killed", child=child.name)
            child.process.kill()
            child.process.wait()


def _keep_counts(child: _Child) -> None:
    # Start-up cost: Prometheus' client, which is wanted only now.
    from trimtab.serving.shared_metrics import keep_counts_of

    if child.folder is not None:
        keep_counts_of(child.folder)
        shutil.rmtree(child.folder, ignore_errors=True)


def _in_flight(workers: list[_Child]) -> float:
    # Start-up cost: Prometheus' client, which is wanted only where an endpoint has a policy.
    from trimtab.serving.shared_metrics import in_flight_of

    return sum(
        in_flight_of(child.folder) for child in workers if child.folder is not None and child.process is not None
    )


def _takes_requests(child: _Child) -> bool:
    if child.folder is None or child.process is None or child.leaving_since is not None:
        return False
    return read_server_info(child.folder) is not None


def _statuses_of(child: _Child) -> dict[str, EndpointStatus]:
    """Return what a worker says of its endpoints; only what has changed since the last look is read."""
    folder = child.folder
    if folder is None or child.process is None:
        return {}
    found: dict[Path, _Read] = {}
    for path in sorted((folder / "status").glob("*.json")):
        with contextlib.suppress(OSError):
            known, stat = child.read.get(path), path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            found[path] = known if known is not None and known[0] == stamp else (stamp, _read_status(path))
    child.read = found
    return {status.endpoint: status for _, status in found.values() if status is not None}


def _read_status(path: Path) -> EndpointStatus | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=EndpointStatus)
    except msgspec.MsgspecError:
        return None


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent(parent: int) -> None:
    """Have the kernel end this child when its parent dies, however that happens."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before the kernel was asked.
        os._exit(1)
