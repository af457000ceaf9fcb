"""Versions: fitted and asked only when a rule wants them, then remembered for all rules and phases."""

from __future__ import annotations

from typing import Any

import numpy as np
from bench.triggers.streams import Stream
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray
from xgboost import XGBClassifier, XGBRegressor

from trimtab.retraining.ledger import PeriodLoss, block_sums, spread
from trimtab.retraining.twins import Rows, twins
from trimtab.retraining.weeks import periods_in_a_week

__all__ = ["LEARNERS", "Versions"]

LEARNERS = ("lightgbm", "lightgbm-small", "xgboost")
_AHEAD, _BLOCKS, _LOOK_BACK, _LEANT_ON = 13, 7, 2, 3
_LEAST_CHANCE = 1e-4
_ONE_SIDED_95 = 1.645

Floats = NDArray[np.float64]


class Versions:
    """The versions of one learner on one stream; a version is named by the chunk that it was fitted before.

    ``fits`` counts what was fitted here, for whichever rule; a rule's own fits are counted where it is played.
    """

    def __init__(self, stream: Stream, learner: str, seed: int) -> None:
        self.stream = stream
        self.learner = learner
        self.seed = seed
        self.fits = 0
        self._fitted: dict[int, Any] = {}
        self._answers: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._losses: dict[tuple[int, int], PeriodLoss] = {}
        self._twins: dict[tuple[int, int], dict[str, PeriodLoss]] = {}
        self._hardness: dict[int, float] = {}

    def loss(self, version: int, chunk: int) -> PeriodLoss:
        """Return what a version loses on a chunk."""
        key = version, chunk
        if key not in self._losses:
            self._losses[key] = self._period(self._answer(version, chunk), chunk)
        return self._losses[key]

    def twin_losses(self, version: int, chunk: int) -> dict[str, PeriodLoss]:
        """Return what its twins lose, which have seen the two chunks before."""
        key = version, chunk
        if key not in self._twins:
            first = max(version, chunk - max(_LOOK_BACK, periods_in_a_week(self.stream.period_us)))
            past = self._rows(version, first, chunk)
            now = self._rows(version, chunk, chunk + 1)
            self._twins[key] = {name: self._period(answers, chunk) for name, answers in twins(past, now)}
        return self._twins[key]

    def skill(self, version: int, first: int, last: int) -> tuple[float, float]:
        """Return the share of the median's absolute error that a version spares on chunks ``first`` … ``last``.

        That is ``d2_absolute_error``, and from where on it lies with 95 %, by the chunks' blocks.
        """
        rows = self.stream.rows(first, last + 1)
        truth = self.stream.target[rows]
        answers = np.concatenate([self._answer(version, chunk) for chunk in range(first, last + 1)])
        places = np.arange(len(truth)) * _BLOCKS * (last + 1 - first) // len(truth)
        lost, ignorant = (
            np.bincount(places, np.abs(truth - guess)) for guess in (answers, np.full(len(truth), np.median(truth)))
        )
        share = lost.sum() / max(ignorant.sum(), 1e-12)
        error = spread(lost - share * ignorant) / max(ignorant.sum(), 1e-12)
        return 1 - share, 1 - share + _ONE_SIDED_95 * error

    def _rows(self, version: int, first: int, last: int) -> Rows:
        answers = [self._answer(version, chunk) for chunk in range(first, last)]
        rows = self.stream.rows(first, last)
        found = np.concatenate(answers) if answers else self._answer(version, first)[:0]
        columns = {str(place): self.stream.features[rows, place].astype(float) for place in self._leant_on(version)}
        return Rows(found, self.stream.target[rows][: len(found)], columns)

    def _leant_on(self, version: int) -> list[int]:
        """Return the three most important features."""
        order = np.argsort(-self._fit(version).feature_importances_, kind="stable")
        return [int(place) for place in order[:_LEANT_ON]]

    def _answer(self, version: int, chunk: int) -> Floats:
        if (version, chunk) not in self._answers:
            fitted, stream = self._fit(version), self.stream
            last = min(stream.chunks, chunk + _AHEAD)
            features = stream.features[stream.rows(chunk, last)]
            found = fitted.predict_proba(features) if stream.classes else fitted.predict(features)
            for one in range(chunk, last):
                rows, offset = stream.rows(one), stream.rows(chunk).start
                self._answers[version, one] = found[rows.start - offset : rows.stop - offset].astype(np.float32)
        return self._answers[version, chunk].astype(np.float64)

    def _fit(self, version: int) -> Any:
        if version not in self._fitted:
            first = 0 if self.stream.learns_all else max(0, version - self.stream.window)
            rows = self.stream.rows(first, version)
            estimator = _estimator(self.learner, self.seed, classes=self.stream.classes)
            self._fitted[version] = estimator.fit(self.stream.features[rows], self.stream.target[rows])
            self.fits += 1
        return self._fitted[version]

    def _period(self, answers: Floats, chunk: int) -> PeriodLoss:
        truth = self.stream.target[self.stream.rows(chunk)]
        losses = _losses(answers, truth)
        places = np.arange(len(truth), dtype=np.int64)
        sums = block_sums(losses, places, start_us=0, end_us=len(truth), blocks=_BLOCKS)
        start_us, end_us = self.stream.moment(chunk), self.stream.moment(chunk + 1)
        return PeriodLoss(start_us, end_us, len(truth), tuple(sums.tolist()), self._hard(chunk))

    def _hard(self, chunk: int) -> float:
        if chunk not in self._hardness:
            truth = self.stream.target[self.stream.rows(chunk)]
            if self.stream.classes:
                share = float(np.clip(truth.mean(), 1e-3, 1 - 1e-3))
                constant = np.tile([1 - share, share], (len(truth), 1))
            else:
                constant = np.full(len(truth), np.median(truth))
            self._hardness[chunk] = float(_losses(constant, truth).sum())
        return self._hardness[chunk]


def _losses(answers: Floats, truth: Floats) -> Floats:
    if answers.ndim == 1:
        return np.abs(answers - truth)
    chance = answers[np.arange(len(truth)), truth.astype(np.intp)]
    return np.asarray(-np.log(np.clip(chance, _LEAST_CHANCE, 1)), dtype=np.float64)


def _estimator(learner: str, seed: int, *, classes: bool) -> Any:
    if learner == "xgboost":
        return (XGBClassifier if classes else XGBRegressor)(n_jobs=1, subsample=0.8, random_state=seed)
    kind = LGBMClassifier if classes else LGBMRegressor
    if learner == "lightgbm":
        return kind(n_jobs=1, verbose=-1, random_state=seed)
    return kind(
        n_estimators=60,
        num_leaves=15,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        n_jobs=1,
        verbose=-1,
        random_state=seed,
    )
