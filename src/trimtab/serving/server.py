"""The inference server as a program: ``python -m trimtab.serving.server --state DIR --host H --port P``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.core.errors import TrimtabError
from trimtab.records.lean import keep_out

if TYPE_CHECKING:
    from trimtab.serving.options import ServerOptions

__all__ = ["main"]

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run; return the exit code."""
    # Start-up cost: structlog imports rich wherever it is, for a console that is not ours.
    keep_out("pandas", "rich")
    # Behind it for the same reason.
    from trimtab.config.logs import configure_logs
    from trimtab.serving.port import listen

    named = _read(arguments)
    configure_logs(named.log_format, process="inference-server")
    try:
        options = _options(named)
        listener = listen(named.host, named.port)
    except TrimtabError as error:
        sys.stderr.write(f"error: {error}\n")
        return _USAGE_ERROR
    if named.workers == 1:
        # Start-up cost: with several processes, the first only looks after the others.
        from trimtab.serving.process import run

        return run(named.state, named.host, listener, options=options)
    # Start-up cost: as above.
    from trimtab.serving.workers import run_pool

    return run_pool(
        named.state, named.host, listener, workers=named.workers, options=options, log_format=named.log_format
    )


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    # Start-up cost: pydantic, which no other process of the server needs.
    from trimtab.config.durations import parse_duration
    from trimtab.config.sizes import parse_size

    parser = argparse.ArgumentParser(
        prog="python -m trimtab.serving.server", description="Serve the specs of a folder."
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of specs, status and journal")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8766, help="port to listen on; 0 takes a free one")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    parser.add_argument("--keys", type=Path, help="ask for a key; the file holds their hashes")
    parser.add_argument("--sync-interval", type=parse_duration, default="200ms", help="how often the journal is synced")
    parser.add_argument(
        "--log-limit", type=parse_size, help="bytes that records may take until they are shipped, e.g. 4GiB"
    )
    parser.add_argument("--watchdog", type=parse_duration, default="30s", help="how long it may hang; 0s: for ever")
    parser.add_argument("--memory-budget", type=parse_size, help="bytes that models may take together, e.g. 2GiB")
    parser.add_argument("--log-format", choices=("json", "console"), default="json", help="for machines or for people")
    return parser.parse_args(arguments)


def _options(named: argparse.Namespace) -> ServerOptions:
    # Start-up cost: as above.
    from trimtab.serving.keys import own_key, read_keys
    from trimtab.serving.options import ServerOptions

    return ServerOptions(
        keys=() if named.keys is None else (*read_keys(named.keys), own_key(named.state)),
        sync_interval_s=named.sync_interval.total_seconds(),
        log_limit_bytes=named.log_limit,
        memory_budget_bytes=named.memory_budget,
        watchdog_s=named.watchdog.total_seconds() or None,
    )


if __name__ == "__main__":
    sys.exit(main())
