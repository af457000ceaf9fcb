"""Reads a journal file, also while it is written, and after its writer was killed."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from trimtab.core.errors import DataContractError
from trimtab.records.layout import HEAD, HEAD_BYTES, MAGIC, SEAL, SEAL_BYTES
from trimtab.records.schema import Frame

__all__ = ["WriterState", "read_frames", "writer_state"]

_CHUNK_BYTES: Final = 1 << 20
_DECODER: Final = msgspec.msgpack.Decoder(Frame)


class WriterState(StrEnum):
    """What became of the writer of a journal file."""

    ALIVE = "alive"
    SEALED = "sealed"
    DEAD = "dead"


def read_frames(path: Path, offset: int = 0) -> Iterator[tuple[int, Frame]]:
    """Yield the frames from ``offset`` (0, or an end offset that was yielded before), each with its end offset.

    Ends at the first frame that is not there yet, sealed off, cut short, or does not match its checksum: a later call
    from the last end offset sees what has come since. Reads with `pread`, never through a map, since the writer may
    cut the file meanwhile.

    Raises:
        DataContractError: the file is no journal of this version, or a whole frame holds what no writer writes.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        magic = os.pread(descriptor, len(MAGIC), 0)
        if magic != MAGIC:
            if not MAGIC.startswith(magic.rstrip(b"\0")):
                raise DataContractError(
                    f"{path}: starts with {magic!r}, expected {MAGIC!r}; it is no journal of this version; move it away"
                )
            return
        yield from _frames(path, descriptor, max(offset, len(MAGIC)))
    finally:
        os.close(descriptor)


def writer_state(path: Path, end: int) -> WriterState:
    """Say whether more may come behind ``end``, the end of the last whole frame that was read.

    Ask before reading, and read to the end: a writer that was dead then has added nothing since.
    """
    with path.open("rb") as stream:
        if os.pread(stream.fileno(), len(SEAL_BYTES), max(end, len(MAGIC))) == SEAL_BYTES:
            return WriterState.SEALED
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return WriterState.ALIVE
        # The lock is taken before the head is written: a file without one has a writer that just begins.
        return WriterState.DEAD if os.pread(stream.fileno(), len(MAGIC), 0) == MAGIC else WriterState.ALIVE


def is_damaged(path: Path, end: int) -> bool:
    """Return whether what follows the last readable frame is damage, and not the torn frame of a killed writer.

    A writer adds one frame after the other: behind a torn one there is nothing. Where something is, bytes in the middle
    were changed, and whole frames lie behind them.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        descriptor = stream.fileno()
        size_bytes = os.fstat(descriptor).st_size
        start = max(end, len(MAGIC))
        head = os.pread(descriptor, HEAD_BYTES, start)
        if len(head) < HEAD_BYTES:
            return False
        length, checksum = HEAD.unpack(head)
        if length in (0, SEAL):
            return False
        behind = start + HEAD_BYTES + length
        if behind > size_bytes:
            return True
        if zlib.crc32(os.pread(descriptor, length, start + HEAD_BYTES)) == checksum:
            # A frame that came after the last look.
            return False
        return any(os.pread(descriptor, HEAD_BYTES, behind))


def _frames(path: Path, descriptor: int, start: int) -> Iterator[tuple[int, Frame]]:
    buffer = os.pread(descriptor, _CHUNK_BYTES, start)
    at = 0
    while True:
        if len(buffer) - at < HEAD_BYTES:
            start, at, buffer = start + at, 0, os.pread(descriptor, _CHUNK_BYTES, start + at)
            if len(buffer) < HEAD_BYTES:
                return
        length, checksum = HEAD.unpack_from(buffer, at)
        if length in (0, SEAL):
            return
        end = at + HEAD_BYTES + length
        if end > len(buffer):
            wanted = max(HEAD_BYTES + length, _CHUNK_BYTES)
            if start + at + HEAD_BYTES + length > os.fstat(descriptor).st_size:
                return
            start, at, buffer = start + at, 0, os.pread(descriptor, wanted, start + at)
            end = HEAD_BYTES + length
            if end > len(buffer):
                return
        payload = memoryview(buffer)[at + HEAD_BYTES : end]
        if zlib.crc32(payload) != checksum:
            return
        yield start + end, _decode(path, start + at, payload)
        at = end


def _decode(path: Path, offset: int, payload: memoryview) -> Frame:
    try:
        frame: Frame = _DECODER.decode(payload)
    except msgspec.MsgspecError as error:
        raise DataContractError(
            f"{path}: frame at byte {offset} is whole but holds {error}; of another version? move it away"
        ) from error
    return frame
