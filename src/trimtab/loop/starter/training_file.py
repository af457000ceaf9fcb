"""Writes a proposal's ``training_config.yaml``: split, candidates, gates, sized to the table."""

from __future__ import annotations

from trimtab.core.enums import ColumnKind, Task
from trimtab.loop.starter.wishes import Plan
from trimtab.loop.starter.wording import comment, thousands

__all__ = ["training_file"]

_FEW_ROWS, _SOME_ROWS, _MANY_ROWS = 2_000, 20_000, 100_000
_MANY_CLASSES = 10
_RARE = 0.4


def training_file(plan: Plan) -> str:
    """Return the content of ``training_config.yaml``."""
    lines = [*_split(plan), *_search(plan), *_classes(plan), *_target(plan), *_gates(plan)]
    return "\n".join(lines) + "\n"


def _split(plan: Plan) -> list[str]:
    if plan.wishes.time is not None:
        split = [
            "split: {type: time, test_share: 0.2}  # judged on the latest fifth, as it will be used; then fitted on all"
        ]
        lookback = ["lookback: null  # all: trees tell old rows from new by the days elapsed; 365d, where they mislead"]
    else:
        what = "of each class alike" if plan.task.is_classification else "at random"
        split = [f"split: {{type: stratified, test_share: 0.2}}  # a fifth is held out, {what}"]
        lookback = []
    folds = 5 if plan.rows < _FEW_ROWS else 3
    if plan.rows < _SOME_ROWS:
        why = f"{thousands(plan.rows)} rows are few: each trial is scored on {folds} parts"
        return [*split, f"cross_validation: {{folds: {folds}}}  # {why}", *lookback]
    return [*split, f"cross_validation: null  # one cut is enough for {thousands(plan.rows)} rows", *lookback]


def _search(plan: Plan) -> list[str]:
    simple = "logistic_regression" if plan.task.is_classification else "ridge"
    wide = len(plan.features) > 200 or len(plan.classes) > _MANY_CLASSES or plan.rows > _MANY_ROWS
    lines = [
        f"trials: {3 if wide else 8 if plan.rows < _FEW_ROWS else 5}  # of each candidate",
        "candidates:  # all are tried; the best in validation wins, and the held-out rows judge it",
        f"  - type: {simple}  # the plain one: what the others must beat",
    ]
    if any(plan.findings[name].column.type is ColumnKind.TEXT for name in plan.features):
        # A text is two thousand columns of nearly nothing but zeros, which only these two take as such.
        lines.append("  - type: lightgbm  # and no other: of texts, these two learn best and fast")
        return [*lines, *_objective(plan)]
    if plan.rows < _SOME_ROWS and not wide:
        lines.append("  - type: random_forest")
    return [*lines, "  - type: lightgbm", *_objective(plan), "  - type: xgboost"]


def _objective(plan: Plan) -> list[str]:
    """Return what makes the candidate above learn the middle of a target whose few huge values would pull the mean."""
    if not plan.heavy_tailed:
        return []
    return ["    space: {objective: {choices: [regression_l1]}}  # a few huge values: learn the median, not the mean"]


def _classes(plan: Plan) -> list[str]:
    if not plan.classes:
        return []
    shares = ", ".join(f"{name} {count / plan.rows:.1%}" for name, count in plan.classes[:5])
    lines = [f"class_balance: auto  {comment(f'{shares}; rare classes weigh more where one has less than a tenth')}"]
    if plan.task is Task.BINARY:
        rare = plan.rarest_share < _RARE
        value = "auto" if rare else "0.5"
        lines.append(
            f"decision_threshold: {value}  # probability from which it is {plan.positive_class!r}; auto: of the best F1"
        )
    return lines


def _target(plan: Plan) -> list[str]:
    if plan.task is not Task.REGRESSION:
        return []
    if plan.skewed:
        return [
            "target_transform: log1p  # most values are small and a few are huge: errors count by factors, not amounts"
        ]
    return ["target_transform: none  # log1p, where the target grows by factors"]


def _gates(plan: Plan) -> list[str]:
    baseline = plan.baseline
    bound = f"{'min' if baseline.is_floor else 'max'}: {baseline.bound:g}"
    return [
        "gates:  # a version that misses one on the held-out rows is not registered; raise them to what you need",
        f"  {baseline.metric}: {{{bound}}}  {comment(baseline.sentence)}",
    ]
