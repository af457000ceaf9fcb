"""What one run of the bench found: how often nothing was rolled back for something, and how soon faults were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from bench.rollouts.ours import DEFAULT_MARGINS, NO_MARGINS, breaches, evidence_of_harm
from bench.rollouts.rivals import failed_checks, failed_fixed_checks, mann_whitney
from bench.rollouts.traffic import FAULTS, LOOKS, NO_FAULT, Fault, Kind, Traffic, simulate
from numpy.typing import NDArray
from scipy.stats import beta

__all__ = [
    "METHODS",
    "Calibration",
    "Detection",
    "Results",
    "calibrate",
    "power",
    "read_results",
    "upper_bound",
    "write_results",
]

ALPHA = 0.01
_CHUNK = 50
_POINTS = 60
METHODS = {
    "ours": "Trimtab, margins 0",
    "ours-margins": "Trimtab, margins 1.5 / 10 % / 1 %",
    "mann-whitney": "Mann-Whitney, once at the end",
    "mann-whitney-peeking": "Mann-Whitney, after each interval",
    "failed-checks": "five failed checks, margins 1.5 / 10 % / 1 %",
    "failed-fixed-checks": "five failed checks, fixed limits",
}

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How many of ``runs`` canaries without a fault were rolled back; ``families``: by what, of ours with margins 0."""

    kind: str
    runs: int
    false: dict[str, int]
    families: dict[str, int]


@dataclass(frozen=True, slots=True)
class Detection:
    """By method: which share of faulty canaries was rolled back by some of the looks, dense at first.

    ``requests``: how many there had been, of both versions. ``median``: until half of the runs were rolled back; None:
    less than half were.
    """

    kind: str
    fault: str
    runs: int
    requests: list[int]
    shares: dict[str, list[float]]
    median: dict[str, int | None]


@dataclass(slots=True)
class Results:
    """Everything that a run found."""

    alpha: float
    seed: int
    began: str
    calibrations: list[Calibration]
    detections: list[Detection]


def upper_bound(false: int, runs: int) -> float:
    """Return the rate that is above the true one with a confidence of 95 %, from ``false`` in ``runs`` [1].

    [1] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).

    >>> round(upper_bound(0, 2000), 4)
    0.0015
    """
    return 1.0 if false >= runs else float(beta.ppf(0.95, false + 1, runs - false))


def calibrate(kind: Kind, runs: int, seed: int) -> Calibration:
    """Return how often canaries without a fault are rolled back."""
    false = dict.fromkeys(METHODS, 0)
    families: dict[str, int] = {}
    for traffic in _chunks(kind, NO_FAULT, runs, seed):
        for name, flags in _judged(traffic).items():
            false[name] += int(flags[:, -1].sum())
        for family, flags in breaches(evidence_of_harm(traffic, NO_MARGINS), ALPHA).items():
            families[family] = families.get(family, 0) + int(flags[:, -1].sum())
    del families["all"]
    return Calibration(kind.value, runs, false, families)


def power(kind: Kind, fault: Fault, runs: int, seed: int) -> Detection:
    """Return how soon canaries with a fault are rolled back."""
    found: dict[str, list[Flags]] = {name: [] for name in METHODS}
    requests: list[int] = []
    for traffic in _chunks(kind, fault, runs, seed):
        requests = traffic.requests.tolist()
        for name, flags in _judged(traffic).items():
            found[name].append(flags)
    shares = {name: np.concatenate(flags).mean(axis=0) for name, flags in found.items()}
    median = {
        name: requests[int(np.argmax(share >= 0.5))] if share[-1] >= 0.5 else None for name, share in shares.items()
    }
    kept = np.unique(np.geomspace(1, LOOKS, _POINTS).round().astype(int)) - 1
    thinned = {name: share[kept].round(4).tolist() for name, share in shares.items()}
    return Detection(kind.value, fault.name, runs, [requests[look] for look in kept], thinned, median)


def _judged(traffic: Traffic) -> dict[str, Flags]:
    return {
        "ours": breaches(evidence_of_harm(traffic, NO_MARGINS), ALPHA)["all"],
        "ours-margins": breaches(evidence_of_harm(traffic, DEFAULT_MARGINS), ALPHA)["all"],
        "mann-whitney": mann_whitney(traffic, ALPHA, peeking=False),
        "mann-whitney-peeking": mann_whitney(traffic, ALPHA, peeking=True),
        "failed-checks": failed_checks(traffic, DEFAULT_MARGINS),
        "failed-fixed-checks": failed_fixed_checks(traffic),
    }


def _chunks(kind: Kind, fault: Fault, runs: int, seed: int) -> Iterator[Traffic]:
    faults = (NO_FAULT, *FAULTS)
    for start in range(0, runs, _CHUNK):
        rng = np.random.default_rng([seed, list(Kind).index(kind), faults.index(fault), start])
        yield simulate(kind, fault, min(_CHUNK, runs - start), rng)


def write_results(results: Results, path: Path) -> None:
    """Write ``results`` as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(results) + b"\n")


def read_results(path: Path) -> Results:
    """Return what `write_results` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
