"""A checkpoint: how far the chain had come at some moment, kept outside the database.

One JSON file a checkpoint. Whoever can write the database can also rewrite the whole chain; they are found out by a
checkpoint that lies where they cannot write. The file is not signed yet: a signature will cover its bytes and stand
beside it as ``<name>.sig``, so the format of the file itself will stay.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from trimtab.core.canonical import canonical_json
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ArtifactUntrustedError, ConflictError, NotFoundError
from trimtab.files import write_atomically

__all__ = ["Checkpoint", "newest_checkpoint", "read_checkpoint", "write_checkpoint"]

_NAME = re.compile(r"checkpoint-\d{12}\.json")
_MAX_BYTES = 10_000


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chain had ``sequence`` entries at ``at_us`` (microseconds UTC), the last with ``hash``."""

    schema_version: Literal[1] = 1
    sequence: int
    hash: str
    at_us: int


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint`` into ``folder`` and return its file; repeating it changes nothing.

    Raises:
        ConflictError: a checkpoint of the same sequence with another hash stands there: one of two chains is forged.
        OSError: the folder cannot be written.
    """
    path = folder / f"checkpoint-{checkpoint.sequence:012d}.json"
    if path.exists():
        known = read_checkpoint(path)
        if known.hash != checkpoint.hash:
            raise ConflictError(
                f"{path}: hash {known.hash[:12]}… stands there, the log now says {checkpoint.hash[:12]}…; "
                "run `trimtab audit verify`"
            )
        return path
    write_atomically(path, canonical_json(msgspec.to_builtins(checkpoint)).encode() + b"\n")
    reached("audit.checkpointed")
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in ``path``.

    Raises:
        NotFoundError: there is no such file.
        ArtifactUntrustedError: it holds no checkpoint.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError(f"checkpoint {path}: no such file; name one that `trimtab audit` wrote") from None
    try:
        if len(content) > _MAX_BYTES:
            raise msgspec.ValidationError(f"more than {_MAX_BYTES} bytes")
        return msgspec.json.decode(content, type=Checkpoint)
    except msgspec.DecodeError as error:
        raise ArtifactUntrustedError(f"checkpoint {path}: {error}; expected the file as it was written") from error


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in ``folder`` that reaches farthest, None when it holds none."""
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    return read_checkpoint(files[-1]) if files else None
