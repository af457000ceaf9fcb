"""What processing made of one delivery, and how its rows are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from trimtab.lake.zones import Lake
from trimtab.profiles.periods import PeriodProfile

__all__ = ["Outcome", "counted", "write_or_remove", "write_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a delivery: counts, why rows broke, what to store with it; or ``error``, when it cannot be used.

    ``remedies`` says for each rule that was broken where first, and what to do.
    """

    rows: int = 0
    rows_passed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    broken_by_source: dict[str, int] = field(default_factory=dict)
    profiles: tuple[PeriodProfile, ...] = ()
    span_us: tuple[int, int] | None = None
    quarantine_path: str | None = None
    error: str | None = None

    @property
    def rows_quarantined(self) -> int:
        """Rows that did not pass."""
        return self.rows - self.rows_passed


def counted(rules: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how many rows broke each rule, most frequent first.

    >>> counted([["age: missing"], ["num: missing", "age: missing"]])
    {'age: missing': 2, 'num: missing': 1}
    """
    found = Counter(rule for row in rules for rule in row)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def write_rows(lake: Lake, path: Path, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all; equal tables give equal bytes.

    Raises:
        BackendError: the storage failed; the call may be repeated.
        OSError: the lake cannot be written.
    """
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink, compression="zstd")
    lake.write(path, sink.getvalue().to_pybytes())


def write_or_remove(lake: Lake, path: Path, table: pa.Table) -> bool:
    """Write the file, or see that none is there when the table is empty: an earlier attempt may have left one."""
    if table.num_rows:
        write_rows(lake, path, table)
        return True
    lake.remove(path)
    return False
