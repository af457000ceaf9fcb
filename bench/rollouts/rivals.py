"""How others would have judged the same canaries: Kayenta's Mann-Whitney test, and Argo Rollouts' failed checks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from bench.rollouts.ours import Margins
from bench.rollouts.traffic import BUCKETS, LOOKS, Traffic
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from trimtab.measures.duration_buckets import lower_edge_ns

__all__ = ["CHECK_EVERY", "failed_checks", "failed_fixed_checks", "mann_whitney"]

CHECK_EVERY = 10
_FAILED_CHECKS = 5
_P95 = 0.95

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def mann_whitney(traffic: Traffic, alpha: float, *, peeking: bool) -> Flags:
    """Return whether each run was rolled back by each look, (runs, looks).

    Kayenta's way: each interval (ten looks, 2 000 requests) is one point of each metric, and a one-sided Mann-Whitney
    test compares the candidate's points with the baseline's, with a third of ``alpha`` for each of three metrics:
    error rate, p95, share of wrong answers. The fixed horizon has one test, at the end; ``peeking`` tests after each
    interval from the fifth on, with the same level.
    """
    flags = np.zeros((traffic.drawn.shape[1], LOOKS), bool)
    points = _points(traffic)
    for intervals in range(5 if peeking else LOOKS // CHECK_EVERY, LOOKS // CHECK_EVERY + 1):
        seen = np.any([_differs(pair, intervals, alpha / len(points)) for pair in points.values()], axis=0)
        flags[:, intervals * CHECK_EVERY - 1] = seen
    return np.asarray(np.maximum.accumulate(flags, axis=1))


def _differs(pair: tuple[Floats, Floats], intervals: int, alpha: float) -> Flags:
    stable, candidate = (np.nan_to_num(side[:, :intervals], nan=0.0) for side in pair)
    return np.asarray(
        mannwhitneyu(candidate, stable, alternative="greater", axis=1, method="asymptotic").pvalue < alpha
    )


def failed_checks(traffic: Traffic, margins: Margins) -> Flags:
    """Return whether each run was rolled back by each look, (runs, looks).

    Argo Rollouts' way, beside the baseline: after each interval every metric is compared with the baseline's by the
    given margins, as a number with a number; a canary of which one metric failed five checks is aborted.
    """
    with np.errstate(invalid="ignore"):
        found = _points(traffic)
        accuracy = [1 - side for side in found["accuracy"]]
        return _five_times(
            found["errors"][1] > margins.errors * found["errors"][0],
            found["latency"][1] > (1 + margins.latency) * found["latency"][0],
            accuracy[1] < (1 - margins.accuracy) * accuracy[0],
        )


def failed_fixed_checks(traffic: Traffic) -> Flags:
    """Return the same of checks against fixed limits: more than 2 % errors, p95 above 50 ms, accuracy below 86 %.

    The usual form of Argo Rollouts' checks. Healthy traffic has 0.5 % errors, a p95 of 33 ms and an accuracy of 90 %.
    """
    with np.errstate(invalid="ignore"):
        found = {name: candidate for name, (_, candidate) in _points(traffic).items()}
        return _five_times(found["errors"] > 0.02, found["latency"] > 50e6, 1 - found["accuracy"] < 0.86)


def _five_times(*checks: Flags) -> Flags:
    flags = np.zeros((len(checks[0]), LOOKS), bool)
    for failed in checks:
        flags[:, CHECK_EVERY - 1 :: CHECK_EVERY] |= failed.cumsum(axis=1) >= _FAILED_CHECKS
    return np.asarray(np.maximum.accumulate(flags, axis=1))


def _points(traffic: Traffic) -> Mapping[str, tuple[Floats, Floats]]:
    """Return by metric the stable version's and the candidate's value of each interval, (runs, intervals)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = _by_interval(traffic.failed) / _by_interval(traffic.drawn)
        wrong, labelled = _wrong(traffic)
        shares = wrong / labelled
    histograms = traffic.durations.reshape(*traffic.durations.shape[:2], LOOKS // CHECK_EVERY, CHECK_EVERY, -1).sum(3)
    covered = histograms.cumsum(axis=-1)
    place = np.argmax(covered >= _P95 * covered[..., -1:], axis=-1)
    p95 = np.array([float(lower_edge_ns(int(bucket))) for bucket in BUCKETS])[place]
    return {"errors": (rates[0], rates[1]), "latency": (p95[0], p95[1]), "accuracy": (shares[0], shares[1])}


def _by_interval(counts: NDArray[np.generic]) -> Floats:
    return np.asarray(counts.reshape(*counts.shape[:-1], LOOKS // CHECK_EVERY, CHECK_EVERY).sum(-1), dtype=np.float64)


def _wrong(traffic: Traffic) -> tuple[Floats, Floats]:
    counts = ~np.isnan(traffic.unit_losses)
    losses = np.where(counts, traffic.unit_losses, 0.0)
    edges = np.searchsorted(traffic.unit_looks, np.arange(0, LOOKS, CHECK_EVERY))
    variants = [counts & ~traffic.unit_drawn, counts & traffic.unit_drawn]
    wrong = np.stack([np.add.reduceat(losses * variant, edges, axis=1) for variant in variants])
    return wrong, np.stack([np.add.reduceat(variant.astype(np.float64), edges, axis=1) for variant in variants])
