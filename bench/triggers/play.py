"""Plays one rule over one stream: labels come one chunk late, every fit is counted, and so is every switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from bench.triggers.versions import Versions
from numpy.typing import NDArray

from trimtab.retraining.gain import Advice, Cause, Costs, Standing, Training, weigh
from trimtab.retraining.ledger import PeriodLoss, VersionLosses, spread
from trimtab.retraining.pool import best_kept

__all__ = ["Played", "Rule", "play"]

_LATE = 1
_MOST_CHUNKS, _TRAININGS = 60, 4
_MARGIN, _Z = 0.1, 1.96


@dataclass(frozen=True, slots=True)
class Rule:
    """When to fit: ``every`` so many chunks (0: never again), or by gain where it is None.

    ``pool``: how many of the latest versions go on answering, of which the best may serve again; 1: none but the
    champion. ``oldest``: the gain rule fits at this age at the latest.
    """

    name: str
    every: int | None = None
    pool: int = 1
    oldest: int = 52
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it: the loss as a share, fits (probes and refused ones included), switches, and probes alone."""

    loss: float
    fits: int
    switches: int
    probes: int


@dataclass(slots=True)
class _Course:
    """What has happened so far."""

    champion: int
    kept: list[int]
    last_fit: int
    line: dict[int, int] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)
    fits: int = 0
    switches: int = 0
    probes: int = 0


def play(versions: Versions, rule: Rule, phase: int) -> Played:
    """Play ``rule`` from the first chunk that a full window allows, moved by ``phase`` chunks."""
    stream = versions.stream
    first = stream.window + _LATE + phase
    course = _Course(champion=first - _LATE, kept=[first - _LATE], last_fit=first)
    total = 0.0
    for chunk in range(first, stream.chunks):
        if chunk > first:
            _decide(versions, rule, course, chunk)
        total += versions.loss(course.champion, chunk).total
    return Played(total / stream.scale(first), course.fits, course.switches, course.probes)


def _decide(versions: Versions, rule: Rule, course: _Course, chunk: int) -> None:
    newest = chunk - 1 - _LATE
    if newest >= course.last_fit or newest > course.champion:
        course.line[newest] = course.champion
    if rule.every is not None:
        if rule.every and chunk - course.last_fit >= rule.every:
            _released(course, rule, chunk, chunk - _LATE)
            return
    elif _fits(versions, rule, course, chunk, newest):
        return
    if rule.pool > 1:
        back = best_kept(_standing(versions, course, newest, with_twins=False), rule.costs, course.kept)
        if back is not None:
            course.champion, course.switches = back.version, course.switches + 1


def _fits(versions: Versions, rule: Rule, course: _Course, chunk: int, newest: int) -> bool:
    """Fit if the gain says so; the newest labelled chunk is held out, and the fit released if it is as good on it."""
    reading = weigh(_standing(versions, course, newest), rule.costs)
    old = chunk - course.last_fit >= rule.oldest
    if reading.advice is not Advice.RETRAIN and not old:
        return False
    course.probes += reading.cause is Cause.PROBE
    fresh = newest
    if _as_good(versions.loss(course.champion, newest), versions.loss(fresh, newest)):
        _released(course, rule, chunk, fresh)
        return True
    course.fits, course.last_fit = course.fits + 1, chunk
    course.trainings.append(Training(chunk, course.champion, None))
    return True


def _released(course: _Course, rule: Rule, chunk: int, fresh: int) -> None:
    course.trainings.append(Training(chunk, course.champion, fresh))
    course.kept = [*course.kept, fresh][-rule.pool :]
    course.champion, course.last_fit, course.fits = fresh, chunk, course.fits + 1


def _as_good(old: PeriodLoss, new: PeriodLoss) -> bool:
    """Judge as `trimtab.loop.retrainings.judge_gain` does, with the normal interval in the place of the bootstrap's."""
    difference = [mine - other for mine, other in zip(old.blocks, new.blocks, strict=True)]
    low = sum(difference) - _Z * spread(_array(difference))
    return sum(difference) >= 0 and low >= -_MARGIN * old.total


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _standing(versions: Versions, course: _Course, newest: int, *, with_twins: bool = True) -> Standing:
    """Return what is known when ``newest`` is the last labelled chunk, of as many chunks as production looks back."""
    wanted = {*course.kept, course.champion}
    if with_twins:
        wanted |= {one.before for one in course.trainings[-_TRAININGS:]}
    ledgers = {}
    for version in sorted(wanted):
        chunks = range(max(version, newest + 1 - _MOST_CHUNKS), newest + 1)
        answers = {chunk: versions.loss(version, chunk) for chunk in chunks}
        named: dict[str, dict[int, PeriodLoss]] = {}
        for chunk in chunks if with_twins else ():
            for name, loss in versions.twin_losses(version, chunk).items() if chunk > version else ():
                named.setdefault(name, {})[chunk] = loss
        ledgers[version] = VersionLosses(version, answers, named)
    return Standing(course.champion, ledgers, dict(course.line), tuple(course.trainings))
