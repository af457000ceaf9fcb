"""One process of the inference server, from its listener to the end of its drain."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import disable_created_metrics

from trimtab.config.process import setting
from trimtab.core.crashpoints import arm
from trimtab.core.errors import TrimtabError
from trimtab.files.processes import started_ticks
from trimtab.records.journal import JournalWriter, file_bytes_within
from trimtab.records.lean import keep_out
from trimtab.serving.assembly import Parts, assemble, now_us
from trimtab.serving.background import Background
from trimtab.serving.listening import Listening, new_event_loop
from trimtab.serving.options import ServerOptions
from trimtab.serving.place import Place, ServerInfo, journal_folder, withdraw_info, write_info
from trimtab.serving.watchdog import Watchdog

__all__ = ["run", "serve_on"]

_DEFAULTS: Final = ServerOptions()
_FOLLOW_INTERVAL_S: Final = 0.1
_FAILURE: Final = 1
_USAGE_ERROR: Final = 2

_log = structlog.get_logger("trimtab.serving.process")


def run(
    state: Path,
    host: str,
    listener: socket.socket,
    *,
    options: ServerOptions = _DEFAULTS,
    on_ready: Callable[[ServerInfo], None] | None = None,
) -> int:
    """Serve on ``listener``, which ``host`` names, until SIGTERM or SIGINT, then drain; return the exit code.

    Logs go where the caller has configured them to go. ``on_ready`` is called once it listens. Exit code 2: it could
    not start (folder not writable), told in one sentence on standard error. Exit code 1: what goes on
    beside the requests broke, told so, too; it wants to be started again, as it does after exit code 70: the event loop
    hung, so that the process ended itself.
    """
    return serve_on(lambda: listener, Place(state, state, host, on_ready), options)


def serve_on(listener_of: Callable[[], socket.socket], place: Place, options: ServerOptions) -> int:
    """Serve on a listener until SIGTERM or SIGINT, then drain; return the exit code: see `run`."""
    keep_out("pandas")
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
    listening = Listening(
        parts.app,
        options,
        lambda: _announce(place, info),
        stopping,
        leaving=parts.lives.end,
        shared=place.workers > 1,
    )

    def stop() -> None:
        listening.should_exit = True

    background = Background(stop)
    background.start("connections", listening.connection_watch.watch())
    if options.watchdog_s is not None:
        background.start("watchdog", Watchdog(options.watchdog_s).turn())
    _go_on_beside(background, parts, place)
    try:
        await listening.serve(sockets=[listener])
    finally:
        await background.cancel()
        parts.shadows.close()
        if parts.shared is not None:
            parts.shared.tell()
        withdraw_info(place.told_in, info)
        _log.info("stopped", port=info.port)
    return background.failure


def _go_on_beside(background: Background, parts: Parts, place: Place) -> None:
    background.start("follow", parts.follower.follow(_FOLLOW_INTERVAL_S))
    background.start("recording", parts.app.recording.watch(journal_folder(place.state)))
    follower = parts.follower
    failure = partial(follower.failure, workers=place.workers)
    background.start("jobs", parts.jobs.run(parts.app.answer_stored, serves=follower.serves, failure=failure))
    if parts.shared is not None:
        background.start("metrics", parts.shared.keep_telling())


def _announce(place: Place, info: ServerInfo) -> None:
    write_info(place.told_in, info)
    _log.info("listening", host=info.host, port=info.port)
    if place.on_ready is not None:
        place.on_ready(info)
