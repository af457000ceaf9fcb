"""Plays one rule over one stream: labels come one chunk late, every fit is counted, and so is every switch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from bench.triggers.streams import Stream
from bench.triggers.versions import Versions
from bench.triggers.written import Written

from trimtab.core.clock import from_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.loop.retrainings import judge_gain
from trimtab.monitoring.check import Check, Window
from trimtab.retraining.conditions import step
from trimtab.retraining.durations import TriggerState
from trimtab.retraining.facts import Facts
from trimtab.retraining.gain import LATEST_TRAININGS, Advice, Cause, Costs, GainReading, Standing, Training, weigh
from trimtab.retraining.ledger import PeriodLoss, VersionLosses, spread
from trimtab.retraining.pool import best_kept, kept_versions
from trimtab.retraining.settings import ReleaseConfig
from trimtab.retraining.weeks import in_weeks

__all__ = ["Played", "Rule", "play"]

_LATE = 1
_MOST_CHUNKS = 60
_Z = 1.96
_SEEN = 4
"""Chunks of the quality monitor's window: 28 days, as init writes for some dozen rows a day."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When to fit: ``every`` so many chunks (0: never again), or as ``written`` says where it is there.

    ``pool``: how many of the latest versions go on answering, of which the best may serve again; 1: none but the
    champion.
    """

    name: str
    every: int = 0
    pool: int = 1
    written: Written | None = None

    @property
    def costs(self) -> Costs:
        """What fits and switches cost."""
        return Costs() if self.written is None else self.written.costs


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it: the loss as a share, fits (probes and refused ones included), switches, and the fits' causes."""

    loss: float
    fits: int
    switches: int
    probes: int = 0
    performance: int = 0
    age: int = 0


@dataclass(slots=True)
class _Course:
    """What has happened so far."""

    champion: int
    served_since: int
    last_fit: int
    promoted: list[int]
    line: dict[int, int] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)
    asked_us: int | None = None
    state: TriggerState = field(default_factory=TriggerState)
    fits: int = 0
    switches: int = 0
    causes: list[str] = field(default_factory=list)

    def serve(self, version: int, chunk: int) -> None:
        """Let a version serve from ``chunk`` on."""
        self.champion, self.served_since = version, chunk
        self.promoted.append(version)


def play(versions: Versions, rule: Rule, phase: int) -> Played:
    """Play ``rule`` from the first chunk that a full window allows, moved by ``phase`` chunks."""
    stream = versions.stream
    first = stream.window + _LATE + phase
    course = _Course(champion=first - _LATE, served_since=first, last_fit=first, promoted=[first - _LATE])
    total = 0.0
    for chunk in range(first, stream.chunks):
        if chunk > first:
            _decide(versions, rule, course, chunk)
        total += versions.loss(course.champion, chunk).total
    causes = [course.causes.count(name) for name in ("probe", "performance", "age")]
    return Played(total / stream.scale(first), course.fits, course.switches, *causes)


def _decide(versions: Versions, rule: Rule, course: _Course, chunk: int) -> None:
    newest = chunk - 1 - _LATE
    if newest >= course.champion:
        course.line[versions.stream.moment(newest)] = course.champion
    if rule.written is not None:
        if _fitted_as_written(versions, rule.written, rule.pool, course, chunk):
            return
    elif rule.every and chunk - course.last_fit >= rule.every:
        _released(course, versions.stream, chunk, chunk - _LATE)
        return
    if rule.pool > 1:
        kept = kept_versions(course.promoted, course.champion, rule.pool)
        back = best_kept(_standing(versions, course, kept, newest, with_twins=False), rule.costs, kept)
        if back is not None:
            course.serve(back.version, chunk)
            course.switches += 1


def _fitted_as_written(versions: Versions, files: Written, pool: int, course: _Course, chunk: int) -> bool:
    """Fit if the conditions say so; the newest labelled chunk is held out, and the fit released if as good on it."""
    newest = chunk - 1 - _LATE
    kept = kept_versions(course.promoted, course.champion, pool)
    reading = weigh(_standing(versions, course, kept, newest), files.costs)
    firing, course.state = step(files.retrain, _facts(versions, course, chunk, reading), course.state, "stream")
    if not firing.fired:
        return False
    course.asked_us = versions.stream.moment(chunk)
    is_probe = reading.advice is Advice.RETRAIN and reading.cause is Cause.PROBE
    course.causes.append("probe" if is_probe else str(firing.cause))
    if _as_good(versions.loss(course.champion, newest), versions.loss(newest, newest), files.retrain.release):
        _released(course, versions.stream, chunk, newest)
        return True
    course.fits, course.last_fit = course.fits + 1, chunk
    course.trainings.append(Training(versions.stream.moment(chunk), course.champion, None))
    return False


def _facts(versions: Versions, course: _Course, chunk: int, reading: GainReading) -> Facts:
    stream = versions.stream
    return Facts(
        checks=_checks(versions, course, chunk),
        now=from_micros(stream.moment(chunk)),
        champion=course.champion,
        trained_us=stream.moment(course.last_fit),
        last_retrain_us=course.asked_us,
        gain=reading,
    )


def _checks(versions: Versions, course: _Course, chunk: int) -> tuple[Check, ...]:
    """Return what the quality monitor says of the serving version's labelled chunks, of numbers at least."""
    last = chunk - 1 - _LATE
    first = max(course.served_since, last - _SEEN + 1)
    if versions.stream.classes or first > last:
        return ()
    skill, high = versions.skill(course.champion, first, last)
    quality = Check(
        monitor="model_quality",
        kind="model_quality",
        model="stream",
        endpoint="stream",
        variant="live",
        model_version=course.champion,
        column=None,
        window=Window(versions.stream.moment(last + 1 - _SEEN), versions.stream.moment(last + 1)),
        value=skill,
        threshold=None,
        effect=None,
        verdict=Verdict.OK,
        severity=Severity.HIGH,
        explanation="",
        detail={"metric": "d2_absolute_error", "high": high},
    )
    return (quality,)


def _released(course: _Course, stream: Stream, chunk: int, fresh: int) -> None:
    course.trainings.append(Training(stream.moment(chunk), course.champion, fresh))
    course.serve(fresh, chunk)
    course.last_fit, course.fits = chunk, course.fits + 1


def _as_good(old: PeriodLoss, new: PeriodLoss, release: ReleaseConfig) -> bool:
    """Return whether the new version may serve; its interval is the normal one in the place of the bootstrap's."""
    difference = np.subtract(old.blocks, new.blocks)
    gain, half = float(difference.sum()), _Z * spread(difference)
    comparison = {
        "metric": "loss",
        "gain": gain / old.rows,
        "loss_gain_low": (gain - half) / old.rows,
        "loss_gain_high": (gain + half) / old.rows,
        "loss_current": old.total / old.rows,
        "rows": old.rows,
    }
    return judge_gain(comparison, release)[0]


def _standing(
    versions: Versions, course: _Course, kept: tuple[int, ...], newest: int, *, with_twins: bool = True
) -> Standing:
    """Return what is known when ``newest`` is the last labelled chunk, of as many chunks as production looks back."""
    stream = versions.stream
    wanted = {*kept, course.champion}
    if with_twins:
        wanted |= {one.before for one in course.trainings[-LATEST_TRAININGS:]}
    ledgers = {}
    for version in sorted(wanted):
        chunks = range(max(version, newest + 1 - _MOST_CHUNKS), newest + 1)
        # What the champion lost when it began is kept for as long as it serves.
        judged = range(version, newest + 1) if version == course.champion else chunks
        answers = {stream.moment(chunk): versions.loss(version, chunk) for chunk in judged}
        named: dict[str, dict[int, PeriodLoss]] = {}
        for chunk in chunks if with_twins else ():
            for name, loss in versions.twin_losses(version, chunk).items() if chunk > version else ():
                named.setdefault(name, {})[stream.moment(chunk)] = loss
        ledgers[version] = VersionLosses(version, answers, named)
    standing = Standing(course.champion, ledgers, dict(course.line), tuple(course.trainings))
    return in_weeks(standing, stream.period_us)
