"""The ports below the lake: a storage of named files, and the bucket that a storage may stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

__all__ = ["NEVER_CHANGED", "Bucket", "Storage", "StoredFile"]

NEVER_CHANGED = ("raw", "snapshots", "audit", ".dvc")
"""Zones whose files keep their content as long as they have their name; those of the others are written anew when a
delivery is judged again."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is stored: ``name`` below the lake with ``/``, its size, and a tag that changes with its content."""

    name: str
    size_bytes: int
    tag: str


class Storage(Protocol):
    """Keeps the lake's files by name, and puts them at hand as local files.

    - A file is whole or absent, also to one who reads while it is written, and after a crash at any moment.
    - What a call has stored or removed, every later call of any process sees; it outlives a power cut.
    - Repeating a call changes nothing. Of two that store the same name at once either one's bytes stay.
    - Names whose last part begins with a dot are the storage's own: they are never listed.
    - Safe to call from several threads and processes.

    All calls raise BackendError when the storage cannot be reached or refuses; the same call may succeed later. They
    raise OSError when the local disk fails.
    """

    @property
    def root(self) -> Path:
        """Local folder of the lake: the files themselves, or those that were fetched."""

    @property
    def where(self) -> str:
        """The place, in words for a person; never with credentials."""

    @property
    def parallel(self) -> int:
        """How many calls at once are worth it; 1 where the local disk answers."""

    def store(self, name: str, content: bytes) -> None:
        """Store ``content`` under ``name``, in place of what had that name."""

    def take(self, files: Sequence[tuple[str, Path]]) -> None:
        """Store under each name the file at its path, and remove it there; the paths are on the disk of `root`."""

    def keep(self, name: str) -> None:
        """See that the file of that name below `root`, which another program wrote there, is stored."""

    def remove(self, name: str) -> None:
        """Remove the file, if there is one."""

    def find(self, name: str) -> StoredFile | None:
        """Return the file of that name, None if there is none."""

    def files_in(self, folder: str) -> list[StoredFile]:
        """Return the files that lie directly in ``folder``, sorted by name; none if there is no such folder."""

    def fetch(self, files: Sequence[StoredFile]) -> list[Path]:
        """Return a local file for each, in the same order; they are for reading, and may go after an hour unused.

        Raises:
            BackendError: one is gone meanwhile, besides the other reasons.
            DataContractError: one is not what was stored: damaged.
        """

    def check(self) -> None:
        """Return if the storage can be read and written; else raise what is wrong with it, and what to do."""

    def sweep(self, *, older_than: datetime) -> int:
        """Remove what nobody needs and was last used before ``older_than``; return how many files that were."""


class Bucket(Protocol):
    """Objects by name in some remote place. Consistent: what was put is found, listed and got at once.

    An object is whole or absent. Repeating a call changes nothing. Safe to call from several threads. All calls raise
    BackendError when the place cannot be reached or refuses, with what to do.
    """

    @property
    def where(self) -> str:
        """The place, in words for a person; never with credentials."""

    def put(self, name: str, path: Path) -> StoredFile:
        """Store the file's bytes, in place of what had that name, and return how they are known there."""

    def get(self, name: str, target: Path) -> StoredFile:
        """Write the object's bytes to ``target``, and return how it is known.

        Raises:
            BackendError: there is no such object, besides the other reasons.
            DataContractError: what came is not what was put.
        """

    def find(self, name: str) -> StoredFile | None:
        """Return the object of that name, None if there is none."""

    def files_in(self, folder: str) -> list[StoredFile]:
        """Return the objects directly in ``folder``, in any order."""

    def remove(self, name: str) -> None:
        """Remove the object, if there is one."""

    def abandon(self, *, older_than: datetime) -> int:
        """Give up uploads that were begun before ``older_than`` and not ended; return how many."""
