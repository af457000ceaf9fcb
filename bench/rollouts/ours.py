"""What Trimtab's judgement says of many simulated canaries at once, after every look.

The processes are those of `trimtab.measures`; only their composition is written for many runs here, and a test
(tests/unit/rollout/test_bench_agrees.py) holds it to `trimtab.rollout.judgement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from bench.rollouts.traffic import BUCKETS, LOOKS, WEIGHTS, Traffic
from numpy.typing import NDArray

from trimtab.measures.betting import BetProcess
from trimtab.measures.duration_buckets import bucket_of, lower_edge_ns
from trimtab.measures.label_process import LabelProcess
from trimtab.measures.renewed_bets import RenewedBets
from trimtab.rollout.latency import QUANTILES
from trimtab.rollout.wealth import segment_share, split_alpha

__all__ = ["DEFAULT_MARGINS", "NAMES", "NO_MARGINS", "Margins", "breaches", "evidence_of_harm"]

_PHASE = LOOKS // len(WEIGHTS)
_COLD, _REFERENCE = 20, 200
NAMES: Mapping[str, tuple[str, ...]] = {
    "errors": ("errors",),
    "latency": tuple(f"latency_{name}" for name in QUANTILES),
    "quality": ("degradation:accuracy",),
}

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Margins:
    """What is allowed: a ratio of errors, a share of latency and one of accuracy."""

    errors: float
    latency: float
    accuracy: float


NO_MARGINS = Margins(1.0, 0.0, 0.0)
DEFAULT_MARGINS = Margins(1.5, 0.1, 0.01)


def evidence_of_harm(traffic: Traffic, margins: Margins) -> dict[str, Floats]:
    """Return the logarithm of each metric's e-value against "no harm beyond the margin", (runs, looks)."""
    drawn = traffic.drawn.sum(axis=0)
    found = {"errors": _labels(traffic, traffic.failed[1], traffic.failed[0], drawn, margins.errors)}
    for name, (candidate, stable, judged) in _exceedances(traffic, margins.latency).items():
        found[f"latency_{name}"] = _labels(traffic, candidate, stable, drawn * judged, 1.0)
    found["degradation:accuracy"] = _losses(traffic, margins.accuracy)
    return found


def breaches(evidence: Mapping[str, Floats], alpha: float) -> dict[str, NDArray[np.bool_]]:
    """Return for each family whether it has ever been a breach by each look, (runs, looks), and for all together."""
    alphas = split_alpha(alpha, NAMES)
    found = {
        family: np.maximum.accumulate(
            np.any([evidence[name] >= -np.log(alphas[name]) for name in names], axis=0), axis=1
        )
        for family, names in NAMES.items()
    }
    return {**found, "all": np.any(list(found.values()), axis=0)}


def _labels(traffic: Traffic, candidate: Counts, stable: Counts, units: Counts, ratio: float) -> Floats:
    start = LabelProcess.start(ratio, shape=(len(candidate),))
    gains = [
        start.with_counts(float(weight), candidate[:, look], stable[:, look]).log_wealth
        for look, weight in enumerate(traffic.weights)
    ]
    return _renewed(np.stack(gains, axis=1), units, sticky=traffic.sticky)


def _renewed(gains: Floats, units: Counts, *, sticky: bool) -> Floats:
    """Return the logarithm of the e-value after each look, from its gains (runs, looks, J) and units (runs, looks)."""
    runs, _, size = gains.shape
    bets, over = RenewedBets.start(size, shape=(runs,)), np.full(runs, -np.inf)
    logs = np.zeros((runs, LOOKS))
    for look in range(LOOKS):
        share = np.log(segment_share(look // _PHASE + 1)) if sticky else 0.0
        if sticky and look and look % _PHASE == 0:
            over = np.maximum(over, logs[:, look - 1])
            bets = RenewedBets.start(size, shape=(runs,))
        bets = bets.with_gains(gains[:, look], units[:, look])
        logs[:, look] = np.maximum(over, bets.log_e + share)
    return logs


def _exceedances(traffic: Traffic, margin: float) -> dict[str, tuple[Counts, Counts, Counts]]:
    """Return by quantile how many exceeded it, candidate's beyond the margin and stable's, and where it is judged.

    Each is of shape (runs, looks); the last is 0 or 1.
    """
    candidate, stable = traffic.durations[1], traffic.durations[0]
    runs, size = len(candidate), len(BUCKETS)
    beyond = np.array([_first_beyond(int(bucket), margin) for bucket in BUCKETS])
    none = np.zeros((runs, LOOKS), np.int64)
    found = {name: (none.copy(), none.copy(), none.copy()) for name in QUANTILES}
    filling, reference = np.zeros((runs, size), np.int64), np.zeros((runs, size), np.int64)
    drawn = np.zeros((2, runs), np.int64)
    for look in range(LOOKS):
        if look % _PHASE == 0:
            drawn[:] = 0
            if traffic.sticky:
                filling, reference = np.zeros_like(filling), np.zeros_like(reference)
        covered, total = reference.cumsum(axis=1), reference.sum(axis=1)
        # How many are in this bucket or a later one; one place more, for what is beyond the last.
        mine, other = (_at_least(side[:, look]) for side in (candidate, stable))
        judged = (drawn.min(axis=0) >= _COLD) & (total > 0)
        for name, share in QUANTILES.items():
            place = np.argmax((covered >= share * total[:, None]) & (reference > 0), axis=1)
            counts = judged & (place < size - 1)
            found[name][0][:, look] = np.where(counts, mine[np.arange(runs), beyond[place]], 0)
            found[name][1][:, look] = np.where(counts, other[np.arange(runs), place + 1], 0)
            found[name][2][:, look] = counts
        filling = filling + stable[:, look]
        full = filling.sum(axis=1) >= _REFERENCE
        reference[full], filling[full] = filling[full], 0
        drawn += traffic.drawn[::-1, :, look]
    return found


def _at_least(counts: Counts) -> Counts:
    later = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.concatenate([later, np.zeros((len(counts), 1), np.int64)], axis=1)


def _first_beyond(bucket: int, margin: float) -> int:
    """Return the place of the first bucket wholly beyond (1 + margin) times the upper edge of ``bucket``."""
    threshold = (1 + margin) * lower_edge_ns(bucket + 1)
    edge = bucket_of(int(threshold))
    return int(np.searchsorted(BUCKETS, edge if lower_edge_ns(edge) >= threshold else edge + 1))


def _losses(traffic: Traffic, margin: float) -> Floats:
    drawn, p = traffic.unit_drawn, traffic.weights[traffic.unit_looks]
    counts = ~np.isnan(traffic.unit_losses)
    losses = np.where(counts, traffic.unit_losses, 0.0)
    beside = counts & ~drawn
    phase_of = traffic.unit_looks // _PHASE
    before_n, before_sum = _before(beside, phase_of, traffic.sticky), _before(losses * beside, phase_of, traffic.sticky)
    center = (before_sum + 0.5) / (before_n + 1)
    gains, expected = 1 - losses, 1 - center
    mine = -(1 - p) * (gains - (1 - margin) * expected)
    excess = np.where(drawn, mine, (1 - margin) * p * (gains - expected)) * counts
    edges = np.searchsorted(traffic.unit_looks, np.arange(LOOKS))
    bets = BetProcess.start(-1.0, 1.0).bets
    # One gambler at a time: all of them at once would not fit into memory.
    gained = np.stack([np.add.reduceat(np.log1p(bet * excess), edges, axis=1) for bet in bets], axis=-1)
    units = np.add.reduceat(counts, edges, axis=1, dtype=np.int64)
    return _renewed(gained, units, sticky=traffic.sticky)


def _before(values: NDArray[np.generic], phase_of: Counts, sticky: bool) -> Floats:
    """Return the sum of what came before each unit, of its own segment with sticky keys."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    before = np.concatenate([np.zeros((len(total), 1)), total[:, :-1]], axis=1)
    if not sticky:
        return before
    starts = np.searchsorted(phase_of, np.arange(len(WEIGHTS)))
    return np.asarray(before - before[:, starts][:, phase_of])
