"""What each single condition answers: from checks, and from what came since the last training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, timedelta

from trimtab.config.cron import moment_after
from trimtab.config.durations import format_duration
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.retraining.facts import Explanation, Facts
from trimtab.retraining.gain import Advice
from trimtab.retraining.leaves import DriftLeaf, PerformanceLeaf

__all__ = ["answer_age", "answer_drift", "answer_gain", "answer_new", "answer_performance", "answer_schedule"]

_DRIFTS = ("data_drift", "plain_drift")
_QUALITY = "model_quality"
_ESTIMATE = "estimated_quality"
_NAMED = 5


def answer_drift(leaf: DriftLeaf, facts: Facts) -> Explanation:
    """Return whether the inputs have moved in the newest window of a drift monitor; each monitor speaks for itself."""
    checks = [check for check in facts.checks if _is_meant(check, leaf.monitor, _DRIFTS)]
    if not checks:
        who = "no drift monitor" if leaf.monitor is None else f"monitor {leaf.monitor!r}"
        return Explanation("drift", None, f"{who} has judged the version that serves", None, leaf.limit)
    return _clearest([_drift_of(leaf, name, mine) for name, mine in _voices(checks).items()])


def _is_meant(check: Check, monitor: str | None, kinds: Sequence[str]) -> bool:
    return check.kind in kinds if monitor is None else check.monitor == monitor


def _voices(checks: Sequence[Check]) -> dict[str, list[Check]]:
    """Return the checks by who speaks, in order: a monitor, and where it looks at several variants, at which."""
    variants: dict[str, set[str]] = {}
    for check in checks:
        variants.setdefault(check.monitor, set()).add(check.variant)
    found: dict[str, list[Check]] = {}
    for check in sorted(checks, key=lambda check: (check.monitor, check.variant)):
        several = len(variants[check.monitor]) > 1
        found.setdefault(f"{check.monitor} of {check.variant}" if several else check.monitor, []).append(check)
    return found


def _clearest(answers: Sequence[Explanation]) -> Explanation:
    """Return the first answer that holds, else the first that could be judged, else the first."""
    rank = {True: 0, False: 1, None: 2}
    return min(answers, key=lambda answer: rank[answer.held])


def _drift_of(leaf: DriftLeaf, who: str, checks: Sequence[Check]) -> Explanation:
    end_us = max(check.window.end_us for check in checks)
    newest = [check for check in checks if check.window.end_us == end_us]
    overall = next((check for check in newest if check.column is None), None)
    if leaf.p_value is not None:
        return _by_p_value(leaf, leaf.p_value, who, overall, end_us)
    judged = [check for check in newest if check.column is not None and check.verdict is not Verdict.INCONCLUSIVE]
    if not judged:
        why = _reason(who, overall, "no column could be judged")
        return Explanation("drift", None, why, None, leaf.limit, as_of_us=end_us)
    columns = {check.column for check in judged}
    moved = sorted({str(check.column) for check in judged if check.verdict is Verdict.BREACH})
    share = len(moved) / len(columns)
    which = f" ({', '.join(moved[:_NAMED])}{', …' if len(moved) > _NAMED else ''})" if moved else ""
    why = f"{who}: {len(moved)} of {len(columns)} columns drifted{which}, limit {leaf.limit}"
    held = bool(moved) if leaf.min_share is None else share >= leaf.min_share
    return Explanation("drift", held, why, f"{share:.0%}", leaf.limit, as_of_us=end_us)


def _by_p_value(leaf: DriftLeaf, limit: float, who: str, overall: Check | None, end_us: int) -> Explanation:
    p = None if overall is None or overall.verdict is Verdict.INCONCLUSIVE else overall.detail.get("p_value")
    if p is None:
        why = _reason(who, overall, "there is no p-value of the window")
        return Explanation("drift", None, why, None, leaf.limit, as_of_us=end_us)
    why = f"{who}: p {p:.2g} over all columns, limit {limit:g}"
    return Explanation("drift", bool(p < limit), why, f"p {p:.2g}", leaf.limit, as_of_us=end_us)


def _reason(who: str, overall: Check | None, otherwise: str) -> str:
    """Return why the monitor could not tell: in its own words where it has said so."""
    if overall is not None and overall.verdict is Verdict.INCONCLUSIVE:
        return f"{who}: {overall.explanation}"
    return f"{who}: {otherwise}"


def answer_performance(leaf: PerformanceLeaf, facts: Facts) -> Explanation:
    """Return whether the metric lies beyond its limit in a monitor's newest window; each monitor speaks for itself."""
    meant = [check for check in facts.checks if check.column is None and _is_meant(check, leaf.monitor, (_QUALITY,))]
    # An old window that was judged again says nothing of now, even where nothing else has labels.
    asked = [check for check in meant if not check.is_late]
    if not asked:
        why = f"{leaf.metric} is not known: {_asked_monitor(leaf)} has judged no window yet that counts here"
        return Explanation("performance", None, why, None, leaf.limit)
    voices = _voices(asked)
    answers = [_quality_of(leaf, mine) for mine in voices.values()]
    if len(voices) > 1:
        named = zip(voices, answers, strict=True)
        answers = [dataclasses.replace(answer, why=f"{who}: {answer.why}") for who, answer in named]
    return _clearest(answers)


def _asked_monitor(leaf: PerformanceLeaf) -> str:
    return "the model_quality monitor" if leaf.monitor is None else f"monitor {leaf.monitor!r}"


def _quality_of(leaf: PerformanceLeaf, checks: Sequence[Check]) -> Explanation:
    """Return what one monitor says of the newest window whose rows could tell."""
    limit = leaf.limit
    told = [check for check in checks if check.detail.get("metric") == leaf.metric and check.value is not None]
    latest = max(told, key=lambda check: check.window.end_us, default=None)
    if latest is None:
        return Explanation("performance", None, f"{leaf.metric} is not known: {_lacking(leaf, checks)}", None, limit)
    value, end_us = float(latest.value or 0.0), latest.window.end_us
    beyond = leaf.beyond(value)
    why = f"{leaf.metric} {value:.4g} is {'' if beyond else 'not '}{limit}"
    doubt = _doubt(leaf, latest, beyond=beyond)
    if doubt is not None:
        return Explanation("performance", None, f"{why}; {doubt}", f"{value:.4g}", limit, as_of_us=end_us)
    return Explanation("performance", beyond, why, f"{value:.4g}", limit, as_of_us=end_us)


def _lacking(leaf: PerformanceLeaf, checks: Sequence[Check]) -> str:
    """Return why there is no value: what the newest window lacks, or that nobody looks at the metric."""
    fitting = [check for check in checks if check.detail.get("metric") in {None, leaf.metric}]
    newest = max(fitting, key=lambda check: check.window.end_us, default=None)
    if newest is not None:
        return newest.explanation
    return f"{_asked_monitor(leaf)} has not measured it; is it among the metrics of model.yaml?"


def _doubt(leaf: PerformanceLeaf, check: Check, *, beyond: bool) -> str | None:
    """Return why nothing can be concluded from a value that was measured, None where something can."""
    if check.detail.get("too_selective"):
        return "labels are too selective to conclude from"
    if check.kind == _ESTIMATE and check.verdict is Verdict.INCONCLUSIVE:
        return f"it is an estimate that nothing can be concluded from: {check.explanation}"
    if not (leaf.surely and beyond):
        return None
    nearest = check.detail.get("low" if leaf.side == "above" else "high")
    if nearest is None:
        return "how sure that is was not measured"
    return None if leaf.beyond(nearest) else f"perhaps by chance: 95 % of resamples lie {leaf.side} {nearest:.4g}"


def answer_schedule(cron: str, facts: Facts) -> Explanation:
    """Return whether a moment of ``cron`` has passed since a training was last asked for."""
    last = facts.last_asked
    if last is None:
        return Explanation("schedule", None, "when it was last trained is not known", None, cron)
    due = moment_after(cron, last)
    if due is None:
        return Explanation("schedule", False, f"{cron!r} has no moment after the last training", None, cron)
    held = due <= facts.now
    moment = due.astimezone(UTC).isoformat(timespec="minutes")
    return Explanation("schedule", held, f"{cron!r} {'was' if held else 'is'} due at {moment}", moment, cron)


def answer_new(name: str, found: int | None, at_least: int) -> Explanation:
    """Return whether enough rows (``new_rows``) or outcomes (``new_labels``) came since the last training."""
    what = name.replace("_", " ")
    if found is None:
        return Explanation(name, None, f"the number of {what} is not known", None, str(at_least))
    return Explanation(name, found >= at_least, f"{found} {what}, {at_least} needed", str(found), str(at_least))


def answer_age(longer_than: timedelta, facts: Facts) -> Explanation:
    """Return whether the last training was longer ago."""
    trained, limit = facts.trained, format_duration(longer_than)
    if trained is None:
        return Explanation("age", None, "when it was last trained is not known", None, limit)
    age = max(facts.now - trained, timedelta(0))
    finest = timedelta(minutes=1) if age >= timedelta(days=1) else timedelta(seconds=1)
    text = format_duration(age // finest * finest)
    return Explanation("age", age > longer_than, f"trained {text} ago, limit {limit}", text, limit)


def answer_gain(over_cost: float, facts: Facts) -> Explanation:
    """Return whether staleness has cost ``over_cost`` times what a training does, or a probe's excess as much."""
    reading, limit = facts.gain, f"{over_cost:g} times the cost"
    if reading is None or reading.advice is Advice.UNKNOWN:
        why = "what a retraining would gain is not known" if reading is None else reading.why
        return Explanation("gain", None, why, None, limit)
    is_stale, is_probe = reading.over_cost > over_cost, reading.probe > over_cost
    name = "probe" if is_probe and not is_stale else "gain"
    value = f"{reading.over_cost:.3g} times the cost"
    return Explanation(name, is_stale or is_probe, reading.why, value, limit, as_of_us=reading.as_of_us)
