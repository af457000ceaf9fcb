"""Prediction drift: whether answers are distributed as those to rows that the model had not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.check import Check
from trimtab.monitoring.data_drift import DataDriftMonitor, DataDriftSettings
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PREDICTION, PROBABILITY

__all__ = ["PredictionDriftMonitor", "PredictionDriftSettings"]

_ANSWERS = (PREDICTION, PROBABILITY)
_WITHOUT = "the version was made before references kept its answers: retrain once"


class PredictionDriftSettings(DataDriftSettings):
    """Whether answers, and their probabilities, are distributed as in the reference: P(ŷ)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"method": "ks"}, {"method": "js"}]})

    type: Literal["prediction_drift"] = "prediction_drift"  # type: ignore[assignment]
    columns: tuple[str, ...] = Field(
        default=(), max_length=0, description="Not to be set: answers and their probabilities are judged."
    )


@dataclass(frozen=True, slots=True)
class PredictionDriftMonitor:
    """One check of the answers, one of their probabilities if the model gives any, and the alarm last.

    Judged as `DataDriftMonitor` judges features, jointly, against the answers that folds and holdout were given by a
    fit that had not seen them. It needs no truth, and says nothing about it: answers move with their inputs.
    """

    kind: ClassVar[str] = "prediction_drift"
    settings_type: ClassVar[type[MonitorSettings]] = PredictionDriftSettings

    settings: PredictionDriftSettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each kind of answer, and the overall one last; with the detectors as they stand now."""
        known = data.reference.merged.columns
        names = [name for name in _ANSWERS if name in known]
        if not names:
            return Judged((check_of(self.settings, data, Finding(Verdict.INCONCLUSIVE, f"answers: {_WITHOUT}")),))
        judged = DataDriftMonitor(self.settings).judged(data, names)
        return replace(judged, checks=tuple(_of_answers(check) for check in judged.checks))


def _of_answers(check: Check) -> Check:
    """Return the check in words of answers: inputs are another monitor's."""
    text = check.explanation.replace("the inputs have drifted", "the answers have drifted")
    return replace(check, explanation=text.replace(PREDICTION, "answers").replace(PROBABILITY, "probabilities"))
