"""Whose events they were, kept as counts: all that the test on labels needs of a rollout, in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from trimtab.measures.label_process import LabelProcess
from trimtab.rollout.block import Block
from trimtab.rollout.wealth import Wealth, mixed_over_starts, start_share

__all__ = ["LabelCounts", "Labels", "counted", "label_wealth", "ratio_band", "with_labels"]

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


Labels = tuple[LabelCounts, ...]


def with_labels(rows: Labels, block: Block, candidate: int, stable: int) -> Labels:
    """Return the counts with those of ``block``; the order of blocks, and how they are cut, makes no difference.

    A block in which only one version could be drawn adds nothing.
    """
    if not 0 < block.probability < 1:
        return rows
    key = (block.segment, block.generation, block.probability)
    found = {(row.segment, row.generation, row.probability): row for row in rows}
    # A generation without events is kept too: which start is the how-manieth must not hang on what happened.
    old = found.get(key, LabelCounts(*key, 0, 0))
    found[key] = replace(old, candidate=old.candidate + candidate, stable=old.stable + stable)
    return tuple(found[key] for key in sorted(found))


def label_wealth(rows: Labels, ratio: float, *, sticky: bool) -> Wealth:
    """Return the evidence that events are more (harm), or less (safe), than ``ratio`` times as likely at the candidate.

    Without sticky keys a process starts with each generation (`mixed_over_starts`), and the first one tells of
    safety. With them a key keeps its version, so that the labels of two segments are not independent: each segment is
    a test of its own, with a share of the error, and safety is told by the latest.
    """
    if not rows:
        return Wealth()
    if sticky:
        return _by_segment(rows, ratio)
    harm, safe = LabelProcess.start(ratio), LabelProcess.start(1 / ratio)
    starts: dict[int, float] = {}
    for row in reversed(rows):
        harm, safe = _after(harm, row), _after_mirrored(safe, row)
        starts[row.generation] = float(harm.log_e)
    return Wealth(mixed_over_starts([starts[generation] for generation in sorted(starts)]), float(safe.log_e))


def _by_segment(rows: Labels, ratio: float) -> Wealth:
    harms: list[float] = []
    log_safe = 0.0
    for ordinal, segment in enumerate(sorted({row.segment for row in rows}), start=1):
        harm, safe = LabelProcess.start(ratio), LabelProcess.start(1 / ratio)
        for row in rows:
            if row.segment == segment:
                harm, safe = _after(harm, row), _after_mirrored(safe, row)
        share = math.log(start_share(ordinal))
        harms.append(float(harm.log_e) + share)
        log_safe = float(safe.log_e) + share
    return Wealth(max(harms), log_safe)


def _after(process: LabelProcess, row: LabelCounts) -> LabelProcess:
    return process.with_counts(row.probability, row.candidate, row.stable)


def _after_mirrored(process: LabelProcess, row: LabelCounts) -> LabelProcess:
    return process.with_counts(1 - row.probability, row.stable, row.candidate)


def ratio_band(rows: Labels, alpha: float, alpha_ok: float, *, sticky: bool) -> tuple[float, float]:
    """Return ratios between which the true one lies: all that neither side of the test can refuse.

    The lower bound errs with ``alpha``, the upper with ``alpha_ok``. They lie within 1/50 and 50; beyond, the bounds
    are 0 and ∞.
    """
    low = _last(lambda ratio: label_wealth(rows, ratio, sticky=sticky).log_harm >= -math.log(alpha), rising=False)
    high = _last(lambda ratio: label_wealth(rows, ratio, sticky=sticky).log_safe >= -math.log(alpha_ok), rising=True)
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


def counted(rows: Iterable[LabelCounts]) -> tuple[int, int]:
    """Return the events of the candidate and of the stable version.

    >>> counted([LabelCounts(0, 1, 0.1, 2, 5), LabelCounts(0, 2, 0.5, 1, 0)])
    (3, 5)
    """
    found = tuple(rows)
    return sum(row.candidate for row in found), sum(row.stable for row in found)
