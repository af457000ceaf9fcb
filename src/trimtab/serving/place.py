"""Where a server process reads, writes and listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trimtab.files import write_atomically

__all__ = ["Place", "ServerInfo", "journal_folder", "read_server_info", "withdraw_info", "write_info"]


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``STATE/server.json``: where a server listens. There while it does."""

    pid: int
    host: str
    port: int
    started_us: int
    start_ticks: int = 0


def read_server_info(state: Path) -> ServerInfo | None:
    """Return where the server of ``state`` listens, or None. After a crash it may tell of a process that is gone."""
    try:
        return msgspec.json.decode((state / "server.json").read_bytes(), type=ServerInfo)
    except (OSError, msgspec.MsgspecError):
        return None


def write_info(state: Path, info: ServerInfo) -> None:
    """Tell where the server of ``state`` listens."""
    write_atomically(state / "server.json", msgspec.json.encode(info))


def withdraw_info(state: Path, info: ServerInfo) -> None:
    """Take back what `write_info` told, unless a server that came after has told of itself meanwhile."""
    if read_server_info(state) in (None, info):
        (state / "server.json").unlink(missing_ok=True)


def journal_folder(state: Path) -> Path:
    """Return where the server of ``state`` writes its journals."""
    return state / "journal"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server process reads what it should serve, and where it tells what it does.

    ``told_in`` is ``state`` unless several processes share it; ``worker`` is then which of them this one is.
    """

    state: Path
    told_in: Path
    host: str
    on_ready: Callable[[ServerInfo], None] | None = None
    worker: int | None = None
    workers: int = 1
