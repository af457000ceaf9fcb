"""What an action is expected to change, said before anybody agrees to it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from trimtab.core.enums import Verdict
from trimtab.measures.metrics import higher_is_better, is_better
from trimtab.monitoring.check import Check
from trimtab.remediation.actions import PredictedImpact

__all__ = ["impact_of_retraining", "newest_quality"]


def newest_quality(checks: Iterable[Check], metric: str | None = None) -> Check | None:
    """Return the model-quality check of the latest window that has a value, of ``metric`` or of any.

    Of one window, a breach comes first.
    """
    measured = [
        check
        for check in checks
        if check.kind == "model_quality"
        and check.value is not None
        and "metric" in check.detail
        and metric in {None, check.detail["metric"]}
    ]
    return max(measured, key=lambda one: (one.window.end_us, one.verdict is Verdict.BREACH), default=None)


def impact_of_retraining(checks: Iterable[Check], metric: str | None = None) -> PredictedImpact | None:
    """Return what retraining should do to ``metric``: bring it back to what the version reached on its holdout.

    None when nothing is known of it: no labelled window, no value on the holdout.
    """
    check = newest_quality(checks, metric)
    if check is None or check.value is None:
        return None
    name, baseline = str(check.detail["metric"]), check.detail.get("baseline")
    if not isinstance(baseline, int | float) or not math.isfinite(baseline):
        return None
    labelled = check.detail.get("labelled", "the")
    gain = is_better(name, float(baseline), check.value)
    basis = (
        f"version {check.model_version} reached {baseline:.4g} on its holdout and {check.value:.4g} on {labelled} "
        "labelled rows of the latest window; a version that has learnt from them should be back there"
        if gain
        else f"version {check.model_version} is no worse on the latest window than on its holdout: no gain is expected"
    )
    expected = float(baseline) if gain else check.value
    return PredictedImpact(name, check.value, expected, higher_is_better(name), basis)
