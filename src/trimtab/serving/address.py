"""Where the inference server of a state folder listens."""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["server_url"]


def server_url(state: Path) -> str | None:
    """Return the address of the server that runs on ``state``, None when none does."""
    try:
        told = json.loads((state / "server.json").read_bytes())
        os.kill(told["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return f"http://{told['host']}:{told['port']}"
