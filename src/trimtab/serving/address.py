"""Where the inference server of a state folder listens."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

from trimtab.files.processes import is_alive

__all__ = ["is_loopback", "server_url", "url_of"]


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine only.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(host: str, port: int) -> str:
    """Return the address of a server that listens there, as one asks it from its own machine.

    >>> url_of("0.0.0.0", 80), url_of("::1", 8766)
    ('http://127.0.0.1:80', 'http://[::1]:8766')
    """
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def server_url(state: Path) -> str | None:
    """Return the address of the server that runs on ``state``, None when none does."""
    try:
        told = json.loads((state / "server.json").read_bytes())
        pid, ticks = int(told["pid"]), int(told.get("start_ticks", 0))
        url = url_of(told["host"], told["port"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    # The file outlives a process that was killed, and its number may be another's by now.
    return url if is_alive(pid, ticks) else None
