"""A storage that is a folder: the embedded one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from trimtab.core.errors import BackendError
from trimtab.files import sync_folder, write_atomically
from trimtab.files.disk import is_of_the_disk, probe_room
from trimtab.lake.storage.base import StoredFile

__all__ = ["FolderStorage"]


class FolderStorage:
    """Keeps files below a folder, by their names; whoever looks into the folder sees the lake."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        """See `Storage.root`."""
        return self._root

    @property
    def where(self) -> str:
        """See `Storage.where`."""
        return str(self._root)

    @property
    def parallel(self) -> int:
        """See `Storage.parallel`."""
        return 1

    def store(self, name: str, content: bytes) -> None:
        """See `Storage.store`."""
        write_atomically(self._root / name, content)

    def take(self, files: Sequence[tuple[str, Path]]) -> None:
        """See `Storage.take`; the bytes are the caller's to sync."""
        targets = [(path, self._root / name) for name, path in files]
        folders = {target.parent for _, target in targets}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for path, target in targets:
            _move(path, target)
        for folder in folders:
            sync_folder(folder)

    def keep(self, name: str) -> None:
        """See `Storage.keep`: it is."""

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        (self._root / name).unlink(missing_ok=True)

    def find(self, name: str) -> StoredFile | None:
        """See `Storage.find`."""
        try:
            found = (self._root / name).stat()
        except FileNotFoundError:
            return None
        return StoredFile(name, found.st_size, f"{found.st_ino}-{found.st_mtime_ns}")

    def files_in(self, folder: str) -> list[StoredFile]:
        """See `Storage.files_in`."""
        try:
            with os.scandir(self._root / folder) as entries:
                names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file())
        except FileNotFoundError:
            return []
        found = [self.find(f"{folder}/{name}") for name in names]
        return [file for file in found if file is not None]

    def fetch(self, files: Sequence[StoredFile]) -> list[Path]:
        """See `Storage.fetch`."""
        paths = [self._root / file.name for file in files]
        for path in paths:
            if not path.is_file():
                raise BackendError(
                    f"lake file {path}: is missing; bring it back from a backup, or deliver what it was made of again"
                )
        return paths

    def check(self) -> None:
        """See `Storage.check`: with a file of a MiB, since a full disk lets itself be asked for its mode."""
        try:
            probe_room(self._root)
        except OSError as error:
            remedy = (
                "make room on its disk, or let it be written"
                if is_of_the_disk(error)
                else "change the folder's owner or its mode"
            )
            raise BackendError(f"lake {self._root}: cannot be read and written ({error}); {remedy}") from error

    def sweep(self, *, older_than: datetime) -> int:
        """See `Storage.sweep`: all files are needed."""
        del older_than
        return 0


def _move(path: Path, target: Path) -> None:
    try:
        os.replace(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(path, target)


def _move_across(path: Path, target: Path) -> None:
    """Move a file to another file system, where it stands whole or not at all."""
    temporary = target.with_name(f".{target.name}.moving")
    try:
        with path.open("rb") as source, temporary.open("wb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    path.unlink()
