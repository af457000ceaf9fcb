"""The inference server's composition root: ``python -m trimtab.serving.server --state DIR --host H --port P``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
from prometheus_client import disable_created_metrics

from trimtab.config.durations import parse_duration
from trimtab.config.logs import configure_logs
from trimtab.config.process import setting
from trimtab.config.sizes import parse_size
from trimtab.core.crashpoints import arm
from trimtab.core.errors import TrimtabError
from trimtab.files import write_atomically
from trimtab.files.processes import started_ticks
from trimtab.records.journal import JournalWriter, file_bytes_within
from trimtab.records.lean import keep_pandas_out
from trimtab.serving.assembly import Parts, Place, assemble, journal_folder, now_us
from trimtab.serving.background import Background
from trimtab.serving.listening import Listening, listen, new_event_loop
from trimtab.serving.options import ServerOptions

__all__ = [
    "Place",
    "ServerInfo",
    "journal_folder",
    "main",
    "read_server_info",
    "run",
    "serve_on",
    "write_info",
]

_DEFAULTS: Final = ServerOptions()
_FOLLOW_INTERVAL_S: Final = 0.1
_FAILURE: Final = 1
_USAGE_ERROR: Final = 2

_log = structlog.get_logger("trimtab.serving.server")


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``STATE/server.json``: where a server listens. There while it does."""

    pid: int
    host: str
    port: int
    started_us: int
    start_ticks: int = 0


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
    options: ServerOptions = _DEFAULTS,
    on_ready: Callable[[ServerInfo], None] | None = None,
) -> int:
    """Serve in this process until SIGTERM or SIGINT, then drain; return the exit code.

    Logs go where the caller has configured them to go. ``on_ready`` is called once it listens. Exit code 2: it could
    not start (port in use, folder not writable), told in one sentence on standard error. Exit code 1: what goes on
    beside the requests broke, told so, too; it wants to be started again.
    """

    def listener() -> socket.socket:
        return listen(host, port)

    return serve_on(listener, Place(state, state, host, on_ready), options)


def serve_on(listener_of: Callable[[], socket.socket], place: Place, options: ServerOptions) -> int:
    """Serve on a listener until SIGTERM or SIGINT, then drain; return the exit code: see `run`."""
    keep_pandas_out()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    # uvicorn watches signals only while it serves, and raises them again after its shutdown.
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        arm(setting("crash_at"))
        with contextlib.closing(listener_of()) as listener:
            journal = JournalWriter(
                journal_folder(place.state),
                sync_interval_s=options.sync_interval_s,
                file_bytes=options.journal_file_bytes or file_bytes_within(options.log_limit_bytes, place.workers),
                limit_bytes=options.log_limit_bytes,
            )
            # `asyncio.run` takes no loop factory before 3.12.
            with contextlib.closing(journal), asyncio.Runner(loop_factory=new_event_loop()) as runner:
                failure = runner.run(_serve(place, listener, journal, options, stopping))
    except TrimtabError as error:
        sys.stderr.write(f"error: {error}\n")
        return _USAGE_ERROR
    if failure is not None:
        sys.stderr.write(f"error: {failure}\n")
        return _FAILURE
    return 0


async def _serve(
    place: Place, listener: socket.socket, journal: JournalWriter, options: ServerOptions, stopping: threading.Event
) -> str | None:
    """Serve until told to stop; return why it stopped by itself, None if it did not."""
    parts = assemble(place, options, journal)
    await parts.follower.step()
    # What is loaded now stays: the collector need not walk it again while requests wait.
    gc.collect()
    gc.freeze()
    info = ServerInfo(
        pid=os.getpid(),
        host=place.host,
        port=listener.getsockname()[1],
        started_us=now_us(),
        start_ticks=started_ticks(os.getpid()),
    )
    listening = Listening(parts.app, options, lambda: _announce(place, info), stopping, shared=place.workers > 1)

    def stop() -> None:
        listening.should_exit = True

    background = Background(stop)
    _go_on_beside(background, parts, place)
    try:
        await listening.serve(sockets=[listener])
    finally:
        await background.cancel()
        parts.shadows.close()
        if parts.shared is not None:
            parts.shared.tell()
        (place.told_in / "server.json").unlink(missing_ok=True)
        _log.info("stopped", port=info.port)
    return background.failure


def _go_on_beside(background: Background, parts: Parts, place: Place) -> None:
    background.start("follow", parts.follower.follow(_FOLLOW_INTERVAL_S))
    background.start("recording", parts.app.recording.watch(journal_folder(place.state)))
    background.start("jobs", parts.jobs.run(parts.app.answer_stored, serves=parts.follower.serves))
    if parts.shared is not None:
        background.start("metrics", parts.shared.keep_telling())


def _announce(place: Place, info: ServerInfo) -> None:
    write_info(place.told_in, info)
    _log.info("listening", host=info.host, port=info.port)
    if place.on_ready is not None:
        place.on_ready(info)


def write_info(state: Path, info: ServerInfo) -> None:
    """Tell where the server of ``state`` listens."""
    write_atomically(state / "server.json", msgspec.json.encode(info))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m trimtab.serving.server", description="Serve the specs of a folder."
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of specs, status and journal")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8766, help="port to listen on; 0 takes a free one")
    parser.add_argument("--sync-interval", type=parse_duration, default="200ms", help="how often the journal is synced")
    parser.add_argument(
        "--log-limit", type=parse_size, help="bytes that records may take until they are shipped, e.g. 4GiB"
    )
    parser.add_argument("--memory-budget", type=parse_size, help="bytes that models may take together, e.g. 2GiB")
    parser.add_argument("--log-format", choices=("json", "console"), default="json", help="for machines or for people")
    options = parser.parse_args(arguments)
    configure_logs(options.log_format, process="inference-server")
    return run(
        options.state,
        options.host,
        options.port,
        options=ServerOptions(
            sync_interval_s=options.sync_interval.total_seconds(),
            log_limit_bytes=options.log_limit,
            memory_budget_bytes=options.memory_budget,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
