"""What a server counted of each variant, and what of it is new since it was last read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial, reduce
from typing import Any, Protocol

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.rollout.block import Block, Counted, Tally
from trimtab.rollout.copies import CopyCursor
from trimtab.serving.draws import DrawCounts, DrawsReading

__all__ = ["CountCursor", "DrawsReader", "block_between"]

_KEPT_GENERATIONS = 4
_Key = tuple[str, int, str]


class DrawsReader(Protocol):
    """Reads what a server counted. May be asked at any time, by any thread; asking changes nothing."""

    def read(self, endpoint: str) -> DrawsReading | None:
        """Return the counts of an endpoint's variants; None while no server answers.

        Raises:
            BackendError: a server answers, and what it says cannot be read.
        """


@dataclass(frozen=True, slots=True)
class SeenCounts:
    """What was taken so far of one variant's counts, in one series.

    ``restart``: how many series of the same worker were seen in the generation before this one. ``holds``: other series
    of the worker whose counts are in these, and are not taken by themselves any more.
    """

    series: str
    worker: int
    restart: int
    generation: int
    variant: str
    tally: Tally
    holds: tuple[str, ...] = ()

    @property
    def key(self) -> _Key:
        """What it is known by."""
        return self.series, self.generation, self.variant


@dataclass(frozen=True, slots=True)
class CountCursor:
    """How far the counts have been read, of generations after ``after_generation``.

    ``sticky``: some request bore a key. From then on the counts are told apart by segment, in each of which a key
    counts once; ``segments`` numbers them from 1 on, by generation and restart. ``copies``: of what a shadow got.
    """

    after_generation: int
    seen: tuple[SeenCounts, ...] = ()
    sticky: bool = False
    segments: tuple[tuple[int, int], ...] = ()
    copies: CopyCursor = field(default_factory=CopyCursor)

    def tally_of(self, variant: str, generation: int) -> Tally:
        """Return what became of the requests that were drawn for the variant in a generation, as far as it was read."""
        of_it = (one.tally for one in self.seen if one.variant == variant and one.generation == generation)
        return reduce(partial(_combined, how=int.__add__), of_it, Tally())

    def segment_of(self, generation: int) -> tuple[CountCursor, int]:
        """Return the segment in which a generation began, and the cursor that remembers its number."""
        if not self.sticky:
            return self, 0
        segments = list(self.segments)
        number = _number(segments, (generation, 0))
        return replace(self, segments=tuple(segments)), number

    def to_json(self) -> JsonObject:
        """Return the cursor as JSON values."""
        return dict(_CURSOR.dump_python(self, mode="json"))

    @staticmethod
    def from_json(data: Any) -> CountCursor:
        """Return the cursor that `to_json` wrote."""
        return _CURSOR.validate_python(data)


@dataclass(slots=True)
class _Sums:
    """A block in the making."""

    candidate: Tally = field(default_factory=Tally)
    stable: Tally = field(default_factory=Tally)


def block_between(
    cursor: CountCursor, reading: DrawsReading, *, candidate: str, stable: str | None
) -> tuple[CountCursor, tuple[Block, ...]]:
    """Return what ``reading`` tells beyond ``cursor``, as blocks by generation and segment, and the cursor after it.

    A reading may be repeated, missed, come late, or lack a worker: nothing is taken twice, and nothing is lost that a
    later reading still tells. A server that counts from zero again does so in a series of its own. Counts of
    generations that are too old, or were there before the rollout, are left out.
    """
    wanted = {candidate, stable}
    told = [
        counts
        for counts in sorted(reading.counts, key=lambda one: (one.generation, one.worker, one.series, one.variant))
        if counts.variant in wanted and counts.generation > cursor.after_generation
    ]
    sticky = cursor.sticky or any(counts.sticky for counts in told)
    chances = _chances(told, candidate, alone=stable is None)
    seen = {one.key: one for one in cursor.seen}
    held = {(name, one.generation, one.variant) for one in cursor.seen for name in one.holds}
    segments = list(cursor.segments)
    sums: dict[tuple[int, int, float], _Sums] = {}
    for counts in told:
        chance = chances.get((counts.series, counts.generation))
        if chance is None:
            continue
        if (counts.series, counts.generation, counts.variant) in held:
            continue
        before = _before(counts, seen)
        held.update((name, counts.generation, counts.variant) for name in before.holds)
        after = replace(before, tally=_combined(before.tally, _tally(counts), max))
        seen[after.key] = after
        # Each key counts on one worker only, and once in the life of that: so once in what all workers counted in their
        # first lives, once in their second, and so on.
        segment = _number(segments, (after.generation, after.restart)) if sticky else 0
        found = sums.setdefault((counts.generation, segment, chance), _Sums())
        added = _combined(after.tally, before.tally, int.__sub__)
        if counts.variant == candidate:
            found.candidate = _combined(found.candidate, added, int.__add__)
        else:
            found.stable = _combined(found.stable, added, int.__add__)
    blocks = tuple(
        Block(
            generation=generation,
            probability=chance,
            candidate=made.candidate,
            stable=made.stable,
            segment=segment,
            sticky=sticky,
        )
        for (generation, segment, chance), made in sorted(sums.items())
        if made != _Sums()
    )
    return _pruned(replace(cursor, seen=tuple(seen.values()), sticky=sticky, segments=tuple(segments))), blocks


def _before(counts: DrawCounts, seen: dict[_Key, SeenCounts]) -> SeenCounts:
    """Return what was taken of ``counts`` until now, with what was taken of the series that they have come to hold."""
    known = seen.get((counts.series, counts.generation, counts.variant)) or _unseen(counts, seen.values())
    tally, fresh = known.tally, [name for name in counts.holds if name not in known.holds]
    for name in fresh:
        one = seen.pop((name, counts.generation, counts.variant), None)
        tally = tally if one is None else _combined(tally, one.tally, int.__add__)
    return replace(known, tally=tally, holds=(*known.holds, *fresh))


def _unseen(counts: DrawCounts, seen: Iterable[SeenCounts]) -> SeenCounts:
    lives = [
        one.restart
        for one in seen
        if (one.worker, one.generation) == (counts.worker, counts.generation) and one.series != counts.series
    ]
    restart = max(lives, default=-1) + 1
    return SeenCounts(counts.series, counts.worker, restart, counts.generation, counts.variant, Tally())


def _chances(told: Iterable[DrawCounts], candidate: str, *, alone: bool) -> Mapping[tuple[str, int], float]:
    """Return by series and generation with what chance a request of the two versions was the candidate's.

    A series that does not tell of both is left out, unless the candidate is ``alone``.
    """
    weights: dict[tuple[str, int], dict[bool, float]] = {}
    for counts in told:
        weights.setdefault((counts.series, counts.generation), {})[counts.variant == candidate] = counts.probability
    return {
        key: round(both.get(True, 0.0) / whole, 12)
        for key, both in weights.items()
        if (alone or len(both) == 2) and (whole := sum(both.values())) > 0
    }


def _number(segments: list[tuple[int, int]], segment: tuple[int, int]) -> int:
    if segment not in segments:
        segments.append(segment)
    return segments.index(segment) + 1


def _tally(counts: DrawCounts) -> Tally:
    return Tally(**{name: getattr(counts, name) for name in _NAMES})


def _combined(first: Tally, second: Tally, how: Callable[[int, int], int]) -> Tally:
    """Return number for number what ``how`` makes of two tallies; buckets that come to nothing are left out."""
    found: dict[str, Any] = {}
    for name in _NAMES:
        one, other = getattr(first, name), getattr(second, name)
        found[name] = how(one, other) if isinstance(one, int) else _combined_buckets(one, other, how)
    return Tally(**found)


def _combined_buckets(first: Counted, second: Counted, how: Callable[[int, int], int]) -> Counted:
    one, other = dict(first), dict(second)
    found = ((bucket, how(one.get(bucket, 0), other.get(bucket, 0))) for bucket in sorted({*one, *other}))
    return tuple((bucket, count) for bucket, count in found if count)


def _pruned(cursor: CountCursor) -> CountCursor:
    """Return the cursor without generations that are long over; what is told of them is not read any more."""
    generations = sorted({one.generation for one in cursor.seen})
    over = generations[:-_KEPT_GENERATIONS]
    if not over:
        return cursor
    kept = tuple(one for one in cursor.seen if one.generation > over[-1])
    return replace(cursor, after_generation=over[-1], seen=kept)


_NAMES = tuple(one.name for one in fields(Tally))
_CURSOR: TypeAdapter[CountCursor] = TypeAdapter(CountCursor)
