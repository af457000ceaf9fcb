"""Files that are whole or absent: atomic replacement and digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

__all__ = ["remove_unfinished", "sha256_of_file", "sync_folder", "write_atomically"]


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``content``, so that a reader or a crash sees the old file or the new one, never a part.

    Parents are made. The bytes are on disk (`fsync`) before the name points at them.

    Raises:
        OSError: the folder cannot be written, or the disk is full; ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            # A full disk says so of a descriptor: nobody could tell which disk is meant.
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def remove_unfinished(folder: Path, pattern: str, *, older_than_s: float) -> None:
    """Remove what processes that were killed had half written with `write_atomically`, as names like ``pattern``.

    Whoever else may be writing there is given ``older_than_s``. What cannot be removed stays.
    """
    latest = time.time() - older_than_s
    for path in folder.glob(f".{pattern}.????????"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime <= latest:
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames and new names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, as 64 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
