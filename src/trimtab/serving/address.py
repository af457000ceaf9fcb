"""Where the inference server of a state folder listens."""

from __future__ import annotations

import json
from pathlib import Path

from trimtab.files.processes import is_alive

__all__ = ["server_url"]


def server_url(state: Path) -> str | None:
    """Return the address of the server that runs on ``state``, None when none does."""
    try:
        told = json.loads((state / "server.json").read_bytes())
        pid, ticks = int(told["pid"]), int(told.get("start_ticks", 0))
        host = f"[{told['host']}]" if ":" in told["host"] else told["host"]
        url = f"http://{host}:{told['port']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # The file outlives a process that was killed, and its number may be another's by now.
    return url if is_alive(pid, ticks) else None
