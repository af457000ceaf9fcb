"""What steps of earlier trainings left: by key, verified on reading, bounded in size.

``keys/KEY`` names the SHA-256 of the content, ``objects/SHA256`` is the content: MessagePack, with arrays as ``.npy``
within. Nothing in it is ever executed or unpickled. Several jobs may share a folder: files appear whole, and one that
vanishes or is damaged only means that the step is done again.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar

import msgspec
import numpy as np
from pydantic import BaseModel, ValidationError

from trimtab.files import write_atomically

__all__ = ["DEFAULT_MAX_BYTES", "StepCache"]

DEFAULT_MAX_BYTES = 2_000_000_000
"""What a cache may hold; the least recently used goes first."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

ValueT = TypeVar("ValueT")


class StepCache:
    """Values by step key. ``folder`` None: remembers nothing. No call raises for what the folder holds or lacks."""

    def __init__(self, folder: Path | None, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, key: str, kind: type[ValueT]) -> ValueT | None:
        """Return what was kept under ``key``, None if there is nothing, or nothing that can be believed."""
        if self._folder is None:
            return None
        try:
            digest = (self._folder / "keys" / key).read_text(encoding="ascii")
            if not _SHA256.fullmatch(digest):
                return None
            path = self._folder / "objects" / digest
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                return None
            value = msgspec.msgpack.decode(content, type=kind, dec_hook=_from_plain)
            for used in (path, self._folder / "keys" / key):
                os.utime(used)  # what is used stays
        except (OSError, msgspec.DecodeError, ValidationError, ValueError, MemoryError, SyntaxError, TokenError):
            # An array's head is text that is parsed: it may claim any size, and be no Python at all.
            return None
        return value

    def put(self, key: str, value: object) -> None:
        """Keep ``value`` under ``key``, if the disk lets us; then drop what was used longest ago."""
        if self._folder is None:
            return
        content = msgspec.msgpack.encode(value, enc_hook=_to_plain)
        if len(content) > self._max_bytes:
            return
        digest = hashlib.sha256(content).hexdigest()
        try:
            # The content first: a key never names what is not there yet.
            write_atomically(self._folder / "objects" / digest, content)
            write_atomically(self._folder / "keys" / key, digest.encode("ascii"))
            self._trim()
        except OSError:
            return

    def _trim(self) -> None:
        assert self._folder is not None
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # another job dropped it meanwhile
            found.append((stat.st_mtime, stat.st_size, path))
        held = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if held <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            held -= size


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        stream = io.BytesIO()
        np.save(stream, value, allow_pickle=False)
        return stream.getvalue()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"step cache: a {type(value).__name__} cannot be kept")


def _from_plain(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_validate(value)
    # Not `np.load`, which also opens archives, and answers with something that is no array.
    return np.lib.format.read_array(io.BytesIO(value), allow_pickle=False)
