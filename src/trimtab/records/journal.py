"""The journal: where an answer is written down before it leaves, at the cost of about a microsecond."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from trimtab.core.errors import BackendError, ConfigError
from trimtab.records.journal_file import JournalFile
from trimtab.records.layout import HEAD, HEAD_BYTES, MAGIC, SEAL_BYTES, file_name, journal_files
from trimtab.records.schema import Frame, SchemaFrame

__all__ = ["DEFAULT_FILE_BYTES", "JournalFullError", "JournalWriter", "file_bytes_within", "new_writer_id"]

DEFAULT_FILE_BYTES: Final = 16 * 1024 * 1024
_SMALLEST_FILE_BYTES: Final = 4096
_SMALLEST_LIMIT_BYTES: Final = 64 * 1024
_LOOK_AGAIN_S: Final = 0.002


class JournalFullError(BackendError):
    """A record was not taken: the disk or the journals' own limit has no room, or the disk refuses to sync."""


def file_bytes_within(limit_bytes: int | None, writers: int = 1) -> int:
    """Return how large a journal file may be, so that ``writers`` can go on to a next one within ``limit_bytes``.

    Raises:
        ConfigError: the limit is too small for so many writers.

    >>> file_bytes_within(None), file_bytes_within(1 << 20, writers=2)
    (16777216, 131072)
    """
    if limit_bytes is None:
        return DEFAULT_FILE_BYTES
    if limit_bytes < _SMALLEST_LIMIT_BYTES * writers:
        raise ConfigError(
            f"log limit: {limit_bytes} bytes, expected at least {_SMALLEST_LIMIT_BYTES} for each of {writers} "
            "workers; raise it"
        )
    # Each writer fills one file while others wait to be shipped: with fewer, one slow file would stop all.
    return min(DEFAULT_FILE_BYTES, limit_bytes // (4 * writers))


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


_WORD: Final = struct.Struct("<I")


class JournalWriter:
    """Appends frames to memory-mapped files that survive the death of the process.

    A frame is accepted when `append` returns: it then stands in the page cache, which outlives ``kill -9``. A thread
    forces it to the disk every ``sync_interval_s``, which bounds what a power cut can take. It also makes the next file
    when the current one is half full: that takes milliseconds, which no request should wait. Files are allocated in
    full beforehand, so that a full disk is met as an error at rotation and never as SIGBUS in the middle of a frame.
    Each writer has files of its own, and holds a lock on them for as long as it lives. `append`, `declare`, `withdraw`,
    `try_again` and `close` belong to one thread.

    All journals of the folder together, of all writers, take at most ``limit_bytes`` (None: what the disk has): when a
    further file would go beyond, nothing is accepted until the shipper has taken one away. The limit is looked at when
    a file is full, and so costs an `append` nothing.

    Raises:
        JournalFullError: the folder cannot be written, or has no room for a file.
        ConfigError: the sizes do not go together.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync_interval_s: float,
        file_bytes: int = DEFAULT_FILE_BYTES,
        limit_bytes: int | None = None,
        writer_id: str | None = None,
    ) -> None:
        if file_bytes < _SMALLEST_FILE_BYTES:
            raise ConfigError(f"file_bytes: {file_bytes}, expected at least {_SMALLEST_FILE_BYTES}; raise it")
        if limit_bytes is not None and limit_bytes < 2 * file_bytes:
            raise ConfigError(f"limit_bytes: {limit_bytes}, expected two files of {file_bytes} at least; raise it")
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._full: JournalFullError | None = None
        self._look_again_s = 0.0
        self._file_bytes = file_bytes
        self._writer_id = writer_id or new_writer_id()
        self._encode = msgspec.msgpack.Encoder().encode
        self._schemas: dict[int, SchemaFrame] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # guards what the syncing thread takes over: the current file, and retired ones
        self._retired: list[JournalFile] = []
        self._spare: JournalFile | None = None
        self._sync_error: OSError | None = None
        self._synced = 0
        # Without regard to the limit: a server that starts while nobody ships has to be able to say so.
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

    @property
    def filled(self) -> dict[Path, int]:
        """How far, in bytes, the files are filled that this writer has open; on disk they are larger."""
        spare = self._spare
        return {self.path: self._position} | ({} if spare is None else {spare.path: len(MAGIC)})

    @property
    def hindered(self) -> str | None:
        """Why records are refused now; None while they are taken."""
        error = self._full if self._sync_error is None else self._refused_to_sync(self._sync_error)
        return None if error is None else str(error)

    def try_again(self) -> Path | None:
        """Begin a further file if there was no room for one before, or if somebody took the present one away.

        Nobody may be asking who would find out. Returns the file that is gone, with what was not shipped of it.
        """
        gone = self.path if self._position < self._limit and self._file.is_gone else None
        if gone is not None:
            # What it took from now on nobody would ever read.
            self._limit = self._position
        if gone is not None or self._full is not None:
            with contextlib.suppress(JournalFullError):
                self._rotate(0)
        return gone

    def declare(self, schema: SchemaFrame) -> None:
        """Write ``schema`` now, and again at the head of each later file, until it is withdrawn.

        Where there is no room for it now it stands at the head of the next file, and no frame is accepted before that.

        Raises:
            ConfigError: see `append`.
        """
        try:
            self.append(schema)
        except JournalFullError:
            # A smaller frame would still fit into this file: a row of a schema that the file does not know.
            self._limit = self._position
        self._schemas[schema.schema_id] = schema

    def withdraw(self, schema_id: int) -> None:
        """Stop repeating a schema; no row of it may follow."""
        self._schemas.pop(schema_id, None)

    def append(self, frame: Frame) -> None:
        """Accept ``frame``: when this returns, the death of the process cannot take it back.

        Raises:
            JournalFullError: there is no room for a further file, or the disk refused the last sync; nothing was
                written.
            ConfigError: the frame is larger than a file can hold, or holds a whole number beyond 64 bits.
        """
        payload = self._encoded(frame)
        size = len(payload)
        if self._position + HEAD_BYTES + size > self._limit:
            self._rotate(HEAD_BYTES + size)
        position, mapped = self._position, self._map
        begin = position + HEAD_BYTES
        mapped[begin : begin + size] = payload
        # The length goes in last: a reader in another process must not see it before the bytes that it announces.
        _WORD.pack_into(mapped, position + 4, zlib.crc32(payload))
        _WORD.pack_into(mapped, position, size)
        self._position = begin + size

    def append_all(self, frames: Sequence[Frame]) -> None:
        """Accept ``frames``, all or none, whatever happens: they appear to readers at once.

        Only frames that are larger together than one file are accepted one after the other.

        Raises:
            JournalFullError, ConfigError: see `append`.
        """
        if frames:
            self.append_framed(self.framed(frames))

    def framed(self, frames: Sequence[Frame]) -> list[bytes]:
        """Return ``frames`` as they will stand in the file. May be called from any thread.

        Raises:
            JournalFullError, ConfigError: see `append`.
        """
        payloads = [self._encoded(frame) for frame in frames]
        return [_head(payload) + payload for payload in payloads]

    def append_framed(self, framed: Sequence[bytes]) -> None:
        """Accept what `framed` returned, as `append_all` does.

        Raises:
            JournalFullError, ConfigError: see `append`.
        """
        block = b"".join(framed)
        if self.room_for(len(block)) is None:
            if len(framed) == 1:
                # Says that no file has room for it.
                self._rotate(len(block))
            for one in framed:
                self.append_framed([one])
            return
        begin, end = self._position, self._position + len(block)
        # The first length goes in last: until then there is nothing to read.
        self._map[begin + 4 : end] = block[4:]
        self._map[begin : begin + 4] = block[:4]
        self._position = end

    def room_for(self, size: int) -> Path | None:
        """Return the file that ``size`` bytes of `append_framed` will go to, if it is called next; None: several files.

        Raises:
            JournalFullError, ConfigError: see `append`.
        """
        if size > self._file_bytes - len(SEAL_BYTES) - len(MAGIC) - sum(map(len, self._framed_schemas())):
            return None
        if self._position + size > self._limit:
            self._rotate(size)
        return self.path

    def _encoded(self, frame: Frame) -> bytes:
        if self._sync_error is not None:
            raise self._refused_to_sync(self._sync_error) from self._sync_error
        try:
            return self._encode(frame)
        except (OverflowError, ValueError) as error:
            raise ConfigError(f"record: {error}; expected text in UTF-8 and numbers of 64 bits; correct it") from error

    def _framed_schemas(self) -> tuple[bytes, ...]:
        return tuple(_framed(schema) for schema in self._schemas.values())

    def close(self) -> None:
        """Seal the file, force all to the disk, and stop. Safe to call twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._seal()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.discard()
        self._sync()

    def _rotate(self, needed: int) -> None:
        schemas = self._framed_schemas()
        heads = len(MAGIC) + sum(map(len, schemas))
        if heads + needed > self._file_bytes - len(SEAL_BYTES):
            raise ConfigError(
                f"record: {needed} bytes, a journal file has room for {self._file_bytes - len(SEAL_BYTES) - heads}; "
                "send smaller rows"
            )
        fresh = self._next_file(schemas)
        self._seal()
        with self._lock:
            self._file = fresh
            self._synced = 0
        self._map = fresh.map
        self._limit = fresh.limit
        self._position = heads

    def _next_file(self, heads: tuple[bytes, ...]) -> JournalFile:
        """Return a further file, if limit and disk have room for one."""
        with self._lock:
            fresh, self._spare = self._spare, None
        if fresh is not None and fresh.is_gone:
            fresh.discard()
            fresh = None
        if fresh is not None:
            content = b"".join(heads)
            begin, end = len(MAGIC), len(MAGIC) + len(content)
            # As in `append`: a reader that finds a length finds what it announces.
            fresh.map[begin + 4 : end] = content[4:]
            fresh.map[begin : begin + 4] = content[:4] or bytes(4)
            self._full = None
            return fresh
        try:
            self._check_limit()
            fresh = self._create(heads)
        except JournalFullError as error:
            self._full = error
            raise
        self._full = None
        return fresh

    def _check_limit(self) -> None:
        if self._limit_bytes is None:
            return
        if self._full is not None and time.monotonic() < self._look_again_s:
            # Each request would look through the folder otherwise, just when there is much to do.
            raise JournalFullError(str(self._full))
        self._look_again_s = time.monotonic() + _LOOK_AGAIN_S
        self._check_room()

    def _check_room(self) -> None:
        if self._limit_bytes is None:
            return
        taken = 0
        for path in journal_files(self._folder):
            with contextlib.suppress(FileNotFoundError):
                taken += path.stat().st_size
        if taken + self._file_bytes > self._limit_bytes:
            raise JournalFullError(
                f"{self._folder}: journals take {taken} bytes, the limit is {self._limit_bytes}; the shipper is behind "
                "or down: see to it, or raise the limit (--log-limit)"
            )

    def _refused_to_sync(self, error: OSError) -> JournalFullError:
        return JournalFullError(
            f"{self._folder}: the disk refused to sync ({error.strerror}); expected a working disk; replace it, then "
            "start again"
        )

    def _seal(self) -> None:
        self._map[self._position : self._position + len(SEAL_BYTES)] = SEAL_BYTES
        self._file.end = self._position + len(SEAL_BYTES)
        with self._lock:
            self._retired.append(self._file)

    def _create(self, heads: tuple[bytes, ...]) -> JournalFile:
        path = self._folder / file_name(self._writer_id, next(self._numbers))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return JournalFile(path, self._file_bytes, MAGIC + b"".join(heads))
        except OSError as error:
            raise JournalFullError(
                f"{self._folder}: no room for a journal file of {self._file_bytes} bytes ({error.strerror}); "
                "free disk space"
            ) from error

    def _sync_forever(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            self._sync()
            if self._spare is None and self._full is None and 2 * self._position > self._limit:
                self._make_spare()

    def _make_spare(self) -> None:
        """Make the next file, if there is room; where there is none, that is told when it is needed."""
        # Whatever else the folder refuses, too: this thread has to live on, to sync.
        with contextlib.suppress(JournalFullError, OSError):
            self._check_room()
            spare = self._create(())
            with self._lock:
                self._spare = spare

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


def _framed(frame: Frame) -> bytes:
    payload = msgspec.msgpack.encode(frame)
    return _head(payload) + payload


def _head(payload: bytes) -> bytes:
    return HEAD.pack(len(payload), zlib.crc32(payload))
