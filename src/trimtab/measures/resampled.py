"""What a metric would be on other draws of the same blocks of rows: from sums over blocks, however many the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task
from trimtab.measures.answers import Answers
from trimtab.measures.class_codes import class_codes
from trimtab.measures.confusions import CONFUSION_METRICS, metric_of_confusions

__all__ = ["BlockSums", "block_sums", "contiguous_blocks"]

Floats = NDArray[np.float64]
Blocks = NDArray[np.int64]

_LEVELS = 1024
_BINS = 15
_SMALLEST_CHANCE = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class BlockSums:
    """Sums over the rows of each block, ``(B, S)``, and the metric of such sums: ``(R, S)`` → ``(R,)``."""

    sums: Floats
    metric: Callable[[Floats], Floats]

    @property
    def value(self) -> float:
        """The metric of all rows; NaN where it is undefined."""
        return float(self.metric(self.sums.sum(axis=0)[None, :])[0])

    def resampled(self, rng: np.random.Generator, draws: int) -> Floats:
        """Return the metric of ``draws`` bootstrap samples of whole blocks [1], ``(draws,)``; NaN where undefined.

        Deviations from the metric of all rows are widened by √(B / (B − 1)), which small numbers of blocks need.

        [1] H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Ann. Statist. 17
        (1989).
        """
        blocks = len(self.sums)
        times = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws).astype(np.float64)
        value = self.value
        drawn = self.metric(times @ self.sums)
        return np.asarray(value + (drawn - value) * np.sqrt(blocks / max(blocks - 1, 1)), dtype=np.float64)


def contiguous_blocks(rows: int, blocks: int) -> Blocks:
    """Return the block of each row, ``(rows,)``: at most ``blocks`` contiguous ones of nearly equal size.

    >>> contiguous_blocks(5, 2).tolist()
    [0, 0, 0, 1, 1]
    """
    count = max(1, min(blocks, rows))
    return (np.arange(rows, dtype=np.int64) * count) // max(rows, 1)


def block_sums(metric: str, answers: Answers, block_of: Blocks, *, weights: Floats | None = None) -> BlockSums | None:
    """Return the sums that ``metric`` is made of, for each block of rows; ``block_of`` ``(n,)`` numbers blocks from 0.

    ``weights`` ``(n,)`` count a row as so many. None for a metric that these rows cannot give: no probabilities, or
    multi-class and one that needs those of all classes. Ranks (ROC AUC, average precision) and the median are taken on
    1 024 levels of equally many rows: their spread is what is asked, their exact value is `evaluate`'s.

    >>> from trimtab.core.enums import Task
    >>> truth, said = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 3.0, 6.0])
    >>> sums = block_sums("mae", Answers(Task.REGRESSION, truth, said, None, None), contiguous_blocks(4, 2))
    >>> sums.sums.tolist(), sums.value
    ([[1.0, 2.0], [2.0, 2.0]], 0.75)
    """
    if not len(answers.truth):
        return None
    weight = np.ones(len(answers.truth)) if weights is None else weights
    if metric in CONFUSION_METRICS:
        return _of_confusion(metric, answers, block_of, weight)
    if answers.task is Task.REGRESSION:
        return _of_numbers(metric, answers, block_of, weight)
    if answers.probability is None or np.isnan(answers.probability).any():
        return None
    if metric == "ece":
        return _of_calibration(answers, block_of, weight)
    return _of_scores(metric, answers, block_of, weight) if answers.task is Task.BINARY else None


def _summed(block_of: Blocks, *columns: Floats) -> Floats:
    blocks = int(block_of.max()) + 1
    return np.stack([np.bincount(block_of, weights=column, minlength=blocks) for column in columns], axis=1)


def _histogram(block_of: Blocks, level: Blocks, levels: int, weight: Floats) -> Floats:
    blocks = int(block_of.max()) + 1
    found = np.bincount(block_of * levels + level, weights=weight, minlength=blocks * levels)
    return np.asarray(found.reshape(blocks, levels), dtype=np.float64)


def _of_confusion(metric: str, answers: Answers, block_of: Blocks, weight: Floats) -> BlockSums:
    labels, codes = class_codes(np.concatenate([answers.truth, answers.prediction]))
    size, rows = len(labels), len(answers.truth)
    cells = _histogram(block_of, codes[:rows] * size + codes[rows:], size * size, weight)
    positive = None
    if answers.task is Task.BINARY:
        place = np.flatnonzero(labels == answers.positive_class)
        positive = int(place[0]) if len(place) else -1
    return BlockSums(cells, lambda sums: metric_of_confusions(metric, sums.reshape(-1, size, size), positive))


def _of_numbers(metric: str, answers: Answers, block_of: Blocks, weight: Floats) -> BlockSums | None:
    truth, error = answers.truth, np.abs(answers.truth - answers.prediction)
    if metric == "median_absolute_error":
        return _of_median(error, block_of, weight)
    if metric == "r2":
        centred = truth - truth.mean()
        sums = _summed(block_of, weight * error**2, weight * centred, weight * centred**2, weight)
        return BlockSums(sums, _r2)
    above, below = error, np.ones(len(truth))
    if metric == "rmse":
        above = error**2
    elif metric == "mape":
        below = (truth != 0).astype(np.float64)
        above = np.divide(error, np.abs(truth), out=np.zeros_like(error), where=truth != 0)
    elif metric == "smape":
        size = np.abs(truth) + np.abs(answers.prediction)
        above = np.divide(2 * error, size, out=np.zeros_like(error), where=size != 0)
    elif metric == "wape":
        below = np.abs(truth)
    elif metric == "d2_absolute_error":
        below = np.abs(truth - np.median(truth))
    elif metric != "mae":
        return None
    sums = _summed(block_of, weight * above, weight * below)
    finish = {"rmse": _root, "d2_absolute_error": _rest}.get(metric, _ratio)
    return BlockSums(sums, finish)


def _ratio(sums: Floats) -> Floats:
    found = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
    return np.asarray(found, dtype=np.float64)


def _root(sums: Floats) -> Floats:
    return np.asarray(np.sqrt(_ratio(sums)), dtype=np.float64)


def _rest(sums: Floats) -> Floats:
    return 1.0 - _ratio(sums)


def _r2(sums: Floats) -> Floats:
    spread = sums[:, 2] - np.divide(sums[:, 1] ** 2, sums[:, 3], out=np.zeros(len(sums)), where=sums[:, 3] > 0)
    return _rest(np.stack([sums[:, 0], spread], axis=1))


def _levels(values: Floats) -> tuple[Blocks, Floats]:
    """Return the level of each value, at most 1 024 ascending ones, and each level's greatest value."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _LEVELS + 1)[1:], method="higher"))
    return np.searchsorted(edges, values, side="left"), edges


def _of_median(error: Floats, block_of: Blocks, weight: Floats) -> BlockSums | None:
    if np.isnan(error).any():
        return None
    level, edges = _levels(error)

    def median(sums: Floats) -> Floats:
        total = np.cumsum(sums, axis=1)
        return np.asarray(edges[np.argmax(total >= total[:, -1:] / 2, axis=1)], dtype=np.float64)

    return BlockSums(_histogram(block_of, level, len(edges), weight), median)


def _of_calibration(answers: Answers, block_of: Blocks, weight: Floats) -> BlockSums:
    chance = np.asarray(answers.probability)
    right = answers.positive_class if answers.task is Task.BINARY else answers.prediction
    gap = (answers.truth == right) - chance
    bins = np.clip((chance * _BINS).astype(np.int64), 0, _BINS - 1)
    gaps = _histogram(block_of, bins, _BINS, weight * gap)
    sums = np.concatenate([gaps, _summed(block_of, weight)], axis=1)
    return BlockSums(sums, lambda drawn: np.abs(drawn[:, :-1]).sum(axis=1) / drawn[:, -1])


def _of_scores(metric: str, answers: Answers, block_of: Blocks, weight: Floats) -> BlockSums | None:
    chance, happened = np.asarray(answers.probability), answers.truth == answers.positive_class
    if metric == "log_loss":
        given = np.clip(np.where(happened, chance, 1 - chance), _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE)
        return BlockSums(_summed(block_of, weight * -np.log(given), weight), _ratio)
    if metric == "brier":
        return BlockSums(_summed(block_of, weight * (chance - happened) ** 2, weight), _ratio)
    if metric not in {"roc_auc", "average_precision"}:
        return None
    level, edges = _levels(chance)
    counts = [_histogram(block_of, level, len(edges), weight * part) for part in (happened, ~happened)]
    finish = _auc if metric == "roc_auc" else _average_precision
    return BlockSums(np.concatenate(counts, axis=1), finish)


def _auc(sums: Floats) -> Floats:
    positive, negative = np.split(sums, 2, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return _ratio(np.stack([(positive * below).sum(axis=1), pairs], axis=1))


def _average_precision(sums: Floats) -> Floats:
    positive, negative = (part[:, ::-1] for part in np.split(sums, 2, axis=1))
    hits = np.cumsum(positive, axis=1)
    said = hits + np.cumsum(negative, axis=1)
    precision = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
    return _ratio(np.stack([(positive * precision).sum(axis=1), positive.sum(axis=1)], axis=1))
