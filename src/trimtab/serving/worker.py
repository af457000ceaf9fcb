"""One of several processes that serve one port: ``python -m trimtab.serving.worker``, started by `Pool` only.

Its orders come as one JSON object on standard input, so that hashes of keys stand in no list of processes.
"""

from __future__ import annotations

import gc
import sys

from trimtab.records.lean import keep_out

__all__ = ["main"]


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    # Start-up cost: nothing of what is imported is garbage, and structlog imports rich wherever it is.
    gc.disable()
    keep_out("pandas", "rich")
    # Behind it for the same reason.
    import socket
    from pathlib import Path

    import msgspec

    from trimtab.config.logs import configure_logs
    from trimtab.serving.orders import WorkerOrders
    from trimtab.serving.place import Place
    from trimtab.serving.process import serve_on

    gc.enable()
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=WorkerOrders)
    configure_logs(orders.log_format, process=f"inference-server-{orders.number}")
    place = Place(Path(orders.state), Path(orders.told_in), orders.host, worker=orders.number, workers=orders.workers)
    return serve_on(lambda: socket.socket(fileno=orders.descriptor), place, orders.options)


if __name__ == "__main__":
    sys.exit(main())
