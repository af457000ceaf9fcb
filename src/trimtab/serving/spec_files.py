"""Where a state folder holds what should be served, and what is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.serving.spec import EndpointSpec, EndpointStatus

__all__ = ["awaited_path", "read_spec", "read_status", "spec_path", "status_path"]

_MAX_SPEC_BYTES: Final = 1_000_000


def awaited_path(state: Path) -> Path:
    """Return the file that is there until a control plane elsewhere has said what shall be served."""
    return state / "awaits-control-plane"


def spec_path(state: Path, endpoint: str) -> Path:
    """Return where the desired state of ``endpoint`` stands."""
    return state / "specs" / f"{endpoint}.json"


def status_path(state: Path, endpoint: str) -> Path:
    """Return where the server says what it serves as ``endpoint``."""
    return state / "status" / f"{endpoint}.json"


def read_status(state: Path, endpoint: str) -> EndpointStatus | None:
    """Return what a server last said of ``endpoint``; None when none did, or what it said cannot be read."""
    try:
        return msgspec.json.decode(status_path(state, endpoint).read_bytes(), type=EndpointStatus)
    except (OSError, msgspec.MsgspecError):
        return None


def read_spec(path: Path) -> EndpointSpec:
    """Return the spec in ``path``.

    Raises:
        ConfigError: it is too large, no plain file, no spec, or of another endpoint than its name says.
        OSError: it cannot be read.
    """
    content = _content(path)
    try:
        spec = msgspec.json.decode(content, type=EndpointSpec)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # A refusal by the spec itself comes wrapped in msgspec's error.
        raise ConfigError(f"{path}: {error}; expected an EndpointSpec; deploy again") from error
    if spec.endpoint != path.stem:
        raise ConfigError(f"{path}: holds endpoint {spec.endpoint[:80]!r}, expected {path.stem!r}; rename one")
    return spec


def _content(path: Path) -> bytes:
    with open(path, "rb", opener=_open_at_once) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: is no plain file, expected an EndpointSpec in one; remove it, and deploy again")
        content = stream.read(_MAX_SPEC_BYTES + 1)
    if len(content) > _MAX_SPEC_BYTES:
        raise ConfigError(f"{path}: {status.st_size} bytes, a spec has at most {_MAX_SPEC_BYTES}; write it again")
    return content


def _open_at_once(path: str, flags: int) -> int:
    # A pipe of this name would have the server wait for its writer: no other spec would be followed, nor SIGTERM.
    return os.open(path, flags | os.O_NONBLOCK)
