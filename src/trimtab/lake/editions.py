"""Editions: which writing of a delivery's files is the one to read, when several workers have written them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from trimtab.core.canonical import JsonObject
from trimtab.lake.storage.base import StoredFile

__all__ = ["FIRST", "Edition", "newest"]

_SUFFIX = ".parquet"
_FILE = re.compile(r"(.*?)(?:@(\d+)\.(\d+))?\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Edition:
    """Which writing it is: of the delivery's ``version``, at the ``attempt`` of the message that asked for it.

    Each attempt has files of its own, and the newest edition is read. So a worker that was paused while it wrote, and
    goes on after another has done the work, changes nothing that anybody reads. What the database was told of is always
    the newest: who writes has asserted, after it received its message, that its lane is still its own.

    >>> Edition().file_name("abc"), Edition(3, 2).file_name("abc")
    ('abc.parquet', 'abc@3.2.parquet')
    """

    version: int = 1
    attempt: int = 1

    def file_name(self, stem: str) -> str:
        """Return the name of this edition's file. The first has the plain name: most deliveries have no other."""
        return f"{stem}{_SUFFIX}" if self == FIRST else f"{stem}@{self.version}.{self.attempt}{_SUFFIX}"

    def superseded(self, spec: JsonObject | None) -> tuple[Edition, ...]:
        """Return the editions that this one replaces: the one recorded in the delivery's ``spec``, and lost attempts.

        >>> Edition(3, 2).superseded({"edition": [1, 4]})
        (Edition(version=1, attempt=4), Edition(version=3, attempt=1))
        """
        recorded = Edition(*(spec or {}).get("edition", (1, 1)))
        lost = {Edition(self.version, attempt) for attempt in range(1, self.attempt)}
        return tuple(sorted(edition for edition in lost | {recorded} if edition < self))


FIRST = Edition()


def newest(files: Iterable[StoredFile]) -> dict[str, StoredFile]:
    """Return the newest edition of each file by its plain name (the last part, as of the first edition), sorted.

    >>> files = [StoredFile(f"x/{name}.parquet", 1, "") for name in ("a@1.2", "a@1.10", "a", "b")]
    >>> {name: file.name for name, file in newest(files).items()}
    {'a.parquet': 'x/a@1.10.parquet', 'b.parquet': 'x/b.parquet'}
    """
    found: dict[str, tuple[Edition, StoredFile]] = {}
    for file in files:
        match = _FILE.fullmatch(file.name.rpartition("/")[2])
        if match is None:
            continue
        edition = FIRST if match[2] is None else Edition(int(match[2]), int(match[3]))
        name = f"{match[1]}{_SUFFIX}"
        if name not in found or found[name][0] < edition:
            found[name] = (edition, file)
    return {name: file for name, (_, file) in sorted(found.items())}
