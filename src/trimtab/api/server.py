"""The control plane's process: API and conductor together, until SIGTERM."""

from __future__ import annotations

import os
import socket

import orjson
import structlog
import uvicorn

from trimtab.api.app import make_app
from trimtab.core.errors import BackendError, ConfigError
from trimtab.files import write_atomically
from trimtab.loop.conductor import Conductor
from trimtab.loop.platform import Platform

__all__ = ["listen", "serve"]

_log = structlog.get_logger(__name__)


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
    told = {"pid": os.getpid(), "host": host, "port": bound.getsockname()[1]}
    app = make_app(platform)
    conductor.start()
    try:
        write_atomically(address, orjson.dumps(told), mode=0o600)
    except OSError as error:
        raise BackendError(f"{address}: cannot be written ({error}); check disk and permissions") from error
    _log.info("control-plane.ready", **told)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5, lifespan="off")
    try:
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        address.unlink(missing_ok=True)
        conductor.stop()
        platform.jobs.stop_all()
        _log.info("control-plane.stopped")
