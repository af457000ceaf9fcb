"""What an action is expected to change, and on what that rests, said before anybody agrees to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from trimtab.core.enums import Verdict
from trimtab.measures.metrics import METRICS, higher_is_better, is_better
from trimtab.monitoring.check import Check
from trimtab.remediation.actions import PredictedImpact
from trimtab.remediation.family import family_of
from trimtab.remediation.kinds import ActionKind, Family
from trimtab.remediation.signals import key_of, worst_by_key

__all__ = [
    "impact_of_changing_limits",
    "impact_of_going_back",
    "impact_of_labelling",
    "impact_of_pausing",
    "impact_of_quarantine",
    "impact_of_reinstating",
    "impact_of_release",
    "impact_of_retraining",
    "impact_on_service",
    "impacts",
    "newest_quality",
    "why_not_known",
]


def newest_quality(checks: Iterable[Check], metric: str | None = None) -> Check | None:
    """Return the model-quality check of the latest window that has a value, of ``metric`` or of any.

    Of one window, a breach comes first. That of a part of the rows (the worst segment) is no measure of the whole, and
    the share of answers that have an outcome is no measure of quality.
    """
    measured = [
        check
        for check in checks
        if check.kind == "model_quality"
        and check.value is not None
        and check.column is None
        and check.detail.get("metric") in METRICS
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


def impact_of_release(
    checks: Sequence[Check], number: int, metrics: Mapping[str, float], metric: str | None = None
) -> PredictedImpact | None:
    """Return what version ``number``, which reached ``metrics`` on its holdout, should do to what is measured now.

    None when what serves is not measured, or the version's value is not known.
    """
    check = newest_quality(checks, metric)
    if check is None or check.value is None:
        return None
    name = str(check.detail["metric"])
    reached = metrics.get(name)
    if reached is None or not math.isfinite(reached):
        return None
    basis = (
        f"version {number} reached {reached:.4g} on its holdout; version {check.model_version} has {check.value:.4g} "
        f"on {check.detail.get('labelled', 'the')} labelled rows of the latest window, which are others"
    )
    return PredictedImpact(name, check.value, reached, higher_is_better(name), basis)


def impact_of_going_back(
    checks: Sequence[Check], earlier: Sequence[Check], metric: str | None = None
) -> PredictedImpact | None:
    """Return what going back should do to what is measured now: ``earlier`` are checks of the version to go back to.

    None when either of both is not measured.
    """
    now = newest_quality(checks, metric)
    before = None if now is None else newest_quality(earlier, str(now.detail["metric"]))
    if now is None or before is None or now.value is None or before.value is None:
        return None
    name = str(now.detail["metric"])
    basis = (
        f"version {before.model_version} had {before.value:.4g} when it served last, on other rows than the "
        f"{now.value:.4g} of version {now.model_version}: what changed since then, it does not know"
    )
    return PredictedImpact(name, now.value, before.value, higher_is_better(name), basis)


def impact_of_reinstating(saves: float, why: str) -> PredictedImpact:
    """Return what a kept version should save in a period, as the ledger of losses says."""
    return PredictedImpact("loss saved in a period", 0.0, saves, True, why)


def impact_on_service(action: ActionKind, checks: Iterable[Check]) -> PredictedImpact | None:
    """Return what ``action`` should do to the latency or the errors that are furthest beyond their limit.

    None where none is beyond, or the action is none of those that serve for it.
    """
    basis = _ON_SERVICE.get(action)
    breached = [
        check
        for check in checks
        if family_of(check) is Family.SERVICE
        and check.verdict is Verdict.BREACH
        and check.value is not None
        and check.threshold
    ]
    if basis is None or not breached:
        return None
    worst = max(breached, key=lambda check: (check.value or 0.0) / (check.threshold or 1.0))
    assert worst.value is not None
    assert worst.threshold is not None
    return PredictedImpact(key_of(worst).label, worst.value, worst.threshold, False, basis)


def impact_of_quarantine(feeds: Sequence[str], rows: int | None) -> PredictedImpact | None:
    """Return how many rows of ``feeds`` would be learnt from: none any more; None where nobody knows how many."""
    if rows is None or not feeds:
        return None
    basis = f"{rows} rows of {', '.join(feeds)} since then lie where trainings read; callers notice nothing"
    return PredictedImpact("rows to learn from", float(rows), 0.0, False, basis)


def impact_of_pausing(endpoint: str, *, resumes: bool = False) -> PredictedImpact:
    """Return what a pause, or its end, does to the share of requests that are answered."""
    now, then = (0.0, 1.0) if resumes else (1.0, 0.0)
    basis = (
        f"{endpoint} {'answers' if resumes else 'refuses'} every request from then on; nothing is recorded meanwhile"
    )
    return PredictedImpact("share of requests answered", now, then, True, basis)


def impact_of_labelling(rows: int) -> PredictedImpact:
    """Return how many rows people are asked to label."""
    basis = "half of them where the model was least sure, half drawn at random; what serves does not change"
    return PredictedImpact("labelled rows", 0.0, float(rows), True, basis)


def impact_of_changing_limits(checks: Iterable[Check]) -> PredictedImpact | None:
    """Return what another limit does to the number of checks in breach; None where nothing breaches."""
    breached = [key for key, check in worst_by_key(checks).items() if check.verdict is Verdict.BREACH]
    if not breached:
        return None
    basis = "a limit decides what is a breach, and nothing else: the model answers as before"
    return PredictedImpact("checks in breach", float(len(breached)), 0.0, False, basis)


def impacts(
    checks: Sequence[Check],
    *,
    endpoint: str,
    metric: str | None = None,
    earlier: Sequence[Check] = (),
    feeds: Sequence[str] = (),
    feed_rows: int | None = None,
    label_rows: int = 200,
) -> dict[ActionKind, PredictedImpact]:
    """Return what each kind of action that a case may lead to is expected to do, of those of which anything is known.

    ``checks`` of the case, ``earlier`` ones of the version that served before.
    """
    found: dict[ActionKind, PredictedImpact | None] = {
        ActionKind.RETRAIN: impact_of_retraining(checks, metric) or impact_of_retraining(checks),
        ActionKind.ROLL_BACK: impact_of_going_back(checks, earlier, metric) or impact_of_going_back(checks, earlier),
        ActionKind.QUARANTINE_FEED: impact_of_quarantine(feeds, feed_rows),
        ActionKind.PAUSE_ENDPOINT: impact_of_pausing(endpoint),
        ActionKind.RESUME_ENDPOINT: impact_of_pausing(endpoint, resumes=True),
        ActionKind.OPEN_LABELLING: impact_of_labelling(label_rows),
        ActionKind.CHANGE_CONFIG: impact_of_changing_limits(checks),
        **{action: impact_on_service(action, checks) for action in _ON_SERVICE},
    }
    return {action: impact for action, impact in found.items() if impact is not None}


def why_not_known(action: ActionKind) -> str | None:
    """Return why nothing could be said of what ``action`` is expected to do; None where there is nothing to expect."""
    return _WHY_NOT_KNOWN.get(action)


_WHY_NOT_KNOWN: Mapping[ActionKind, str] = {
    ActionKind.RETRAIN: "nothing of what serves is measured yet",
    ActionKind.APPROVE_VERSION: "nothing of what serves is measured yet",
    ActionKind.DEPLOY: "nothing of what serves is measured yet",
    ActionKind.ROLL_BACK: "what serves, or the version to go back to, was not measured",
    ActionKind.SCALE: "neither latency nor errors are beyond a limit",
    ActionKind.CLEAR_CACHE: "neither latency nor errors are beyond a limit",
    ActionKind.QUARANTINE_FEED: "how many of its rows lie where trainings read is not counted",
    ActionKind.RELEASE_FEED: "how many of its rows pass is known when they are judged again",
    ActionKind.CHANGE_CONFIG: "nothing is in breach that another limit could change",
}

_ON_SERVICE: Mapping[ActionKind, str] = {
    ActionKind.SCALE: (
        "requests that wait for a worker wait less; what the model itself takes stays: if nobody waits, nothing is won"
    ),
    ActionKind.CLEAR_CACHE: "features are read anew, which helps where old ones were wrong, and is slower for a while",
}
