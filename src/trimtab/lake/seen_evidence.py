"""Remembers what labelled rows said, so that of weeks of rows only those are read again that a new file can change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.lake.evidence import PeriodEvidence, period_evidence
from trimtab.lake.labelled import times_told
from trimtab.lake.storage.base import StoredFile
from trimtab.lake.zones import Lake, ListedTruth

__all__ = ["SeenEvidence"]

_MOST_ENDPOINTS = 64

Span = tuple[int, int]
File = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Seen:
    known_until_us: int
    records: dict[File, Span]
    truths: dict[File, ListedTruth]
    found: dict[Span, PeriodEvidence]


class SeenEvidence:
    """`period_evidence` for one who asks again and again, as time goes on, about much the same spans.

    What is remembered lies in memory: after a start everything is read once. One instance may be used for several
    lakes; it is not for two threads at once.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    def of(self, lake: Lake, endpoint: str, spans: Sequence[Span], *, known_until_us: int) -> list[PeriodEvidence]:
        """Return what `period_evidence` returns.

        Raises:
            BackendError: the lake failed.
            OSError: it cannot be read.
        """
        if not spans:
            return []
        start_us, end_us = min(start for start, _ in spans), max(end for _, end in spans)
        records = lake.listed_records(endpoint, start_us=start_us, end_us=end_us)
        truths = lake.listed_truths(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
        now = _Seen(
            known_until_us,
            {_file(one.stored): (one.start_us, one.end_us) for one in records},
            {_file(one.stored): one for one in truths},
            {},
        )
        key = (str(lake.root), endpoint)
        before = self._seen.pop(key, None)
        if before is not None and before.known_until_us <= known_until_us:
            touched = _touched(lake, endpoint, before, now, (start_us, end_us))
            now.found.update({span: one for span, one in before.found.items() if not touched(span)})
        for group in _runs([span for span in spans if span not in now.found]):
            evidence = period_evidence(lake, endpoint, group, known_until_us=known_until_us)
            now.found.update(zip(group, evidence, strict=True))
        self._seen[key] = _Seen(known_until_us, now.records, now.truths, {span: now.found[span] for span in spans})
        for oldest in list(self._seen)[:-_MOST_ENDPOINTS]:
            del self._seen[oldest]
        return [now.found[span] for span in spans]


@dataclass(frozen=True, slots=True, eq=False)
class _Touched:
    """Which spans a change of files can be about."""

    files: Sequence[Span]
    times: NDArray[np.int64]

    def __call__(self, span: Span) -> bool:
        start, end = span
        first = np.searchsorted(self.times, start)
        told = first < len(self.times) and self.times[first] < end
        return bool(told) or any(since < end and until >= start for since, until in self.files)


def _touched(lake: Lake, endpoint: str, before: _Seen, now: _Seen, window: Span) -> _Touched:
    """Return which spans files are about that came, went, were written anew, or were known only in part."""
    changed = [{**before.records, **now.records}[file] for file in before.records.keys() ^ now.records.keys()]
    news: set[str] = set()
    for file, truth in now.truths.items():
        if file in before.truths and truth.last_us is not None and truth.last_us <= before.known_until_us:
            continue
        if truth.span_us is None:
            news.add(_segment_of(file))
        else:
            changed.append(truth.span_us)
    if any(_is_lost(one, window[0]) for file, one in before.truths.items() if file not in now.truths):
        # Which rows it was about nobody can say any more.
        changed.append(window)
    since_us, before_us = window
    told = times_told(lake, endpoint, news, since_us=since_us, before_us=before_us, known_until_us=now.known_until_us)
    return _Touched(changed, np.sort(told))


def _is_lost(truth: ListedTruth, start_us: int) -> bool:
    """Return whether outcomes are gone, and not only too old for a window that has moved on."""
    about = truth.last_us if truth.span_us is None else truth.span_us[1]
    return about is None or about >= start_us


def _segment_of(file: File) -> str:
    return file[0].rpartition("/")[2].removesuffix(".parquet").split("_", 3)[3]


def _file(stored: StoredFile) -> File:
    return stored.name, stored.tag


def _runs(spans: Sequence[Span]) -> list[list[Span]]:
    """Return the spans in groups that follow on each other: what lies between groups need not be read.

    >>> _runs([(4, 6), (0, 2), (2, 4), (8, 9)])
    [[(0, 2), (2, 4), (4, 6)], [(8, 9)]]
    """
    groups: list[list[Span]] = []
    for span in sorted(spans):
        if groups and groups[-1][-1][1] == span[0]:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups
