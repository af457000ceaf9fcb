"""Simulated canaries: many runs at once, request by request, of five kinds of traffic, with or without a fault."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from trimtab.measures.duration_buckets import FAILED

__all__ = [
    "BUCKETS",
    "FAULTS",
    "FIRST_BUCKET",
    "LOOKS",
    "NO_FAULT",
    "REQUESTS",
    "WEIGHTS",
    "Fault",
    "Kind",
    "Traffic",
    "simulate",
]

WEIGHTS = (0.05, 0.10, 0.25, 0.50)
LOOKS = 200
REQUESTS = 40_000
FIRST_BUCKET = 320
_LAST_BUCKET = 544
BUCKETS: NDArray[np.int64] = np.array([*range(FIRST_BUCKET, _LAST_BUCKET), FAILED])
"""The buckets of durations that occur: from 1 ms to 17 s, and the one of failures."""

_ERRORS, _WRONG, _MEDIAN_NS, _SPREAD = 0.005, 0.10, 20e6, 0.3
_KEYS = 6000
_LABELLED_EVERY = 4

Floats = NDArray[np.float64]


class Kind(StrEnum):
    """What traffic is like."""

    INDEPENDENT = "independent"
    AUTOCORRELATED = "autocorrelated"
    BURSTY = "bursty"
    DIURNAL = "diurnal"
    STICKY = "sticky keys"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the candidate: more errors, more wrong answers (shares), or durations times ``slower``."""

    name: str
    errors: float = 0.0
    slower: float = 1.0
    wrong: float = 0.0


NO_FAULT = Fault("no fault")
FAULTS = (
    Fault("1 % errors", errors=0.01),
    Fault("2 % errors", errors=0.02),
    Fault("5 % errors", errors=0.05),
    Fault("latency × 1.2", slower=1.2),
    Fault("latency × 2", slower=2.0),
    Fault("accuracy −2 points", wrong=0.02),
    Fault("accuracy −5 points", wrong=0.05),
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a ledger would have counted: variant 0 is the stable version, 1 the candidate.

    ``drawn``, ``failed``: (2, runs, looks). ``durations``: (2, runs, looks, buckets). Of labelled units, in order:
    ``unit_losses`` (NaN: does not count), ``unit_drawn`` (runs, units), ``unit_looks`` (units,). ``requests``: how many
    there were up to each look, in all.
    """

    sticky: bool
    weights: Floats
    requests: NDArray[np.int64]
    drawn: NDArray[np.int64]
    failed: NDArray[np.int64]
    durations: NDArray[np.int64]
    unit_losses: Floats
    unit_drawn: NDArray[np.bool_]
    unit_looks: NDArray[np.int64]


def simulate(kind: Kind, fault: Fault, runs: int, rng: np.random.Generator) -> Traffic:
    """Return ``runs`` canaries of 40 000 requests each, looked at 200 times, 50 times at each of four weights."""
    look_of = np.repeat(np.arange(LOOKS), _sizes(kind))
    weights = np.repeat(np.array(WEIGHTS), LOOKS // len(WEIGHTS))
    p = weights[look_of]
    shape = (runs, len(look_of))
    keys = _keys(shape, rng) if kind is Kind.STICKY else None
    if keys is None:
        is_candidate = rng.random(shape) < p
        errors, level, wrong = _conditions(kind, shape, look_of, rng)
    else:
        # The same number for a key at every weight: who was in the canary stays in it.
        is_candidate = np.take_along_axis(rng.random((runs, _KEYS)), keys, axis=1) < p
        errors, level, wrong = (np.take_along_axis(part, keys, axis=1) for part in _temper(runs, rng))
    failed = rng.random(shape) < errors + fault.errors * is_candidate
    wrong_ones = rng.random(shape) < wrong + fault.wrong * is_candidate
    bucket = _buckets(level * np.where(is_candidate, fault.slower, 1.0) * np.exp(_SPREAD * rng.standard_normal(shape)))
    bucket[failed] = len(BUCKETS) - 1
    labelled = np.zeros(shape, bool)
    labelled[:, ::_LABELLED_EVERY] = True
    if keys is None:
        counts, counts_failed, counts_labelled = np.ones(shape, bool), failed, labelled
    else:
        segment = look_of // (LOOKS // len(WEIGHTS))
        counts, counts_failed, counts_labelled = (
            _first(keys, segment, mask) for mask in (np.ones(shape, bool), failed, labelled)
        )
    cell = np.arange(runs)[:, None] * LOOKS + look_of
    taken = labelled.any(axis=0)
    return Traffic(
        sticky=kind is Kind.STICKY,
        weights=weights,
        requests=np.cumsum(np.bincount(look_of, minlength=LOOKS)),
        drawn=_count(is_candidate, counts, cell, runs),
        failed=_count(is_candidate, counts_failed, cell, runs),
        durations=_histograms(is_candidate, counts, cell, bucket, runs),
        unit_losses=np.where(counts_labelled, wrong_ones, np.nan)[:, taken],
        unit_drawn=is_candidate[:, taken],
        unit_looks=look_of[taken],
    )


def _sizes(kind: Kind) -> NDArray[np.int64]:
    even = np.full(LOOKS, REQUESTS // LOOKS)
    if kind is not Kind.DIURNAL:
        return even
    sizes = np.rint(even * (1 + 0.8 * np.sin(2 * np.pi * np.arange(LOOKS) / 40))).astype(np.int64)
    sizes[-1] += REQUESTS - sizes.sum()
    return sizes


def _conditions(
    kind: Kind, shape: tuple[int, int], look_of: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return the chance of an error, the level of latency and the chance of a wrong answer, of either version."""
    one = np.ones((1, shape[1]))
    if kind is Kind.AUTOCORRELATED:
        noise = rng.standard_normal(shape)
        noise[:, 0] /= np.sqrt(1 - 0.99**2)
        state = lfilter([np.sqrt(1 - 0.99**2)], [1.0, -0.99], noise, axis=1)
        return (
            np.minimum(_ERRORS * np.exp(1.5 * state - 1.125), 0.5),
            np.exp(0.3 * state),
            np.minimum(_WRONG * np.exp(0.7 * state - 0.245), 0.6),
        )
    if kind is Kind.BURSTY:
        begun = np.cumsum(rng.random(shape) < 1 / 2000, axis=1)
        burst = begun - np.concatenate([np.zeros((shape[0], 100), begun.dtype), begun[:, :-100]], axis=1) > 0
        return np.where(burst, 0.5, _ERRORS), np.where(burst, 4.0, 1.0), np.where(burst, 0.3, _WRONG)
    if kind is Kind.DIURNAL:
        tide = np.sin(2 * np.pi * look_of / 40)[None, :]
        return _ERRORS * (1 + 0.9 * tide), np.exp(0.4 * tide), _WRONG * (1 + 0.8 * tide)
    return _ERRORS * one, one, _WRONG * one


def _keys(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    popularity = np.cumsum(1 / (np.arange(_KEYS) + 30))
    return np.searchsorted(popularity / popularity[-1], rng.random(shape)).astype(np.int64)


def _temper(runs: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return what each key is like: (runs, keys) chances of an error, latency levels, chances of a wrong answer."""
    shape = (runs, _KEYS)
    return (
        np.minimum(_ERRORS * np.exp(1.5 * rng.standard_normal(shape) - 1.125), 0.5),
        np.exp(0.3 * rng.standard_normal(shape)),
        np.minimum(_WRONG * np.exp(0.7 * rng.standard_normal(shape) - 0.245), 0.6),
    )


def _first(keys: NDArray[np.int64], segment: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which requests are the first of their key in their segment, among those of ``mask``."""
    first = np.zeros_like(mask)
    where = np.flatnonzero(mask)
    code = ((np.arange(len(keys))[:, None] * len(WEIGHTS) + segment) * _KEYS + keys).ravel()[where]
    first.ravel()[where[np.unique(code, return_index=True)[1]]] = True
    return first


def _buckets(level: Floats) -> NDArray[np.int64]:
    mantissa, exponent = np.frexp(level * _MEDIAN_NS)
    bucket = exponent.astype(np.int64) * 16 + (mantissa * 32).astype(np.int64) - 16
    return np.asarray(np.clip(bucket, FIRST_BUCKET, _LAST_BUCKET - 1) - FIRST_BUCKET)


def _count(
    is_candidate: NDArray[np.bool_], mask: NDArray[np.bool_], cell: NDArray[np.int64], runs: int
) -> NDArray[np.int64]:
    found: list[Any] = [
        np.bincount(cell[mask & (is_candidate == variant)], minlength=runs * LOOKS) for variant in (0, 1)
    ]
    return np.stack(found).reshape(2, runs, LOOKS)


def _histograms(
    is_candidate: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    cell: NDArray[np.int64],
    bucket: NDArray[np.int64],
    runs: int,
) -> NDArray[np.int64]:
    size = len(BUCKETS)
    code = (is_candidate * runs * LOOKS + cell) * size + bucket
    return np.bincount(code[mask], minlength=2 * runs * LOOKS * size).reshape(2, runs, LOOKS, size)
