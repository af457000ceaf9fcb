"""Whose events they were, as counts and bets: all that the test on labels needs of a rollout, in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trimtab.measures.label_process import LabelProcess
from trimtab.rollout.block import Block
from trimtab.rollout.wealth import HarmBets, Wealth, segment_share

__all__ = ["Labels", "counted", "label_wealth", "ratio_band", "with_labels"]

_HALVINGS = 14
_FARTHEST = 50.0


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Events of both versions, in one generation and segment, while the candidate's probability was constant."""

    segment: int
    generation: int
    probability: float
    candidate: int
    stable: int


@dataclass(frozen=True, slots=True)
class SegmentBets:
    """The bets on harm of one segment; without sticky keys all is one segment."""

    segment: int
    bets: HarmBets = field(default_factory=HarmBets)


@dataclass(frozen=True, slots=True)
class Labels:
    """Whose events they were: counts, and the bets that they are the candidate's more often than a ratio allows."""

    counts: tuple[LabelCounts, ...] = ()
    harm: tuple[SegmentBets, ...] = ()


def with_labels(labels: Labels, block: Block, candidate: int, stable: int, *, ratio: float | None) -> Labels:
    """Return the labels with those of ``block``, whose bets on harm are against ``ratio``; None: none are made.

    How blocks are cut makes no difference to the counts; bets begin anew with each block. A block in which only one
    version could be drawn adds nothing.
    """
    if not 0 < block.probability < 1:
        return labels
    key = (block.segment, block.generation, block.probability)
    found = {(row.segment, row.generation, row.probability): row for row in labels.counts}
    # A segment without events is kept too: which one is the how-manieth must not hang on what happened.
    old = found.get(key, LabelCounts(*key, 0, 0))
    found[key] = replace(old, candidate=old.candidate + candidate, stable=old.stable + stable)
    counts = tuple(found[key] for key in sorted(found))
    if ratio is None:
        return Labels(counts)
    segments = {one.segment: one for one in labels.harm}
    bets = segments.get(block.segment, SegmentBets(block.segment)).bets
    gains = LabelProcess.start(ratio).with_counts(block.probability, candidate, stable).log_wealth
    segments[block.segment] = SegmentBets(
        block.segment, bets.with_gains(gains, block.candidate.drawn + block.stable.drawn)
    )
    return Labels(counts, tuple(segments[key] for key in sorted(segments)))


def label_wealth(labels: Labels, ratio: float, *, sticky: bool) -> Wealth:
    """Return the evidence that events are more (harm), or less (safe), than ``ratio`` times as likely at the candidate.

    ``ratio`` is the one that bets were made against. Safety rests on all events since the start. With sticky keys a
    key keeps its version, so that the labels of two segments are not independent: each segment is a test of its own,
    with a share of the error, and safety is told by the latest.
    """
    if not labels.counts:
        return Wealth()
    harms = [one.bets.log_e + (_log_share(ordinal) if sticky else 0.0) for ordinal, one in enumerate(labels.harm, 1)]
    return Wealth(max(harms, default=0.0), _log_safe(labels.counts, ratio, sticky=sticky))


def _log_share(ordinal: int) -> float:
    return math.log(segment_share(ordinal))


def _log_safe(counts: tuple[LabelCounts, ...], ratio: float, *, sticky: bool) -> float:
    parts = _in_tests(counts, sticky=sticky)
    log_e = float(_mirrored(parts[-1], ratio).log_e)
    return log_e + _log_share(len(parts)) if sticky else log_e


def _log_more(counts: tuple[LabelCounts, ...], ratio: float, *, sticky: bool) -> float:
    """Return the evidence, over everything since the start, that the ratio is more than ``ratio``."""
    parts = _in_tests(counts, sticky=sticky)
    logs = [float(_ahead(part, ratio).log_e) for part in parts]
    return max(log + _log_share(ordinal) for ordinal, log in enumerate(logs, 1)) if sticky else logs[0]


def _in_tests(counts: tuple[LabelCounts, ...], *, sticky: bool) -> list[list[LabelCounts]]:
    if not sticky:
        return [list(counts)]
    return [[row for row in counts if row.segment == segment] for segment in sorted({row.segment for row in counts})]


def _ahead(counts: list[LabelCounts], ratio: float) -> LabelProcess:
    process = LabelProcess.start(ratio)
    for row in counts:
        process = process.with_counts(row.probability, row.candidate, row.stable)
    return process


def _mirrored(counts: list[LabelCounts], ratio: float) -> LabelProcess:
    process = LabelProcess.start(1 / ratio)
    for row in counts:
        process = process.with_counts(1 - row.probability, row.stable, row.candidate)
    return process


def ratio_band(labels: Labels, alpha: float, alpha_ok: float, *, sticky: bool) -> tuple[float, float]:
    """Return ratios between which the true one lies, over everything since the start.

    All that neither side of the test can refuse: the lower bound errs with ``alpha``, the upper with ``alpha_ok``. They
    lie within 1/50 and 50; beyond, the bounds are 0 and ∞.
    """
    counts = labels.counts
    if not counts:
        return 0.0, math.inf
    low = _last(lambda ratio: _log_more(counts, ratio, sticky=sticky) >= -math.log(alpha), rising=False)
    high = _last(lambda ratio: _log_safe(counts, ratio, sticky=sticky) >= -math.log(alpha_ok), rising=True)
    return (0.0 if low is None else low), (math.inf if high is None else high)


def _last(refused: Callable[[float], bool], *, rising: bool) -> float | None:
    """Return the innermost ratio that is refused, seen from the far end; None when that end itself is not."""
    outer, inner = (_FARTHEST, 1 / _FARTHEST) if rising else (1 / _FARTHEST, _FARTHEST)
    if not refused(outer):
        return None
    for _ in range(_HALVINGS):
        middle = math.sqrt(outer * inner)
        if refused(middle):
            outer = middle
        else:
            inner = middle
    return outer


def counted(labels: Labels) -> tuple[int, int]:
    """Return the events of the candidate and of the stable version.

    >>> counted(Labels((LabelCounts(0, 1, 0.1, 2, 5), LabelCounts(0, 2, 0.5, 1, 0))))
    (3, 5)
    """
    return sum(row.candidate for row in labels.counts), sum(row.stable for row in labels.counts)
