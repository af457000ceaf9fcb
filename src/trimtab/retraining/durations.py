"""How long conditions have held: what is remembered between evaluations, and what ``for`` makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trimtab.config.cron import moment_after
from trimtab.config.durations import format_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros, to_micros
from trimtab.retraining.facts import Explanation

__all__ = ["HeldSince", "Memory", "TriggerState", "held_for"]

_FEWEST = 2
_GAP_SHARE = 4
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class HeldSince:
    """A condition that has held since ``since_us``, last at ``last_us``, in ``times`` evaluations of something new.

    ``seen_us`` is when it was last evaluated by rows that could tell.
    """

    since_us: int
    last_us: int
    times: int
    seen_us: int


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What a model's conditions remember. ``about`` names the conditions and the version; of others it says nothing.

    ``held`` belongs to each ``for``, ``answers`` to each condition of the tree, by the path that leads there: its
    answer, and since when it has been that. ``stored_us`` is when an evaluation was last worth storing.
    """

    about: str = ""
    at_us: int | None = None
    held: Mapping[str, HeldSince] = field(default_factory=dict)
    answers: Mapping[str, tuple[bool | None, int]] = field(default_factory=dict)
    fired: bool = False
    stored_us: int | None = None

    def to_json(self) -> JsonObject:
        """Return the state as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: JsonObject) -> TriggerState:
        """Return the state that `to_json` wrote."""
        return TriggerState(
            about=content["about"],
            at_us=content["at_us"],
            held={path: HeldSince(**kept) for path, kept in content["held"].items()},
            answers={path: (kept[0], kept[1]) for path, kept in content["answers"].items()},
            fired=content["fired"],
            stored_us=content["stored_us"],
        )


@dataclass(slots=True)
class Memory:
    """What an evaluation was given of earlier ones, and what it leaves to the next."""

    before: Mapping[str, HeldSince] = field(default_factory=dict)
    after: dict[str, HeldSince] = field(default_factory=dict)


def held_for(
    span: timedelta, child: Explanation, path: str, memory: Memory, *, now: datetime, schedules: Sequence[str]
) -> Explanation:
    """Return whether ``child`` has held for ``span``: in the windows of two evaluations at least, so far apart.

    The same windows evaluated again are no further evidence. An evaluation that could not say neither breaks nor
    counts; one that says no begins anew. So does a pause longer than two moments of the schedule and a quarter of the
    span, in which nothing was evaluated or nothing could be said: what held before and after it may have been two
    things.
    """
    limit = format_duration(span)
    if child.held is False:
        return Explanation("for", False, f"{child.why}; for {limit} is needed", "0s", limit, (child,), child.as_of_us)
    known = memory.before.get(path)
    if known is not None and _paused(from_micros(known.seen_us), now, span, schedules):
        known = None
    if child.held is None:
        if known is not None:
            memory.after[path] = known
        return Explanation("for", None, child.why, None, limit, (child,), child.as_of_us)
    kept = _counted(known, to_micros(now) if child.as_of_us is None else child.as_of_us, to_micros(now))
    memory.after[path] = kept
    lasted = (kept.last_us - kept.since_us) * _MICRO
    held = lasted >= span and kept.times >= _FEWEST
    so_long = format_duration(lasted)
    why = f"{child.why}, for {so_long} ({kept.times} times)" + ("" if held else f"; for {limit} is needed")
    return Explanation("for", held, why, so_long, limit, (child,), child.as_of_us)


def _counted(known: HeldSince | None, as_of_us: int, now_us: int) -> HeldSince:
    if known is None:
        return HeldSince(as_of_us, as_of_us, 1, now_us)
    if as_of_us <= known.last_us:
        return dataclasses.replace(known, seen_us=now_us)
    return HeldSince(known.since_us, as_of_us, known.times + 1, now_us)


def _paused(seen: datetime, now: datetime, span: timedelta, schedules: Sequence[str]) -> bool:
    if now - seen <= span / _GAP_SHARE:
        return False
    return any(_third_after(cron, seen, now) for cron in schedules)


def _third_after(cron: str, seen: datetime, now: datetime) -> bool:
    """Return whether three moments of ``cron`` have come since ``seen``."""
    moment: datetime | None = seen
    for _ in range(3):
        moment = None if moment is None else moment_after(cron, moment)
        if moment is None or moment > now:
            return False
    return True
