"""Where things lie in the lake: every path below its root is made here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trimtab.core.errors import DataContractError

__all__ = ["Lake", "RecordFile", "TruthFile", "is_file_name"]

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_UNNAMED = "@unnamed"
_RECORD_FILE = re.compile(r"(-?\d+)_(-?\d+)_(.+)\.parquet")
_TRUTH_FILE = re.compile(r"(-?\d+)_(-?\d+|x)_(-?\d+|x)_(.+)\.parquet")


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A processed segment of prediction records, with the first and last event time of its rows."""

    path: Path
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class TruthFile:
    """A processed segment of ground truth: when its first label was known, and the event times that it is about.

    The event span is None when some row says no event time, or is named by ``prediction_id``.
    """

    path: Path
    labelled_us: int
    span_us: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder with three zones: ``raw`` (as delivered), ``processed`` (passed), ``quarantine`` (broke the contract).

    Names of processed and quarantined files depend on nothing but the delivery's digest and the event span of all its
    rows, so doing the work twice overwrites the same files. Times in names let a reader skip files unopened.
    """

    root: Path

    def raw_table(self, model: str, sha256: str, suffix: str) -> Path:
        """Return where a delivered file of ``model`` is kept; ``suffix`` with its dot."""
        return self.root / "raw" / "tables" / _safe(model) / f"{_safe(sha256)}{suffix}"

    def raw_segment(self, segment_id: str) -> Path:
        """Return where a shipped segment is kept."""
        return self.root / "raw" / "segments" / f"{_safe(segment_id)}.arrow"

    def processed_table(self, model: str, sha256: str) -> Path:
        """Return where the rows of a delivered file go that passed."""
        return self.root / "processed" / "tables" / _safe(model) / f"{_safe(sha256)}.parquet"

    def quarantined_table(self, model: str, sha256: str) -> Path:
        """Return where the rows of a delivered file go that broke the contract."""
        return self.root / "quarantine" / "tables" / _safe(model) / f"{_safe(sha256)}.parquet"

    def processed_records(self, endpoint: str, segment_id: str, *, start_us: int, end_us: int) -> Path:
        """Return where the rows of a segment go that passed; the span is that of all its rows."""
        return self._records(endpoint) / f"{start_us}_{end_us}_{_safe(segment_id)}.parquet"

    def quarantined_records(self, endpoint: str, segment_id: str) -> Path:
        """Return where the rows of a segment go that broke the contract, or came from a quarantined feed."""
        return self.root / "quarantine" / "records" / _safe(endpoint) / f"{_safe(segment_id)}.parquet"

    def processed_truth(
        self, endpoint: str, segment_id: str, *, labelled_us: int, span_us: tuple[int, int] | None
    ) -> Path:
        """Return where ``endpoint``'s outcomes of a segment go (see `TruthFile`)."""
        start, end = ("x", "x") if span_us is None else (str(span_us[0]), str(span_us[1]))
        return self._truth(endpoint) / f"{labelled_us}_{start}_{end}_{_safe(segment_id)}.parquet"

    def quarantined_truth(self, segment_id: str) -> Path:
        """Return where the outcomes of a segment go that say nothing, or of nothing."""
        return self.root / "quarantine" / "truth" / f"{_safe(segment_id)}.parquet"

    def record_files(self, endpoint: str, *, start_us: int, end_us: int) -> list[RecordFile]:
        """Return the processed segments that may hold rows of ``start_us`` ≤ event time < ``end_us``, by name."""
        found = []
        for path in _parquet_below(self._records(endpoint)):
            match = _RECORD_FILE.fullmatch(path.name)
            if match and int(match[1]) < end_us and int(match[2]) >= start_us:
                found.append(RecordFile(path=path, start_us=int(match[1]), end_us=int(match[2])))
        return found

    def truth_files(self, endpoint: str, *, start_us: int, end_us: int, known_until_us: int | None) -> list[TruthFile]:
        """Return the outcomes that may be about rows of the window and were known by ``known_until_us``, by name.

        Among them are those that name a prediction, and no endpoint.
        """
        found = []
        for path in (*_parquet_below(self._truth(endpoint)), *_parquet_below(self._truth(""))):
            match = _TRUTH_FILE.fullmatch(path.name)
            if match is None:
                continue
            span = None if match[2] == "x" else (int(match[2]), int(match[3]))
            late = known_until_us is not None and int(match[1]) > known_until_us
            apart = span is not None and (span[0] >= end_us or span[1] < start_us)
            if not late and not apart:
                found.append(TruthFile(path=path, labelled_us=int(match[1]), span_us=span))
        return found

    def snapshot_folder(self, model: str, content: str) -> Path:
        """Return the folder of a dataset version, named by a digest of its content."""
        return self.root / "snapshots" / _safe(model) / _safe(content)

    @property
    def dvc_cache(self) -> Path:
        """What DVC would else keep below ``/var/tmp``: its index of files already hashed."""
        return self.root / ".dvc" / "site"

    def relative(self, path: Path) -> str:
        """Return ``path`` as the database stores it: below the root, so that a project may be moved."""
        return path.relative_to(self.root).as_posix()

    def absolute(self, stored: str) -> Path:
        """Return the path that `relative` was given.

        Raises:
            DataContractError: it leads out of the lake.
        """
        if Path(stored).is_absolute() or ".." in Path(stored).parts:
            raise DataContractError(f"lake path {stored!r}: leads out of the lake {self.root}; repair the row")
        return self.root / stored

    def _records(self, endpoint: str) -> Path:
        return self.root / "processed" / "records" / _safe(endpoint)

    def _truth(self, endpoint: str) -> Path:
        return self.root / "processed" / "truth" / (_safe(endpoint) if endpoint else _UNNAMED)


def is_file_name(name: str) -> bool:
    """Return whether ``name``, which may come from anybody, can be part of a path.

    >>> is_file_name("heart-disease"), is_file_name("../secrets"), is_file_name("")
    (True, False, False)
    """
    return _SAFE.fullmatch(name) is not None


def _safe(name: str) -> str:
    if not is_file_name(name):
        raise DataContractError(
            f"name {name[:80]!r}: not usable as a file name; use letters, digits, dots, hyphens and underscores"
        )
    return name


def _parquet_below(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(folder.glob("[!.]*.parquet"))
