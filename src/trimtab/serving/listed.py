"""A model's answers as plain lists, which is what JSON and the journal take."""

from __future__ import annotations

from typing import Any

from trimtab.bundle.predictor import Predictions

__all__ = ["Listed", "listed", "listed_one"]

Listed = tuple[list[Any], list[float] | None, list[list[float]] | None]
"""Of n rows the answers, their probability, and the probabilities of all classes; None where there is no such thing."""


def listed(predictions: Predictions) -> Listed:
    """Return the answers to n rows."""
    probability, probabilities = predictions.probability, predictions.probabilities
    return (
        predictions.labels.tolist(),
        None if probability is None else probability.tolist(),
        None if probabilities is None else probabilities.tolist(),
    )


def listed_one(answer: tuple[Any, float | None, list[float] | None]) -> Listed:
    """Return the answer to one row."""
    label, probability, probabilities = answer
    return [label], None if probability is None else [probability], None if probabilities is None else [probabilities]
