"""The inference server's composition root: ``python -m trimtab.serving.server --state DIR --host H --port P``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
import uvicorn
from prometheus_client import disable_created_metrics

from trimtab.config.durations import parse_duration
from trimtab.config.logs import configure_logs
from trimtab.config.process import setting
from trimtab.core.crashpoints import arm
from trimtab.core.errors import BackendError, ConfigError, TrimtabError
from trimtab.core.ids import IdFactory
from trimtab.files import write_atomically
from trimtab.files.processes import started_ticks
from trimtab.records.cursor import backlog_bytes
from trimtab.records.journal import DEFAULT_FILE_BYTES, JournalWriter
from trimtab.records.lean import keep_pandas_out
from trimtab.serving.app import ServingApp
from trimtab.serving.endpoints import EndpointLoader, EndpointTable
from trimtab.serving.follow import Follower
from trimtab.serving.handler import Handler
from trimtab.serving.metrics import ServingMetrics

__all__ = ["DEFAULT_SYNC_INTERVAL_S", "ServerInfo", "journal_folder", "main", "read_server_info", "run"]

DEFAULT_SYNC_INTERVAL_S: Final = 0.2
_FOLLOW_INTERVAL_S: Final = 0.1
_DRAIN_TIMEOUT_S: Final = 20
_USAGE_ERROR: Final = 2

_log = structlog.get_logger("trimtab.serving.server")


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``STATE/server.json``: where a server listens. There while it does."""

    pid: int
    host: str
    port: int
    started_us: int
    start_ticks: int = 0


def journal_folder(state: Path) -> Path:
    """Return where the server of ``state`` writes its journals."""
    return state / "journal"


def read_server_info(state: Path) -> ServerInfo | None:
    """Return where the server of ``state`` listens, or None. After a crash it may tell of a process that is gone."""
    try:
        return msgspec.json.decode((state / "server.json").read_bytes(), type=ServerInfo)
    except (OSError, msgspec.MsgspecError):
        return None


def run(
    state: Path,
    host: str,
    port: int,
    *,
    sync_interval_s: float = DEFAULT_SYNC_INTERVAL_S,
    journal_file_bytes: int = DEFAULT_FILE_BYTES,
) -> int:
    """Serve until SIGTERM or SIGINT, then drain; return the exit code.

    Logs go where the caller has configured them to go. Exit code 2: it could not start (port in use, folder not
    writable), told in one sentence on standard error.
    """
    keep_pandas_out()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    # uvicorn watches signals only while it serves, and raises them again after its shutdown.
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        arm(setting("crash_at"))
        with contextlib.closing(_listen(host, port)) as listener:
            journal = JournalWriter(
                journal_folder(state), sync_interval_s=sync_interval_s, file_bytes=journal_file_bytes
            )
            # `asyncio.run` takes no loop factory before 3.12.
            with contextlib.closing(journal), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(_serve(state, host, listener, journal, stopping))
    except TrimtabError as error:
        sys.stderr.write(f"error: {error}\n")
        return _USAGE_ERROR
    return 0


async def _serve(
    state: Path, host: str, listener: socket.socket, journal: JournalWriter, stopping: threading.Event
) -> None:
    table, metrics = EndpointTable(), ServingMetrics()
    # Not for secrets: it draws variants.
    loader = EndpointLoader(metrics, random.Random())
    new_id = IdFactory()
    app = ServingApp(
        table=table,
        handler=Handler(journal, new_id=new_id, monotonic_ns=time.perf_counter_ns),
        journal=journal,
        metrics=metrics,
        new_id=new_id,
        now_us=_now_us,
        monotonic_ns=time.perf_counter_ns,
    )
    metrics.watch(
        in_flight=lambda: app.in_flight,
        backlog_bytes=lambda: backlog_bytes(journal_folder(state), {journal.path: journal.position}),
    )
    follower = Follower(state, table=table, loader=loader, journal=journal, pid=os.getpid())
    await follower.step()
    # What is loaded now stays: the collector need not walk it again while requests wait.
    gc.collect()
    gc.freeze()
    info = ServerInfo(
        pid=os.getpid(),
        host=host,
        port=listener.getsockname()[1],
        started_us=_now_us(),
        start_ticks=started_ticks(os.getpid()),
    )
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_TIMEOUT_S,
    )
    following = asyncio.create_task(follower.follow(_FOLLOW_INTERVAL_S))
    try:
        await _Announcing(config, lambda: _announce(state, info), stopping).serve(sockets=[listener])
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        (state / "server.json").unlink(missing_ok=True)
        _log.info("stopped", port=info.port)


class _Announcing(uvicorn.Server):
    """Says where it listens as soon as it does."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None], stopping: threading.Event) -> None:
        super().__init__(config)
        self._announce = announce
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell; or stop again at once, if a signal came while bundles were loaded."""
        await super().startup(sockets)
        self._announce()
        self.should_exit = self.should_exit or self._stopping.is_set()


def _announce(state: Path, info: ServerInfo) -> None:
    write_atomically(state / "server.json", msgspec.json.encode(info))
    _log.info("listening", host=info.host, port=info.port)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConfigError(
            f"host {host!r}: cannot be resolved ({error.strerror}); expected an address; correct it"
        ) from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise BackendError(
            f"port {port} on {host}: cannot be taken ({error.strerror}); expected it to be free; stop what uses it, or "
            "choose another (--port here, serving.port in a project's trimtab.yaml)"
        ) from None
    listener.setblocking(False)
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # optional extra: absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _now_us() -> int:
    return time.time_ns() // 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m trimtab.serving.server", description="Serve the specs of a folder."
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of specs, status and journal")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8766, help="port to listen on; 0 takes a free one")
    parser.add_argument("--sync-interval", type=parse_duration, default="200ms", help="how often the journal is synced")
    parser.add_argument("--log-format", choices=("json", "console"), default="json", help="for machines or for people")
    options = parser.parse_args(arguments)
    configure_logs(options.log_format, process="inference-server")
    return run(options.state, options.host, options.port, sync_interval_s=options.sync_interval.total_seconds())


if __name__ == "__main__":
    sys.exit(main())
