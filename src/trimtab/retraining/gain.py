"""Whether training again pays: what staleness has cost since the last training, against what a training costs.

Nothing here is fitted, and nothing is remembered: the same ledger gives the same reading, however often it is asked
and in whatever order the outcomes came [1, 2].

[1] I. Žliobaitė, M. Budka, F. Stahl, "Towards cost-sensitive adaptation: when is it worth updating your predictive
    model?", Neurocomputing 150 (2015).
[2] A. Mahadevan, M. Mathioudakis, "Cost-aware retraining for machine learning", Knowledge-Based Systems 293 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import numpy as np
from numpy.typing import NDArray

from trimtab.retraining.ledger import PeriodLoss, VersionLosses, spread

__all__ = ["LATEST_TRAININGS", "Advice", "Cause", "Costs", "GainReading", "Standing", "Training", "weigh"]

Floats = NDArray[np.float64]

_LEARNING_RATE = 8.0
_WORST = 10.0
"""Times the champion's loss, beyond which a twin cannot fall further behind in one period."""
_USUAL = 9
"""Periods whose median loss is the champion's usual one."""
_RETRAIN_SHARE, _RELEASE_SHARE = 0.5, 0.1
_FIRST, _RECENT = 4, 3
_PROBE_Z, _PROBE_COSTS = 3.0, 2.0
_LONGEST_WAIT = 32
"""Periods after which another probe may be asked for, however many brought nothing."""
_Z = 1.0
_JUDGED_PERIODS, _LEAST_YIELD = 8, 0.1

LATEST_TRAININGS = 4
"""Trainings of which it counts what they gained; what they replaced goes on being judged for it."""


class Advice(StrEnum):
    """What the ledger advises."""

    WAIT = "wait"
    RETRAIN = "retrain"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why training again should pay: staleness has added up, or a probe has to find out what no twin can explain."""

    STALE = "stale"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Costs:
    """What a training and a release cost, in the row loss summed over rows; None: as the champion's usual loss says.

    A training then costs half of what the champion usually loses in a decision period (the median of its last nine), a
    release a tenth of it. 0 means free.
    """

    retrain: float | None = None
    release: float | None = None

    def of(self, usual: float) -> tuple[float, float]:
        """Return both costs where the champion usually loses ``usual`` in a period."""
        retrain = _RETRAIN_SHARE * usual if self.retrain is None else self.retrain
        return retrain, _RELEASE_SHARE * usual if self.release is None else self.release


@dataclass(frozen=True, slots=True)
class Training:
    """A training that ended at ``ended_us``: what served ``before``, and what came of it; ``after`` None: nothing.

    While it is not ``concluded`` its version waits for a person or is being tried: what comes of it is not known.
    """

    ended_us: int
    before: int
    after: int | None
    concluded: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known when a period has become labelled.

    ``line`` says which version was the champion when a period's outcomes were known, by the start of the period.
    ``trainings`` are those since the first version, in order; periods that began before the last one ended say nothing
    of how its outcome has aged.
    """

    champion: int
    versions: Mapping[int, VersionLosses]
    line: Mapping[int, int]
    trainings: Sequence[Training] = ()

    @property
    def since_us(self) -> int | None:
        """When the last training ended, None before the first."""
        return self.trainings[-1].ended_us if self.trainings else None

    @property
    def fruitless(self) -> tuple[int, ...]:
        """The ends of the latest trainings that brought nothing, in order; who knows what an open one will bring."""
        ends: list[int] = []
        for training in reversed([one for one in self.trainings if one.concluded]):
            if training.after is not None:
                break
            ends.append(training.ended_us)
        return tuple(reversed(ends))


@dataclass(frozen=True, slots=True)
class GainReading:
    """What the ledger says. Losses are sums of row losses.

    ``saved`` is what a fresher version would have saved since the last training, as far as twins can tell (lower
    bound) and earlier trainings have kept what twins promised (``kept``, 0.1 to 1); ``needed`` what a training and its
    release cost; ``share_last`` the share of the champion's loss that twins would have saved in the latest period.
    ``excess`` is how far the champion's latest periods lie above its first ones (lower bound), None where that cannot
    be said, and ``probe`` that over what a probe asks for (beyond 1, one is due); 0 where none may be asked for now.
    ``usual`` is the champion's usual loss in a period, ``periods`` how many were counted, ``as_of_us`` the latest one's
    end.
    """

    advice: Advice
    cause: Cause | None
    why: str
    periods: int
    saved: float = 0.0
    needed: float = 0.0
    kept: float = 1.0
    share_last: float = 0.0
    excess: float | None = None
    usual: float = 0.0
    probe: float = 0.0
    as_of_us: int | None = None

    @property
    def over_cost(self) -> float:
        """``saved`` over ``needed``; infinite where training is free and saves something."""
        return _times(self.saved, self.needed)


def weigh(standing: Standing, costs: Costs) -> GainReading:
    """Return whether a training is advised: y·(S − σ_S) > cost of training + cost of release.

    S ← max(0, S + Σ(ℓ_champion − ℓ_twins)) over the periods since the last training: it rises while correcting the
    answers by the rows just before would have helped, and rests at 0 where nothing has changed; σ_S² sums the block
    variances since it last rested. ``ℓ_twins`` is the loss of the twins mixed by Hedge, weights
    ∝ exp(−8·Σ ℓ_twin / ℓ_champion) over the periods before: no twin knows the future. y is what the last four
    trainings really gained (the version before against the one after, on the same rows) over what twins had promised
    on those rows, both plus one cost, so that without trainings y = 1: where fits disappoint, the next one waits
    longer.

    Where S stays low although the champion's latest 3 periods lie above its first 4 (as a share of each period's
    hardness, by 3 standard errors, and by twice the cost), a probe is advised: a shape has changed that twins cannot
    see, or rows have become harder, and only a training can tell which. After one that brought nothing the present
    loss counts as the usual one, and the wait doubles: 8, 16, then 32 periods each time.

    UNKNOWN as long as no period since the last training has outcomes and rows before it to teach the twins.
    """
    ledger = standing.versions.get(standing.champion)
    since_us = standing.since_us
    counted = [start for start in sorted(standing.line) if since_us is None or start >= since_us]
    by_version = {number: _twin_gains(one) for number, one in standing.versions.items()}
    told = [start for start in counted if start in by_version.get(standing.line[start], {})]
    gains = [by_version[standing.line[start]][start] for start in told]
    if ledger is None or not ledger.answers or not gains:
        return GainReading(Advice.UNKNOWN, None, _lacking(standing), len(gains))
    usual = _usual(ledger)
    needed = sum(costs.of(usual))
    kept = _kept_promises(standing, by_version, needed)
    saved = kept * _saved(gains)
    last = float(gains[-1].sum()) / max(_loss_at(standing, counted), 1e-12)
    excess = _excess(ledger, standing)
    why = (
        f"a fresher version would have saved {saved:.4g} since the last training, {needed:.4g} needed; "
        f"{last:+.1%} in the latest of {len(gains)} periods"
    )
    probe = 0.0
    if excess is not None and excess > 0 and _may_probe(ledger, standing):
        probe = _times(excess, _PROBE_COSTS * needed)
        why += (
            f"; the champion loses {excess:.4g} more than in its first periods, which no correction explains: a probe "
            f"needs {_PROBE_COSTS * needed:.4g}"
        )
    advice, cause = Advice.WAIT, None
    if saved > needed:
        advice, cause = Advice.RETRAIN, Cause.STALE
    elif probe > 1:
        advice, cause = Advice.RETRAIN, Cause.PROBE
    as_of_us = standing.versions[standing.line[told[-1]]].answers[told[-1]].end_us
    return GainReading(advice, cause, why, len(gains), saved, needed, kept, last, excess, usual, probe, as_of_us)


def _lacking(standing: Standing) -> str:
    """Return why no period counts."""
    if standing.since_us is not None:
        return "no labelled period since the last training"
    if not standing.line:
        # Who replays a table of last year asks a version that nobody had then.
        return (
            f"no labelled period since version {standing.champion} began to serve; 'trimtab simulate' plays older rows"
        )
    return "no labelled period yet that has labelled rows before it"


def _times(lost: float, cost: float) -> float:
    """Return ``lost`` over ``cost``; infinite where something was lost and nothing costs."""
    if cost > 0:
        return lost / cost
    return math.inf if lost > 0 else 0.0


def _saved(gains: Sequence[Floats]) -> float:
    """Return the lower bound of what twins gained since that last rested at 0; never below 0."""
    total = variance = 0.0
    for gain in gains:
        total, variance = total + float(gain.sum()), variance + spread(gain) ** 2
        if total <= 0:
            total = variance = 0.0
    return max(total - _Z * math.sqrt(variance), 0.0)


def _kept_promises(standing: Standing, gains: Mapping[int, Mapping[int, Floats]], cost: float) -> float:
    """Return what the last trainings gained over what twins had promised, both plus one cost; 0.1 … 1."""
    gained = promised = cost
    for training in [one for one in standing.trainings if one.concluded][-LATEST_TRAININGS:]:
        if training.after is None:
            promised += cost
            continue
        before, after = (standing.versions.get(number) for number in (training.before, training.after))
        if before is None or after is None:
            continue
        both = sorted(start for start in before.answers.keys() & after.answers.keys() if start >= training.ended_us)
        for start in both[:_JUDGED_PERIODS]:
            gain = gains[training.before].get(start)
            if gain is not None:
                promised += max(float(gain.sum()), 0.0)
                gained += before.answers[start].total - after.answers[start].total
    return min(max(gained / promised, _LEAST_YIELD), 1.0) if promised > 0 else 1.0


def _twin_gains(ledger: VersionLosses) -> dict[int, Floats]:
    """Return by period, and there by block, what the twins mixed by Hedge gain over the version's own answers."""
    names = sorted(ledger.twins)
    worse = dict.fromkeys(names, 0.0)
    gains: dict[int, Floats] = {}
    for start in sorted(ledger.answers):
        own = ledger.answers[start]
        here = [name for name in names if start in ledger.twins[name]]
        if here:
            least = min(worse[name] for name in here)
            weights = np.array([math.exp(-_LEARNING_RATE * (worse[name] - least)) for name in here])
            mixed = (weights / weights.sum()) @ np.array([ledger.twins[name][start].blocks for name in here])
            gains[start] = np.asarray(np.array(own.blocks) - mixed, dtype=np.float64)
        for name in names:
            # A twin that is not known counts as no better than the answers themselves.
            known = name in here and own.total > 0
            worse[name] += min(ledger.twins[name][start].total / own.total, _WORST) if known else 1.0
    return gains


def _loss_at(standing: Standing, counted: Sequence[int]) -> float:
    """Return the champion's loss in the latest counted period that it answered."""
    for start in reversed(counted):
        ledger = standing.versions.get(standing.line[start])
        if ledger is not None and start in ledger.answers:
            return ledger.answers[start].total
    return 0.0


def _usual(ledger: VersionLosses) -> float:
    return float(median(ledger.answers[start].total for start in sorted(ledger.answers)[-_USUAL:]))


def _excess(ledger: VersionLosses, standing: Standing) -> float | None:
    """Return the lower bound of the loss of the latest periods beyond that of the first ones, None where unknown."""
    periods = [ledger.answers[start] for start in sorted(ledger.answers)]
    # A training in vain has shown the loss until then to be the usual one; before four periods nothing is usual.
    seen = sum(one.end_us <= end_us for one in periods for end_us in standing.fruitless[-1:])
    usual = max(seen, _FIRST)
    first, latest = periods[usual - _FIRST : usual], periods[usual:][-_RECENT:]
    if len(first) < _FIRST or len(latest) < _RECENT:
        return None
    was, now = _ratios(first), _ratios(latest)
    hardness = np.array([one.hardness for one in latest])
    error = math.sqrt(was.var(ddof=1) / len(was) + now.var(ddof=1) / len(now)) * hardness.sum()
    return float(((now - was.mean()) * hardness).sum() - _PROBE_Z * error)


def _ratios(periods: Sequence[PeriodLoss]) -> Floats:
    return np.array([one.total / one.hardness if one.hardness > 0 else 1.0 for one in periods])


def _may_probe(ledger: VersionLosses, standing: Standing) -> bool:
    """Return whether the wait after the last training that brought nothing is over."""
    if not standing.fruitless:
        return True
    since = [start for start in ledger.answers if start >= standing.fruitless[-1]]
    return len(since) >= min(_FIRST << len(standing.fruitless), _LONGEST_WAIT)
