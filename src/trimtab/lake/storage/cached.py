"""A storage that is a bucket with a local folder before it, which may be removed at any time.

The bucket is the truth. A file is put there before it stands in the folder, so the folder never holds what the bucket
lacks. A file that may change under its name lies in a folder named after its tag: so a stale one is never taken for the
new one, whichever process of whichever machine wrote that, and one that is being read does not change.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError
from trimtab.lake.storage.base import NEVER_CHANGED, Bucket, StoredFile

__all__ = ["CachedStorage"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

_PARALLEL = 16
_INCOMING = ".incoming"
_PROBE = ".trimtab/writable"
_ZONES = (_INCOMING, "raw", "processed", "quarantine", "snapshots", ".dvc/cache")
_SNAPSHOTS_FOR = timedelta(days=1)
_UPLOADS_FOR = timedelta(days=1)


class CachedStorage:
    """Keeps files in a bucket, and those that were written or read last in a folder too.

    Args:
        bucket: where the files are.
        root: the folder, on a local disk; of this lake alone.
        limit_bytes: how large `sweep` leaves the folder; files in use may stay above it.
    """

    def __init__(self, bucket: Bucket, root: Path, *, limit_bytes: int) -> None:
        self._bucket = bucket
        self._root = root
        self._limit_bytes = limit_bytes

    @property
    def root(self) -> Path:
        """See `Storage.root`."""
        return self._root

    @property
    def where(self) -> str:
        """See `Storage.where`."""
        return self._bucket.where

    @property
    def parallel(self) -> int:
        """See `Storage.parallel`."""
        return _PARALLEL

    def store(self, name: str, content: bytes) -> None:
        """See `Storage.store`."""
        with self._incoming() as temporary:
            temporary.write_bytes(content)
            self._put(name, temporary)

    def take(self, files: Sequence[tuple[str, Path]]) -> None:
        """See `Storage.take`."""
        _in_parallel(lambda file: self._put(*file), files)

    def keep(self, name: str) -> None:
        """See `Storage.keep`; what is in the bucket in this size is not sent again, since only such zones are kept."""
        path = self._root / name
        known = self._bucket.find(name)
        if known is None or known.size_bytes != path.stat().st_size:
            self._bucket.put(name, path)

    def remove(self, name: str) -> None:
        """See `Storage.remove`; copies stay in the folder until it is swept, and are never found again."""
        self._bucket.remove(name)
        if _is_fixed(name):
            (self._root / name).unlink(missing_ok=True)

    def find(self, name: str) -> StoredFile | None:
        """See `Storage.find`; a file that cannot change is not asked for when it is here."""
        if _is_fixed(name):
            try:
                return StoredFile(name, (self._root / name).stat().st_size, "")
            except FileNotFoundError:
                pass
        return self._bucket.find(name)

    def files_in(self, folder: str) -> list[StoredFile]:
        """See `Storage.files_in`."""
        found = self._bucket.files_in(folder)
        return sorted((file for file in found if not _is_hidden(file.name)), key=lambda file: file.name)

    def fetch(self, files: Sequence[StoredFile]) -> list[Path]:
        """See `Storage.fetch`."""
        missing = [file for file in files if not self._is_here(file)]
        fetched = _in_parallel(self._get, missing)
        newer = dict(zip((file.name for file in missing), fetched, strict=True))
        return [newer.get(file.name) or self._path(file) for file in files]

    def check(self) -> None:
        """See `Storage.check`."""
        with self._incoming() as temporary:
            temporary.write_bytes(b"Trimtab may write here.\n")
            # A name of its own: another process that checks at the same time removes its own probe only.
            probe = f"{_PROBE}-{temporary.name}"
            self._bucket.put(probe, temporary)
            if self._bucket.find(probe) is None:
                raise BackendError(
                    "lake: the bucket does not show what was just put there; "
                    "use a store that is consistent after a write"
                )
            self._bucket.get(probe, temporary)
            self._bucket.remove(probe)
        # Nothing is as old as that: it only asks whether broken uploads may be listed.
        self._bucket.abandon(older_than=datetime.min.replace(tzinfo=UTC))

    def sweep(self, *, older_than: datetime) -> int:
        """See `Storage.sweep`: the files that were used longest ago, until the rest is within the limit."""
        removed = 0
        present = sorted(self._present())
        total_bytes = sum(size for _, size, _ in present)
        for used_s, size_bytes, path in present:
            leftover = path.parent.name == _INCOMING
            if total_bytes <= self._limit_bytes and not leftover:
                continue
            if used_s < self._protected_until(path, older_than).timestamp():
                path.unlink(missing_ok=True)
                total_bytes -= size_bytes
                removed += 1
        # Last: a bucket that is away, or forbids it, must not let the cache fill the disk.
        return removed + self._bucket.abandon(older_than=older_than - _UPLOADS_FOR)

    def _protected_until(self, path: Path, older_than: datetime) -> datetime:
        """A training reads its snapshot once more at its end, hours later."""
        is_snapshot = path.relative_to(self._root).parts[0] == "snapshots"
        return older_than - _SNAPSHOTS_FOR if is_snapshot else older_than

    def _present(self) -> Iterator[tuple[float, int, Path]]:
        for zone in _ZONES:
            for folder, _, names in os.walk(self._root / zone):
                for name in names:
                    path = Path(folder, name)
                    try:
                        found = path.stat()
                    except FileNotFoundError:
                        continue
                    yield found.st_mtime, found.st_size, path

    def _put(self, name: str, temporary: Path) -> None:
        reached("bucket.file_ready")
        file = self._bucket.put(name, temporary)
        reached("bucket.file_put")
        self._install(temporary, file)

    def _is_here(self, file: StoredFile) -> bool:
        path = self._path(file)
        try:
            if path.stat().st_size != file.size_bytes:
                return False
            # What was used last is swept last.
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _get(self, file: StoredFile) -> Path:
        with self._incoming() as temporary:
            # It may have been written anew since it was listed: what came counts.
            return self._install(temporary, self._bucket.get(file.name, temporary))

    def _install(self, temporary: Path, file: StoredFile) -> Path:
        target = self._path(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Without this a power cut may leave a file of the right size that holds nothing.
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
        return target

    def _path(self, file: StoredFile) -> Path:
        path = self._root / file.name
        if _is_fixed(file.name):
            return path
        return path.parent / f".{hashlib.sha256(file.tag.encode()).hexdigest()[:16]}" / path.name

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        # Not beside the target: what a killed process leaves in a snapshot's folder would become part of the snapshot.
        folder = self._root / _INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        try:
            yield Path(temporary)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _in_parallel(function: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(_PARALLEL, len(items)), thread_name_prefix="lake") as pool:
        return list(pool.map(function, items))


def _is_fixed(name: str) -> bool:
    return name.partition("/")[0] in NEVER_CHANGED


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")
