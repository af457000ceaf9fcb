"""Where things lie in the lake: every path below its root is made here."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trimtab.core.errors import BackendError, DataContractError
from trimtab.lake.editions import FIRST, Edition, newest
from trimtab.lake.storage.base import Storage, StoredFile

__all__ = ["AUDIT", "Lake", "ListedRecords", "ListedTruth", "RecordFile", "TruthFile", "is_file_name"]

AUDIT = "audit"
"""The folder of the audit log's checkpoints."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_UNNAMED = "@unnamed"
_KNOWN_BEFORE_US = 31 * 86_400_000_000
_RECORD_FILE = re.compile(r"(-?\d+)_(-?\d+)_(.+)\.parquet")
_TRUTH_FILE = re.compile(r"(-?\d+)(?:~(-?\d+))?_(-?\d+|x)_(-?\d+|x)_(.+)\.parquet")


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A processed segment of prediction records, with the first and last event time of its rows."""

    path: Path
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class ListedRecords:
    """A `RecordFile` that is known by name; whether it is at hand is another matter (`Lake.fetched`)."""

    stored: StoredFile
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class TruthFile:
    """A processed segment of ground truth: when its labels were known, and the event times that it is about.

    The event span is None when some row says no event time, or is named by ``prediction_id``.
    """

    path: Path
    labelled_us: int
    span_us: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ListedTruth:
    """A `TruthFile` that is known by name. Its last label was known at ``last_us``: None where the name doesn't say."""

    stored: StoredFile
    labelled_us: int
    last_us: int | None
    span_us: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Lake:
    """Three zones of files: ``raw`` (as delivered), ``processed`` (passed), ``quarantine`` (broke the contract).

    A path says where a file has its place below `root`; `at_hand` puts it there (or near), so that it can be read.
    Names of processed and quarantined files depend on nothing but the delivery's digest, the event span of all its rows
    and the `Edition`: who does the work again writes beside what there is, and the newest is read. Times in names let a
    reader skip files unopened.
    """

    storage: Storage

    @property
    def root(self) -> Path:
        """The local folder of the lake."""
        return self.storage.root

    def write(self, path: Path, content: bytes) -> None:
        """Store ``content`` as the file that has its place at ``path``, whole or not at all.

        Raises:
            BackendError: the storage failed; the call may be repeated.
            OSError: the local disk failed.
        """
        self.storage.store(self.relative(path), content)

    def remove(self, path: Path) -> None:
        """Remove the file that has its place at ``path``, if there is one; raises as `write` does."""
        self.storage.remove(self.relative(path))

    def at_hand(self, path: Path) -> Path:
        """Return where the file that has its place at ``path`` can be read now.

        Raises:
            BackendError: it is missing, or the storage failed.
            DataContractError: it is damaged.
            OSError: the local disk failed.
        """
        name = self.relative(path)
        found = self.storage.find(name)
        if found is None:
            raise BackendError(
                f"lake file {name}: is missing in {self.storage.where}; bring it back from a backup, or deliver what "
                "it was made of again"
            )
        return self.storage.fetch([found])[0]

    def tables_at_hand(self, model: str, digests: Iterable[str]) -> dict[str, Path]:
        """Return, by digest, where the rows that passed of these delivered files can be read now; raises as `at_hand`.

        One question to the storage, however many files.
        """
        found = self.listed_tables(model, digests)
        return dict(zip(found, self.storage.fetch(list(found.values())), strict=True))

    def listed_tables(self, model: str, digests: Iterable[str]) -> dict[str, StoredFile]:
        """Return, by digest, the rows that passed of these delivered files, by name alone: nothing is fetched.

        Raises:
            BackendError: one is missing, or the storage failed.
        """
        wanted = {self.processed_table(model, digest).name: digest for digest in digests}
        if not wanted:
            return {}
        known = newest(self._listed(self._tables(model)))
        missing = sorted(wanted.keys() - known.keys())
        if missing:
            raise BackendError(
                f"lake file {self.relative(self._tables(model) / missing[0])}: is missing in {self.storage.where}; "
                "bring it back from a backup, or deliver what it was made of again"
            )
        return {digest: known[name] for name, digest in wanted.items()}

    def checkpoints(self) -> list[Path]:
        """Return the audit log's checkpoints and their signatures, at hand, sorted by name. Raises as `at_hand`."""
        files = self.storage.files_in(AUDIT)
        if files and files[-1].name.endswith(".json"):
            # The last one may be written just now: its signature is there before it, yet a folder that is being listed
            # can show the one without the other.
            signature = self.storage.find(f"{files[-1].name}.sig")
            files += [] if signature is None else [signature]
        return self.storage.fetch(files)

    def together(self, function: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        """Return ``function`` of each item, in order; several at once where the storage is far."""
        if self.storage.parallel == 1 or len(items) < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(self.storage.parallel, thread_name_prefix="lake") as pool:
            return list(pool.map(function, items))

    def raw_table(self, model: str, sha256: str, suffix: str) -> Path:
        """Return where a delivered file of ``model`` is kept; ``suffix`` with its dot."""
        return self.root / "raw" / "tables" / _safe(model) / f"{_safe(sha256)}{suffix}"

    def raw_segment(self, segment_id: str) -> Path:
        """Return where a shipped segment is kept."""
        return self.root / "raw" / "segments" / f"{_safe(segment_id)}.arrow"

    def processed_table(self, model: str, sha256: str, edition: Edition = FIRST) -> Path:
        """Return where the rows of a delivered file go that passed."""
        return self._tables(model) / edition.file_name(_safe(sha256))

    def quarantined_table(self, model: str, sha256: str, edition: Edition = FIRST) -> Path:
        """Return where the rows of a delivered file go that broke the contract."""
        return self.root / "quarantine" / "tables" / _safe(model) / edition.file_name(_safe(sha256))

    def processed_records(
        self, endpoint: str, segment_id: str, edition: Edition = FIRST, *, start_us: int, end_us: int
    ) -> Path:
        """Return where the rows of a segment go that passed; the span is that of all its rows."""
        return self._records(endpoint) / edition.file_name(f"{start_us}_{end_us}_{_safe(segment_id)}")

    def shadow_records(
        self, endpoint: str, segment_id: str, edition: Edition = FIRST, *, start_us: int, end_us: int
    ) -> Path:
        """Return where the rows go that a shadow variant answered, which no caller ever saw."""
        # No endpoint's name has a dot: whoever reads an endpoint's records never meets these.
        return self.processed_records(f"{endpoint}.shadow", segment_id, edition, start_us=start_us, end_us=end_us)

    def quarantined_records(self, endpoint: str, segment_id: str, edition: Edition = FIRST) -> Path:
        """Return where the rows of a segment go that broke the contract, or came from a quarantined feed."""
        return self.root / "quarantine" / "records" / _safe(endpoint) / edition.file_name(_safe(segment_id))

    def processed_truth(
        self, endpoint: str, segment_id: str, *, labelled_us: tuple[int, int], span_us: tuple[int, int] | None
    ) -> Path:
        """Return where ``endpoint``'s outcomes of a segment go, known first and last at ``labelled_us``."""
        start, end = ("x", "x") if span_us is None else (str(span_us[0]), str(span_us[1]))
        first, last = labelled_us
        return self._truth(endpoint) / f"{first}~{last}_{start}_{end}_{_safe(segment_id)}.parquet"

    def quarantined_truth(self, segment_id: str) -> Path:
        """Return where the outcomes of a segment go that say nothing, or of nothing."""
        return self.root / "quarantine" / "truth" / f"{_safe(segment_id)}.parquet"

    def record_files(
        self,
        endpoint: str,
        *,
        start_us: int,
        end_us: int,
        segments: Collection[str] | None = None,
        shadow: bool = False,
    ) -> list[RecordFile]:
        """Return the processed segments that may hold rows of ``start_us`` ≤ event time < ``end_us``, by name.

        ``segments``: only those of these ids. ``shadow``: what shadows answered, instead of what callers were told.
        They are at hand; raises as `at_hand` does.
        """
        chosen = self.listed_records(endpoint, start_us=start_us, end_us=end_us, segments=segments, shadow=shadow)
        paths = self.storage.fetch([file.stored for file in chosen])
        return [RecordFile(path, file.start_us, file.end_us) for path, file in zip(paths, chosen, strict=True)]

    def listed_records(
        self,
        endpoint: str,
        *,
        start_us: int,
        end_us: int,
        segments: Collection[str] | None = None,
        shadow: bool = False,
    ) -> list[ListedRecords]:
        """Return what `record_files` does, by name alone: nothing is fetched."""
        chosen = []
        for name, file in newest(self._listed(self._records(f"{endpoint}.shadow" if shadow else endpoint))).items():
            match = _RECORD_FILE.fullmatch(name)
            if match is None or (segments is not None and match[3] not in segments):
                continue
            if int(match[1]) < end_us and int(match[2]) >= start_us:
                chosen.append(ListedRecords(file, int(match[1]), int(match[2])))
        return chosen

    def broken_record_files(self, endpoint: str, *, start_us: int, end_us: int) -> list[Path]:
        """Return the quarantines of the segments that `record_files` names, by name, as far as there are any.

        They are at hand; raises as `at_hand` does.
        """
        kept = newest(self._listed(self.root / "quarantine" / "records" / _safe(endpoint)))
        names = newest(file.stored for file in self.listed_records(endpoint, start_us=start_us, end_us=end_us))
        broken = [kept.get(name.split("_", 2)[2]) for name in names]
        return self.storage.fetch([file for file in broken if file is not None])

    def truth_files(
        self,
        endpoint: str,
        *,
        start_us: int,
        end_us: int,
        known_until_us: int | None,
        segments: Collection[str] | None = None,
    ) -> list[TruthFile]:
        """Return the outcomes that may be about rows of the window and were known by ``known_until_us``, by name.

        Among them are those that name a prediction, and no endpoint. ``segments``: only those of these ids. They are at
        hand; raises as `at_hand` does.
        """
        chosen = self.listed_truths(
            endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us, segments=segments
        )
        paths = self.storage.fetch([file.stored for file in chosen])
        return [TruthFile(path, file.labelled_us, file.span_us) for path, file in zip(paths, chosen, strict=True)]

    def listed_truths(
        self,
        endpoint: str,
        *,
        start_us: int,
        end_us: int,
        known_until_us: int | None,
        segments: Collection[str] | None = None,
    ) -> list[ListedTruth]:
        """Return what `truth_files` does, by name alone: nothing is fetched.

        An outcome is not known long before its row happens: files that were known a month before the window are
        left out, so that a look at the present does not read all outcomes there ever were.
        """
        chosen = []
        for file in (*self._listed(self._truth(endpoint)), *self._listed(self._truth(""))):
            match = _TRUTH_FILE.fullmatch(_last(file.name))
            if match is None or (segments is not None and match[5] not in segments):
                continue
            span = None if match[3] == "x" else (int(match[3]), int(match[4]))
            last_us = None if match[2] is None else int(match[2])
            late = known_until_us is not None and int(match[1]) > known_until_us
            early = last_us is not None and last_us < start_us - _KNOWN_BEFORE_US
            apart = span is not None and (span[0] >= end_us or span[1] < start_us)
            if not late and not early and not apart:
                chosen.append(ListedTruth(file, int(match[1]), last_us, span))
        return chosen

    def fetched(self, files: Sequence[ListedRecords] | Sequence[ListedTruth]) -> Iterator[Path]:
        """Give where each of the files can be read, in their order, a few at a time; raises as `at_hand` does."""
        at_once = 4 * self.storage.parallel
        for begin in range(0, len(files), at_once):
            yield from self.storage.fetch([file.stored for file in files[begin : begin + at_once]])

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

    def _listed(self, folder: Path) -> list[StoredFile]:
        return self.storage.files_in(self.relative(folder))

    def _tables(self, model: str) -> Path:
        return self.root / "processed" / "tables" / _safe(model)

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


def _last(name: str) -> str:
    return name.rpartition("/")[2]
