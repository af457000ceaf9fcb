"""Takes the port, and serves on it until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import uvicorn

from trimtab.core.errors import BackendError, ConfigError
from trimtab.serving.accepting import FairAcceptor
from trimtab.serving.limits import ConnectionWatch, bounded_protocol, raise_file_limit

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from trimtab.serving.app import ServingApp
    from trimtab.serving.options import ServerOptions

__all__ = ["Listening", "listen", "new_event_loop"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port``; 0 takes a free port.

    Raises:
        ConfigError: the host is no address.
        BackendError: the port cannot be taken.
    """
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


def new_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the fastest event loop that is there; None: Python's own."""
    try:
        import uvloop  # optional extra: absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


class Listening(uvicorn.Server):
    """uvicorn, with bounds on connections and on patience; it says so as soon as it listens."""

    def __init__(
        self,
        app: ServingApp,
        options: ServerOptions,
        announce: Callable[[], None],
        stopping: threading.Event,
        *,
        shared: bool = False,
    ) -> None:
        """``shared``: other processes take connections from the same listener."""
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_protocol(raise_file_limit(options.max_connections)),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                # Its one warning is of requests that are no HTTP, without bound: whoever can connect could fill a disk.
                log_level="error",
                server_header=False,
                date_header=True,
                proxy_headers=False,
                timeout_keep_alive=int(max(1, options.keep_alive_s)),
                timeout_graceful_shutdown=int(max(1, options.drain_timeout_s)),
            )
        )
        self._announce = announce
        self._stopping = stopping
        self._watch = ConnectionWatch(self.server_state.connections, options)
        self._watching: asyncio.Task[None] | None = None
        self._shared = shared
        self._acceptors: list[FairAcceptor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell; or stop again at once, if a signal came while bundles were loaded."""
        if self._shared:
            await super().startup([])
            self._acceptors = [FairAcceptor(one, self._new_protocol) for one in sockets or ()]
        else:
            await super().startup(sockets)
        self._watching = asyncio.create_task(self._watch.watch())
        self._announce()
        self.should_exit = self.should_exit or self._stopping.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is being answered, close what is idle, and stop; slow callers are closed meanwhile, too."""
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets)
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    def _new_protocol(self) -> asyncio.Protocol:
        protocol = cast("type[HttpToolsProtocol]", self.config.http_protocol_class)
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
