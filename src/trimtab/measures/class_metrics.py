"""How good answers are that name a class, and the probabilities that go with them. Without rows all are NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trimtab.core.enums import Task
from trimtab.measures.answers import Answers, Array, mean, ratio
from trimtab.measures.class_codes import class_codes

__all__ = [
    "ClassScore",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "chance_of_truth",
    "class_scores",
    "ece",
    "f1",
    "f1_macro",
    "f1_weighted",
    "log_loss",
    "mcc",
    "precision",
    "recall",
    "roc_auc",
]

_SMALLEST_CHANCE = 1e-15
_BINS = 15


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: how often it was true (``rows``) and answered, and its scores; None where one is undefined."""

    label: str
    rows: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float | None


def class_scores(truth: Array, prediction: Array) -> tuple[ClassScore, ...]:
    """Return a line for each class that occurs, by name.

    >>> first, second = class_scores(np.array(["a", "b", "b"]), np.array(["a", "b", "a"]))
    >>> (first.precision, first.recall), (second.precision, second.recall)
    ((0.5, 1.0), (1.0, 0.5))
    """
    labels, codes = class_codes(
        np.concatenate([np.asarray(truth).astype(np.str_), np.asarray(prediction).astype(np.str_)])
    )
    was, said = codes[: len(truth)], codes[len(truth) :]
    size = len(labels)
    rows, answered = np.bincount(was, minlength=size), np.bincount(said, minlength=size)
    both = np.bincount(was[was == said], minlength=size)
    counts = zip(rows.tolist(), answered.tolist(), both.tolist(), strict=True)
    return tuple(_scored(str(label), *found) for label, found in zip(labels, counts, strict=True))


def calibration_error(happened: Array, chance: Array) -> float:
    """Return the expected calibration error: mean |share that happened − mean chance| over 15 equal bins of chance.

    Bins count by their rows. ``happened`` (n,) booleans, ``chance`` (n,) in 0..1. A probability of 0.8 should come true
    in 80 % of such rows; 0 says that all do so.

    >>> round(calibration_error(np.array([True, False]), np.array([0.9, 0.9])), 3)
    0.4
    """
    if not len(chance) or np.isnan(chance).any():
        return float("nan")
    bins = np.minimum((np.asarray(chance) * _BINS).astype(np.int64), _BINS - 1)
    gap = np.bincount(bins, weights=np.asarray(happened, dtype=np.float64) - chance, minlength=_BINS)
    return float(np.abs(gap).sum() / len(chance))


def accuracy(answers: Answers) -> float:
    """Return the share of rows that are right."""
    return mean(answers.truth == answers.prediction)


def balanced_accuracy(answers: Answers) -> float:
    """Return the mean recall of the classes that are true somewhere."""
    scores = class_scores(answers.truth, answers.prediction)
    return mean(np.array([score.recall for score in scores if score.recall is not None]))


def precision(answers: Answers) -> float:
    """Return the share of answers of the positive class that are right; multi-class: the mean over classes."""
    return _per_class(answers, lambda score: score.precision)


def recall(answers: Answers) -> float:
    """Return the share of the positive class that was found; multi-class: the mean over classes."""
    return _per_class(answers, lambda score: score.recall)


def f1(answers: Answers) -> float:
    """Return the harmonic mean of precision and recall; multi-class: the mean over classes."""
    return _per_class(answers, lambda score: score.f1)


def f1_macro(answers: Answers) -> float:
    """Return the mean F1 over the classes that occur, each counting alike."""
    return mean(np.array([score.f1 or 0.0 for score in class_scores(answers.truth, answers.prediction)]))


def f1_weighted(answers: Answers) -> float:
    """Return the mean F1 over the classes, each counting by its rows."""
    scores = class_scores(answers.truth, answers.prediction)
    return ratio(sum((score.f1 or 0.0) * score.rows for score in scores), len(answers.truth))


def mcc(answers: Answers) -> float:
    """Return Matthews' correlation of truth and prediction, −1..1; 0 where one of them is constant."""
    scores = class_scores(answers.truth, answers.prediction)
    count = len(answers.truth)
    if not count:
        return float("nan")
    right = float((answers.truth == answers.prediction).sum())
    was = np.array([score.rows for score in scores], dtype=np.float64)
    said = np.array([score.answered for score in scores], dtype=np.float64)
    spread = np.sqrt(count**2 - float(was @ was)) * np.sqrt(count**2 - float(said @ said))
    return float((right * count - float(was @ said)) / spread) if spread else 0.0


def roc_auc(answers: Answers) -> float:
    """Return the chance that a row of a class gets a higher probability of it than one of another (ties count half).

    Binary: of the positive class. Multi-class: one against the rest, the mean over classes; NaN without the matrix of
    probabilities, or where no class has both rows and others.
    """
    if answers.task is Task.BINARY:
        if answers.probability is None:
            return float("nan")
        return _auc(answers.truth == answers.positive_class, answers.probability)
    if answers.probabilities is None:
        return float("nan")
    areas = [_auc(answers.truth == name, answers.probabilities[:, place]) for place, name in enumerate(answers.classes)]
    return mean(np.array([area for area in areas if not np.isnan(area)]))


def average_precision(answers: Answers) -> float:
    """Return Σ (recall − recall before) · precision over falling thresholds: the area that rare positives are seen in.

    NaN without a probability or a positive row.
    """
    if answers.probability is None or np.isnan(answers.probability).any():
        return float("nan")
    positive = answers.truth == answers.positive_class
    if not positive.any():
        return float("nan")
    order = np.argsort(-answers.probability, kind="stable")
    # Rows of one probability stand or fall together: only the last of each counts.
    last = np.append(np.diff(answers.probability[order]) != 0, True)
    hits = np.cumsum(positive[order])[last]
    said = np.flatnonzero(last) + 1
    return float(np.sum(np.diff(hits, prepend=0) / positive.sum() * hits / said))


def log_loss(answers: Answers) -> float:
    """Return mean −ln of the probability given to what happened, at least 1e-15; a class unknown to it has none."""
    chance = chance_of_truth(answers)
    return float("nan") if chance is None else mean(-np.log(np.clip(chance, _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE)))


def brier(answers: Answers) -> float:
    """Return the mean squared distance of probabilities from what happened: 0..1 (binary), 0..2 (sum over classes)."""
    if answers.task is Task.BINARY:
        if answers.probability is None:
            return float("nan")
        return mean((answers.probability - (answers.truth == answers.positive_class)) ** 2)
    chance = chance_of_truth(answers)
    if answers.probabilities is None or chance is None:
        return float("nan")
    # Σ(p − y)² = Σp² − 2 p(truth) + 1, also for a truth that is none of the classes.
    return mean((answers.probabilities**2).sum(axis=1) - 2 * chance + 1)


def ece(answers: Answers) -> float:
    """Return `calibration_error` of the positive class (binary), or of the predicted ones (multi-class)."""
    if answers.probability is None:
        return float("nan")
    if answers.task is Task.BINARY:
        return calibration_error(answers.truth == answers.positive_class, answers.probability)
    return calibration_error(answers.truth == answers.prediction, answers.probability)


def _scored(label: str, rows: int, answered: int, both: int) -> ClassScore:
    return ClassScore(
        label, rows, answered, _share(both, answered), _share(both, rows), _share(2 * both, answered + rows)
    )


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _per_class(answers: Answers, score: Callable[[ClassScore], float | None]) -> float:
    """Return the positive class's score (binary), or the unweighted mean over classes, undefined ones as 0 (macro)."""
    if answers.task is Task.BINARY:
        was, said = answers.truth == answers.positive_class, answers.prediction == answers.positive_class
        found = score(_scored(str(answers.positive_class), int(was.sum()), int(said.sum()), int((was & said).sum())))
        return float("nan") if found is None else found
    return mean(np.array([score(one) or 0.0 for one in class_scores(answers.truth, answers.prediction)]))


def _auc(positive: Array, chance: Array) -> float:
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives or np.isnan(chance).any():
        return float("nan")
    _, codes, counts = np.unique(chance, return_inverse=True, return_counts=True)
    mid_ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return float((mid_ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def chance_of_truth(answers: Answers) -> Array | None:
    """Return the probability that was given to what happened, ``(n,)``."""
    if answers.task is Task.BINARY:
        if answers.probability is None:
            return None
        positive = answers.truth == answers.positive_class
        return np.where(positive, answers.probability, 1 - answers.probability)
    if answers.probabilities is None:
        return None
    hit = answers.truth[:, None] == np.array(answers.classes)[None, :]
    return np.asarray((answers.probabilities * hit).sum(axis=1))
