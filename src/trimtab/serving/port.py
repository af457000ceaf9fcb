"""Takes the port that a server listens on."""

from __future__ import annotations

import socket

from trimtab.core.errors import ConfigError

__all__ = ["listen"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port``; 0 takes a free port.

    Raises:
        ConfigError: the host is no address, or the port cannot be taken.
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
        raise ConfigError(
            f"port {port} on {host}: cannot be taken ({error.strerror}); expected it to be free; stop what uses it, or "
            "choose another (--port here, serving.port in a project's trimtab.yaml)"
        ) from None
    listener.setblocking(False)
    return listener
