"""Which candidate wins, and whether it may be registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.measures.metrics import higher_is_better
from trimtab.training.problem import Problem
from trimtab.training.request import GateResult
from trimtab.training.settings import Algorithm, CandidateSettings, Gate, Range
from trimtab.training.tune import Outcome

__all__ = ["bounded", "check_gates", "ranked"]

_MOST_TREES = 6_000
_MANY_CLASSES = 20


def bounded(candidate: CandidateSettings, problem: Problem) -> CandidateSettings:
    """Return the candidate with fewer trees for many classes, so that the graph stays small; what is named stays.

    Boosting grows a tree a class and round, of which there are at most 6 000 in all; the leaves of a forest hold a
    number a class, so above 20 classes its trees are few and shallow.
    """
    classes = len(problem.classes)
    smaller: dict[str, Range] = {}
    if candidate.type in {Algorithm.XGBOOST, Algorithm.LIGHTGBM} and 250 * classes > _MOST_TREES:
        most = max(10, _MOST_TREES // classes)
        smaller["n_estimators"] = Range(low=min(20, most), high=most)
    elif candidate.type is Algorithm.RANDOM_FOREST and classes > _MANY_CLASSES:
        smaller = {"n_estimators": Range(low=20, high=60, step=20), "max_depth": Range(low=4, high=9)}
    return candidate.model_copy(update={"space": smaller | dict(candidate.space)})


def ranked(outcomes: Sequence[Outcome], primary: str) -> list[Outcome]:
    """Return the candidates, best first, by the primary metric of their best trial on the validation rows.

    The held-out rows take no part in the choice, so that they judge the winner without bias. Ties go to the candidate
    that is named first.
    """
    sign = -1.0 if higher_is_better(primary) else 1.0
    return sorted(outcomes, key=lambda outcome: sign * outcome.best.metrics[primary])


def check_gates(gates: Mapping[str, Gate], metrics: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Return each gate's result on the held-out metrics; a metric that is undefined there does not pass.

    >>> [gate.passed for gate in check_gates({"f1": Gate(min=0.7), "mae": Gate(max=3)}, {"f1": 0.7})]
    [True, False]
    """
    return tuple(_check(name, gate, metrics.get(name)) for name, gate in gates.items())


def _check(name: str, gate: Gate, value: float | None) -> GateResult:
    if gate.min is not None:
        return GateResult(
            metric=name, value=value, limit=f"min {gate.min:g}", passed=value is not None and value >= gate.min
        )
    assert gate.max is not None
    return GateResult(
        metric=name, value=value, limit=f"max {gate.max:g}", passed=value is not None and value <= gate.max
    )
