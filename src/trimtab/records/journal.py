"""The journal: where an answer is written down before it leaves, at the cost of about a microsecond."""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import threading
import zlib
from pathlib import Path
from typing import Final

import msgspec

from trimtab.core.errors import BackendError, ConfigError
from trimtab.files import sync_folder
from trimtab.records.layout import HEAD, HEAD_BYTES, MAGIC, SEAL_BYTES, file_name
from trimtab.records.schema import Frame, SchemaFrame

__all__ = ["DEFAULT_FILE_BYTES", "JournalWriter", "new_writer_id"]

DEFAULT_FILE_BYTES: Final = 16 * 1024 * 1024
_SMALLEST_FILE_BYTES: Final = 4096


def new_writer_id() -> str:
    """Return an id for a writer of this process: its pid, when it started (kernel ticks), and 8 random hex digits.

    The random part keeps a file name from ever being used twice: segments are named after journal files.
    """
    try:
        # The command in field 2 may hold spaces and parentheses: count from its end.
        started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        started = "0"
    return f"{os.getpid()}.{started}.{secrets.token_hex(4)}"


class JournalWriter:
    """Appends frames to memory-mapped files that survive the death of the process.

    A frame is accepted when `append` returns: it then stands in the page cache, which outlives ``kill -9``. A thread
    forces it to the disk every ``sync_interval_s``, which bounds what a power cut can take. Files are allocated in
    full beforehand, so that a full disk is met as an error at rotation and never as SIGBUS in the middle of a frame.
    Each writer has files of its own, and holds a lock on them for as long as it lives. `append`, `declare`, `withdraw`
    and `close` belong to one thread.

    Raises:
        BackendError: the folder cannot be written, or has no room for a file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync_interval_s: float,
        file_bytes: int = DEFAULT_FILE_BYTES,
        writer_id: str | None = None,
    ) -> None:
        if file_bytes < _SMALLEST_FILE_BYTES:
            raise ConfigError(f"file_bytes: {file_bytes}, expected at least {_SMALLEST_FILE_BYTES}; raise it")
        self._folder = folder
        self._file_bytes = file_bytes
        self._writer_id = writer_id or new_writer_id()
        self._encode = msgspec.msgpack.Encoder().encode_into
        self._buffer = bytearray(4096)
        self._schemas: dict[int, SchemaFrame] = {}
        self._number = 0
        self._lock = threading.Lock()  # guards what the syncing thread takes over: the current file, and retired ones
        self._retired: list[_File] = []
        self._sync_error: OSError | None = None
        self._synced = 0
        self._file = self._create(())
        self._map = self._file.map
        self._limit = self._file.limit
        self._position = len(MAGIC)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._sync_forever, args=(sync_interval_s,), name="journal-sync", daemon=True
        )
        self._thread.start()

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self._file.path

    @property
    def position(self) -> int:
        """Where the next frame of `path` will start, in bytes."""
        return self._position

    def declare(self, schema: SchemaFrame) -> None:
        """Write ``schema`` now, and again at the head of each later file, until it is withdrawn.

        Raises:
            BackendError: see `append`.
        """
        self.append(schema)
        self._schemas[schema.schema_id] = schema

    def withdraw(self, schema_id: int) -> None:
        """Stop repeating a schema; no row of it may follow."""
        self._schemas.pop(schema_id, None)

    def append(self, frame: Frame) -> None:
        """Accept ``frame``: when this returns, the death of the process cannot take it back.

        Raises:
            BackendError: there is no room for a further file, or the disk refused the last sync; nothing was written.
            ConfigError: the frame is larger than a file can hold, or holds a whole number beyond 64 bits.
        """
        if self._sync_error is not None:
            raise BackendError(
                f"{self._folder}: the disk refused to sync ({self._sync_error.strerror}); expected a working disk; "
                "replace it, then start again"
            ) from self._sync_error
        buffer = self._buffer
        try:
            self._encode(frame, buffer, HEAD_BYTES)
        except (OverflowError, ValueError) as error:
            raise ConfigError(f"record: {error}; expected text in UTF-8 and numbers of 64 bits; correct it") from error
        size = len(buffer)
        if self._position + size > self._limit:
            self._rotate(size)
        HEAD.pack_into(buffer, 0, size - HEAD_BYTES, zlib.crc32(memoryview(buffer)[HEAD_BYTES:]))
        position = self._position
        end = position + size
        # The length goes in last: a reader in another process must not see it before the bytes that it announces.
        self._map[position + 4 : end] = buffer[4:]
        self._map[position : position + 4] = buffer[:4]
        self._position = end

    def close(self) -> None:
        """Seal the file, force all to the disk, and stop. Safe to call twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._seal()
        self._sync()

    def _rotate(self, needed: int) -> None:
        schemas = tuple(_framed(schema) for schema in self._schemas.values())
        heads = len(MAGIC) + sum(map(len, schemas))
        if heads + needed > self._file_bytes - len(SEAL_BYTES):
            raise ConfigError(
                f"record: {needed} bytes, a journal file has room for {self._file_bytes - len(SEAL_BYTES) - heads}; "
                "send smaller rows"
            )
        fresh = self._create(schemas)
        self._seal()
        with self._lock:
            self._file = fresh
            self._synced = 0
        self._map = fresh.map
        self._limit = fresh.limit
        self._position = heads

    def _seal(self) -> None:
        self._map[self._position : self._position + len(SEAL_BYTES)] = SEAL_BYTES
        self._file.end = self._position + len(SEAL_BYTES)
        with self._lock:
            self._retired.append(self._file)

    def _create(self, heads: tuple[bytes, ...]) -> _File:
        self._number += 1
        path = self._folder / file_name(self._writer_id, self._number)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return _File(path, self._file_bytes, MAGIC + b"".join(heads))
        except OSError as error:
            raise BackendError(
                f"{self._folder}: no room for a journal file of {self._file_bytes} bytes ({error.strerror}); "
                "free disk space; what cannot be recorded is not answered"
            ) from error

    def _sync_forever(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            current = self._file
        try:
            for file in retired:
                file.finish()
            if current not in retired and self._synced != (position := self._position):
                current.sync()
                self._synced = position
        except OSError as error:
            self._sync_error = error


class _File:
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

    def sync(self) -> None:
        """Force what was written to the disk."""
        # msync holds the interpreter's lock for as long as the disk takes; fdatasync writes the same pages without it.
        if hasattr(os, "fdatasync"):
            os.fdatasync(self._descriptor)
        else:
            self.map.flush()

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


def _framed(frame: Frame) -> bytes:
    payload = msgspec.msgpack.encode(frame)
    return HEAD.pack(len(payload), zlib.crc32(payload)) + payload
