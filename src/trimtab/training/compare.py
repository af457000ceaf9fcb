"""The candidate against the current version, on the same recent labelled rows that neither learnt from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.bundle.predictor import Predictions, Predictor
from trimtab.measures.metrics import evaluate, higher_is_better, row_losses
from trimtab.measures.paired import paired_gain
from trimtab.training.evaluate import finite
from trimtab.training.problem import Problem
from trimtab.training.request import Comparison

__all__ = ["compare"]

_BLOCKS = 30


def compare(
    candidate: Predictor,
    current_folder: Path,
    current_digest: str | None,
    table: pa.Table,
    truth: NDArray[Any],
    problem: Problem,
    rng: np.random.Generator,
) -> Comparison:
    """Answer the rows with both bundles and compare.

    ``table`` is in order of time, ``truth`` (n,) holds class names or values.

    Raises:
        TrimtabError: the current bundle is not there or not trusted, or the rows lack what a version needs.
    """
    current = Predictor.load(current_folder, expected_digest=current_digest)
    new = candidate.predict(candidate.encoder.encode_table(table))
    old = current.predict(current.encoder.encode_table(table))
    # The versions may know different classes: each is judged by its own.
    new_metrics = _metrics(problem, truth, new, candidate.manifest.classes)
    old_metrics = _metrics(problem, truth, old, current.manifest.classes)
    gain = None
    if problem.primary in new_metrics and problem.primary in old_metrics:
        sign = 1.0 if higher_is_better(problem.primary) else -1.0
        gain = sign * (new_metrics[problem.primary] - old_metrics[problem.primary])
    losses = [
        row_losses(problem.task, truth, answer.labels, answer.probability, problem.positive_class)
        for answer in (old, new)
    ]
    paired = paired_gain(losses[0], losses[1], blocks=_BLOCKS, rng=rng)
    return Comparison(
        rows=table.num_rows,
        metric=problem.primary,
        candidate=new_metrics,
        current=old_metrics,
        gain=gain,
        loss_candidate=float(np.mean(losses[1])),
        loss_current=float(np.mean(losses[0])),
        loss_gain=paired.mean,
        loss_gain_low=paired.lower if math.isfinite(paired.lower) else None,
        loss_gain_high=paired.upper if math.isfinite(paired.upper) else None,
        current_digest=current.manifest.digest,
    )


def _metrics(problem: Problem, truth: NDArray[Any], answer: Predictions, classes: tuple[str, ...]) -> dict[str, float]:
    values = evaluate(
        problem.task,
        problem.metrics,
        truth,
        answer.labels,
        answer.probability,
        positive_class=problem.positive_class,
        probabilities=answer.probabilities,
        classes=classes,
    )
    return finite(values)
