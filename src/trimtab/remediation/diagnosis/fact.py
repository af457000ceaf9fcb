"""What is so, is not so, or is not known about a case; and conditions over it, by Kleene's three-valued logic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Fact", "FactName", "Facts", "Need", "denied", "said", "unsaid"]


class FactName(StrEnum):
    """What can be so. Each stands in docs/remediation.md with what it is seen by."""

    VOLUME_NONE = "volume_none"
    VOLUME_LOW = "volume_low"
    FEED_STOPPED = "feed_stopped"
    COLUMN_EMPTY = "column_empty"
    COLUMN_STUCK = "column_stuck"
    UNIT = "unit"
    SWAPPED = "renamed_or_swapped"
    NEW_VALUES = "new_values"
    CONTRACT_BROKEN = "contract_broken"
    DUPLICATED = "duplicated"
    REQUESTS_REFUSED = "requests_refused"
    INPUTS_MOVED = "inputs_moved"
    INPUTS_PARTLY = "inputs_partly"
    INPUTS_STILL = "inputs_still"
    INPUTS_MATTER = "columns_that_matter_moved"
    SEVERAL_MOVED = "several_columns_moved"
    QUALITY_FELL = "quality_fell"
    QUALITY_FELL_IN_SEGMENTS = "quality_fell_in_segments"
    ESTIMATE_FELL = "estimate_fell"
    FELL_SLOWLY = "fell_slowly"
    FELL_AT_ONCE = "fell_at_once"
    RELEASED_BEFORE = "released_before"
    ONLY_NEW_VERSION = "only_new_version"
    REQUESTS_UP = "requests_up"
    SHED = "shed"
    LATENCY_UP = "latency_up"
    ERRORS_UP = "errors_up"
    FEATURE_SOURCE_SLOW = "feature_source_slow"
    CHAMPION_OLD = "champion_old"
    TWIN_WOULD_GAIN = "twin_would_gain"
    LABELS_MISSING = "labels_missing"
    LABELS_FEWER = "labels_fewer"
    LABELS_LATE = "labels_late"
    LABELS_MIRRORED = "labels_mirrored"
    GAP_WIDENED = "gap_widened"
    JOB_FAILED = "job_failed"
    TARGET_DOWN = "target_down"
    PART_STUCK = "part_stuck"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing: whether it ``holds`` (None: not known), and why.

    ``columns`` are those it is about, the most affected first; ``row_share`` the share of the window's rows that it
    touches, ``since_us`` when it began, ``factor`` what values were multiplied by; None where that is not known.
    """

    name: FactName
    holds: bool | None
    why: str
    columns: tuple[str, ...] = ()
    row_share: float | None = None
    since_us: int | None = None
    factor: float | None = None


class Facts:
    """All facts of a case; one that nobody states is not known."""

    __slots__ = ("_by_name",)

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._by_name: Mapping[FactName, Fact] = {fact.name: fact for fact in facts}

    def __getitem__(self, name: FactName) -> Fact:
        return self._by_name.get(name) or Fact(name, None, "nothing looks at it")

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._by_name.values())


@dataclass(frozen=True, slots=True)
class Need:
    """A condition over facts: one fact's name, or all, any or none of others.

    >>> slow = said(FactName.LATENCY_UP) & ~said(FactName.REQUESTS_UP)
    >>> slow.answer(Facts([Fact(FactName.LATENCY_UP, True, "")])) is None
    True
    >>> slow.answer(Facts([Fact(FactName.LATENCY_UP, False, "")]))
    False
    """

    word: str
    name: FactName | None = None
    parts: tuple[Need, ...] = ()

    def __and__(self, other: Need) -> Need:
        return Need("all", parts=(self, other))

    def __or__(self, other: Need) -> Need:
        return Need("any", parts=(self, other))

    def __invert__(self) -> Need:
        return Need("not", parts=(self,))

    def answer(self, facts: Facts) -> bool | None:
        """Return whether it holds; None where that hangs on what is not known."""
        if self.name is not None:
            holds = facts[self.name].holds
            if self.word == "fact":
                return holds
            return holds is False if self.word == "denied" else holds is not True
        answers = [part.answer(facts) for part in self.parts]
        if self.word == "not":
            return None if answers[0] is None else not answers[0]
        settles = self.word == "any"
        if settles in answers:
            return settles
        return None if None in answers else not settles

    def telling(self, facts: Facts) -> tuple[Fact, ...]:
        """Return the facts that hold and are asked for, in the order in which they are asked."""
        if self.name is not None:
            return (facts[self.name],) if facts[self.name].holds and self.word == "fact" else ()
        if self.word == "not":
            return ()
        return tuple(dict.fromkeys(fact for part in self.parts for fact in part.telling(facts)))

    def lacking(self, facts: Facts) -> tuple[Fact, ...]:
        """Return the facts that are not known and on which the answer hangs; none where it is known."""
        if self.answer(facts) is not None:
            return ()
        if self.name is not None:
            return (facts[self.name],)
        return tuple(dict.fromkeys(fact for part in self.parts for fact in part.lacking(facts)))


def denied(name: FactName) -> Need:
    """Return the condition that ``name`` is known not to hold; where it is not known, that is no denial."""
    return Need("denied", name)


def unsaid(name: FactName) -> Need:
    """Return the condition that nothing says ``name``: it does not hold, or nobody knows."""
    return Need("unsaid", name)


def said(name: FactName) -> Need:
    """Return the condition that ``name`` holds."""
    return Need("fact", name)
