"""Serves on a port until told to stop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import uvicorn

from trimtab.serving.accepting import FairAcceptor
from trimtab.serving.limits import ConnectionWatch, bounded_protocol, raise_file_limit

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from trimtab.serving.app import ServingApp
    from trimtab.serving.options import ServerOptions

__all__ = ["Listening", "new_event_loop"]


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
        leaving: Callable[[], None],
        shared: bool = False,
    ) -> None:
        """``leaving`` is called as soon as it stops; ``shared``: others take connections from the same listener."""
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
        self._leaving = leaving
        self.connection_watch = ConnectionWatch(self.server_state.connections, options)
        """Has to go on beside it, until all is answered: slow callers are closed meanwhile, too."""
        self._shared = shared
        self._acceptors: list[FairAcceptor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell; or stop again at once, if a signal came while bundles were loaded."""
        if self._shared:
            await super().startup([])
            self._acceptors = [FairAcceptor(one, self._new_protocol) for one in sockets or ()]
        else:
            await super().startup(sockets)
        self._announce()
        self.should_exit = self.should_exit or self._stopping.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is being answered, close what is idle, and stop."""
        self._leaving()
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets)

    def _new_protocol(self) -> asyncio.Protocol:
        protocol = cast("type[HttpToolsProtocol]", self.config.http_protocol_class)
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
