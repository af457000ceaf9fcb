"""One of several processes that serve one port: ``python -m trimtab.serving.worker``, started by `Pool` only.

Its orders come as one JSON object on standard input, so that hashes of keys stand in no list of processes.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Literal

import msgspec

from trimtab.config.logs import configure_logs
from trimtab.serving.options import ServerOptions
from trimtab.serving.server import Place, serve_on

__all__ = ["WorkerOrders", "main"]


class WorkerOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know: ``descriptor`` is that of the listening socket, which it inherits."""

    number: int
    workers: int
    state: str
    told_in: str
    host: str
    descriptor: int
    log_format: Literal["json", "console"]
    options: ServerOptions


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=WorkerOrders)
    configure_logs(orders.log_format, process=f"inference-server-{orders.number}")
    place = Place(Path(orders.state), Path(orders.told_in), orders.host, worker=orders.number, workers=orders.workers)
    return serve_on(lambda: socket.socket(fileno=orders.descriptor), place, orders.options)


if __name__ == "__main__":
    sys.exit(main())
