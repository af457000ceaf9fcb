"""Copies that a shadow left unanswered: they count as disagreement, at the pace of those that it answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from trimtab.core.enums import Verdict
from trimtab.rollout.state import Evidence
from trimtab.serving.shadow_counts import ShadowCounts

__all__ = ["MOST_DROPPED", "CopyCursor", "SeenCopies", "judge_copies", "missed_beside", "with_copies"]

MOST_DROPPED: Final = 0.1
"""Share of the copies that may be dropped: beyond it nobody knows what the shadow would have answered."""


@dataclass(frozen=True, slots=True)
class SeenCopies:
    """What was read of one process's counts in one generation."""

    series: str
    generation: int
    answered: int
    failed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class CopyCursor:
    """How far copies have been read and judged.

    ``compared``: requests to which both answers were found; ``missed``: failed copies that were held against it.
    """

    seen: tuple[SeenCopies, ...] = ()
    compared: int = 0
    missed: int = 0

    @property
    def answered(self) -> int:
        """Copies that the shadow answered."""
        return sum(one.answered for one in self.seen)

    @property
    def failed(self) -> int:
        """Copies that it could not answer."""
        return sum(one.failed for one in self.seen)

    @property
    def dropped(self) -> int:
        """Copies that it did not get, or whose answer was lost."""
        return sum(one.dropped for one in self.seen)


def with_copies(cursor: CopyCursor, told: Iterable[ShadowCounts], *, variant: str, after_generation: int) -> CopyCursor:
    """Return the cursor after a reading; one may be repeated or come late: of each count the largest is kept."""
    seen = {(one.series, one.generation): one for one in cursor.seen}
    for counts in told:
        if counts.variant != variant or counts.generation <= after_generation:
            continue
        key = counts.series, counts.generation
        before = seen.get(key, SeenCopies(*key, 0, 0, 0))
        seen[key] = SeenCopies(
            *key,
            max(before.answered, counts.answered),
            max(before.failed, counts.failed),
            max(before.dropped, counts.dropped),
        )
    return replace(cursor, seen=tuple(seen.values()))


def missed_beside(cursor: CopyCursor, compared: int) -> tuple[CopyCursor, int]:
    """Return how many failed copies go with ``compared`` further requests to which both answers were found.

    Failures are known at once, answers when the lake has them: taken as they come, the failures would be judged first,
    and look like more than they are. So as great a share of them is taken as of the answers.

    >>> cursor = CopyCursor((SeenCopies("a", 2, answered=70, failed=30, dropped=0),))
    >>> missed_beside(cursor, 35)[1], missed_beside(cursor, 70)[1]
    (15, 30)
    """
    compared += cursor.compared
    answered, failed = cursor.answered, cursor.failed
    due = failed if compared >= answered else failed * compared // answered
    fresh = max(0, due - cursor.missed)
    return replace(cursor, compared=compared, missed=cursor.missed + fresh), fresh


def judge_copies(cursor: CopyCursor) -> tuple[Evidence, ...]:
    """Return evidence that holds a shadow of whose copies too many were dropped; none where all was answered."""
    failed, dropped = cursor.failed, cursor.dropped
    whole = cursor.answered + failed + dropped
    if not failed and not dropped:
        return ()
    share = dropped / whole
    verdict = Verdict.OK if share <= MOST_DROPPED else Verdict.INCONCLUSIVE
    why = f"of {whole} copies {failed} failed, which count as disagreement; {dropped} were dropped for want of room"
    if verdict is Verdict.INCONCLUSIVE:
        why += f", more than {MOST_DROPPED:.0%}: what it would have answered is not known"
    return (Evidence("copies", verdict, share, MOST_DROPPED, why, candidate_n=whole),)
