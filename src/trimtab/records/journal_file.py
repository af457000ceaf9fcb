"""One file of a journal: allocated in full before its first frame, locked for as long as its writer lives, mapped."""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path

from trimtab.files import sync_folder
from trimtab.records.layout import SEAL_BYTES

__all__ = ["JournalFile"]


class JournalFile:
    """One file, allocated in full, locked, mapped."""

    def __init__(self, path: Path, size: int, head: bytes) -> None:
        self.path = path
        self.limit = size - len(SEAL_BYTES)
        self.end = 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            # Before the first byte: an unlocked file with a head is one whose writer is dead.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _allocate(descriptor, size)
            self.map = mmap.mmap(descriptor, size)
            self.map[: len(head)] = head
            sync_folder(path.parent)
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    @property
    def is_gone(self) -> bool:
        """Whether the file no longer stands under its name: no shipper would find it."""
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def sync(self) -> None:
        """Force what was written to the disk."""
        # msync holds the interpreter's lock for as long as the disk takes; fdatasync writes the same pages without it.
        if hasattr(os, "fdatasync"):
            os.fdatasync(self._descriptor)
        else:
            self.map.flush()

    def discard(self) -> None:
        """Remove the file, in which nothing was written."""
        self.map.close()
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def finish(self) -> None:
        """Force to disk, cut at the seal, let go of map, lock and descriptor."""
        self.sync()
        self.map.close()
        os.ftruncate(self._descriptor, self.end)
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    zeros = bytes(1 << 20)
    for offset in range(0, size, len(zeros)):
        os.pwrite(descriptor, zeros[: size - offset], offset)
