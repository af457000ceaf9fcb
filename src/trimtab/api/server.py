"""The control plane's process: API and conductor together, until SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import orjson
import structlog
import uvicorn

from trimtab.api.app import make_app
from trimtab.api.transfers import uploads_of
from trimtab.core.errors import BackendError, ConfigError
from trimtab.files import write_atomically
from trimtab.files.processes import started_ticks
from trimtab.loop.conductor import Conductor
from trimtab.loop.platform import Platform

__all__ = ["listen", "serve"]

_log = structlog.get_logger(__name__)

_LEFTOVER_S = 3600.0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, so that a port in use is known before anything starts.

    Raises:
        ConfigError: the port is taken or may not be used.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"control plane: cannot listen on {host}:{port} ({error.strerror}); "
            "stop what uses it, or set another api.port in trimtab.yaml"
        ) from error
    return bound


def serve(platform: Platform, conductor: Conductor, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then let the pieces of work at hand finish.

    Raises:
        ConfigError: the port cannot be used.
        BackendError: the address could not be told to the command line.
    """
    bound = listen(host, port)
    address = platform.project.state / "control-plane.json"
    told: dict[str, object] = {
        "pid": os.getpid(),
        "start_ticks": started_ticks(os.getpid()),
        "host": host,
        "port": bound.getsockname()[1],
    }
    app = make_app(platform, host=host, why_stuck=conductor.why_stuck)
    _remove_leftovers(uploads_of(platform.project))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # It believes the X-Forwarded-For of all that ask from this machine: our own setting says whose word counts.
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    app.state.streams.broadcast.is_stopping = lambda: server.should_exit
    # A signal may come before uvicorn watches for it, and uvicorn raises it again after its own shutdown: by default
    # that would end us before ours.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    try:
        conductor.start()
        _tell(address, told)
        server.run(sockets=[bound])
    finally:
        address.unlink(missing_ok=True)
        conductor.stop()
        platform.jobs.stop_all()
        _log.info("control-plane.stopped")


def _tell(address: Path, told: dict[str, object]) -> None:
    try:
        write_atomically(address, orjson.dumps(told), mode=0o600)
    except OSError as error:
        raise BackendError(f"{address}: cannot be written ({error}); check disk and permissions") from error
    _log.info("control-plane.ready", **told)


def _remove_leftovers(uploads: Path) -> None:
    """Remove what a control plane that was killed had received half; not what another may be receiving now."""
    for upload in uploads.glob("*"):
        if time.time() - upload.stat().st_mtime > _LEFTOVER_S:
            upload.unlink(missing_ok=True)
