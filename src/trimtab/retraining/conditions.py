"""Whether a condition holds, with a tree that explains it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from trimtab.config.durations import format_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.retraining.settings import (
    AgeCondition,
    AllCondition,
    AnyCondition,
    Condition,
    DriftCondition,
    NewLabelsCondition,
    NotCondition,
    PerformanceCondition,
    RetrainConfig,
    ScheduleCondition,
)

__all__ = ["Explanation", "Facts", "Firing", "consider", "evaluate"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions are asked about.

    ``trained_us`` is when the version that serves was trained, ``last_retrain_us`` when a retraining was last asked
    for, ``new_labels`` how many true outcomes came since training; None where it is not known.
    """

    checks: Sequence[Check]
    now: datetime
    trained_us: int | None = None
    last_retrain_us: int | None = None
    new_labels: int | None = None

    @property
    def last_training(self) -> datetime | None:
        """The later of training and retraining."""
        known = [moment for moment in (self.trained_us, self.last_retrain_us) if moment is not None]
        return from_micros(max(known)) if known else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether one condition holds, and why. ``held`` is None when it cannot be said; that never fires.

    ``value`` and ``limit`` are what was compared, in words.
    """

    name: str
    held: bool | None
    why: str
    value: str | None = None
    limit: str | None = None
    children: tuple[Explanation, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the tree as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: JsonObject) -> Explanation:
        """Return the tree that `to_json` wrote."""
        children = tuple(Explanation.from_json(child) for child in content["children"])
        return Explanation(**{**content, "children": children})

    def lines(self, depth: int = 0) -> list[str]:
        """Return the tree as indented lines, for people.

        >>> Explanation("age", True, "trained 40d ago, limit 30d").lines()
        ['yes  age: trained 40d ago, limit 30d']
        """
        answer = {True: "yes", False: "no ", None: "?  "}[self.held]
        own = f"{'  ' * depth}{answer}  {self.name}: {self.why}"
        return [own, *(line for child in self.children for line in child.lines(depth + 1))]


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a model's condition was evaluated: whether it asks for a retraining (``fired``), and why (not)."""

    model: str
    at: datetime
    fired: bool
    reason: str
    explanation: Explanation


def consider(config: RetrainConfig, facts: Facts, model: str) -> Firing:
    """Evaluate the model's condition; within the cool-down after a retraining it does not fire though it holds."""
    explanation = evaluate(config.when, facts)
    if explanation.held is not True:
        return Firing(model, facts.now, False, explanation.why, explanation)
    if facts.last_retrain_us is not None:
        left = from_micros(facts.last_retrain_us) + config.cooldown - facts.now
        if left > timedelta(0):
            reason = f"{explanation.why}; but retraining cools down for another {format_duration(left)}"
            return Firing(model, facts.now, False, reason, explanation)
    return Firing(model, facts.now, True, explanation.why, explanation)


def evaluate(condition: Condition, facts: Facts) -> Explanation:
    """Return whether the condition holds, with its reasons.

    Logic is Kleene's: what cannot be said (no labels, too few rows) stays open through ``not``, and is overruled only
    by a False in ``all`` or a True in ``any``.
    """
    match condition:
        case AllCondition():
            return _combined("all", tuple(evaluate(child, facts) for child in condition.all), decisive=False)
        case AnyCondition():
            return _combined("any", tuple(evaluate(child, facts) for child in condition.any), decisive=True)
        case NotCondition():
            child = evaluate(condition.negated, facts)
            return Explanation("not", None if child.held is None else not child.held, child.why, children=(child,))
        case DriftCondition():
            return _drift(condition.drift.min_share, facts)
        case PerformanceCondition():
            return _performance(condition, facts)
        case ScheduleCondition():
            return _schedule(condition.schedule.cron, facts)
        case NewLabelsCondition():
            return _new_labels(condition.new_labels.at_least, facts)
        case AgeCondition():
            return _age(condition.age.longer_than, facts)


def _combined(name: str, children: tuple[Explanation, ...], *, decisive: bool) -> Explanation:
    answers = {child.held for child in children}
    held = decisive if decisive in answers else None if None in answers else not decisive
    telling = [child for child in children if child.held is held]
    return Explanation(name, held, "; ".join(child.why for child in telling), children=children)


def _drift(min_share: float, facts: Facts) -> Explanation:
    drift = [check for check in facts.checks if check.kind == "data_drift" and check.column is not None]
    latest_us = max((check.window.end_us for check in drift), default=0)
    judged = [one for one in drift if one.window.end_us == latest_us and one.verdict is not Verdict.INCONCLUSIVE]
    if not judged:
        return Explanation("drift", None, "no column's drift could be judged", None, f"{min_share:.0%}")
    columns = {check.column for check in judged}
    moved = sorted({str(check.column) for check in judged if check.verdict is Verdict.BREACH})
    share = len(moved) / len(columns)
    which = f" ({', '.join(moved[:5])})" if moved else ""
    why = f"{len(moved)} of {len(columns)} columns drifted{which}, limit {min_share:.0%}"
    return Explanation("drift", share >= min_share, why, f"{share:.0%}", f"{min_share:.0%}")


def _performance(condition: PerformanceCondition, facts: Facts) -> Explanation:
    leaf = condition.performance
    side, limit = ("above", leaf.above) if leaf.above is not None else ("below", leaf.below)
    bound = limit if limit is not None else 0.0
    measured = [
        check for check in facts.checks if check.kind == "model_quality" and check.detail.get("metric") == leaf.metric
    ]
    latest = max(measured, key=lambda check: check.window.end_us, default=None)
    if latest is None or latest.value is None:
        return Explanation("performance", None, f"{leaf.metric} is not known: too few labels", None, f"{bound:.4g}")
    held = latest.value > bound if side == "above" else latest.value < bound
    why = f"{leaf.metric} {latest.value:.4g} is {'' if held else 'not '}{side} {bound:.4g}"
    return Explanation("performance", held, why, f"{latest.value:.4g}", f"{side} {bound:.4g}")


def _schedule(cron: str, facts: Facts) -> Explanation:
    last = facts.last_training
    if last is None:
        return Explanation("schedule", None, "when it was last trained is not known", None, cron)
    due = CronTrigger.from_crontab(cron, timezone=UTC).get_next_fire_time(None, last + timedelta(microseconds=1))
    if due is None:
        return Explanation("schedule", False, f"{cron!r} has no moment after the last training", None, cron)
    held = due <= facts.now
    moment = due.isoformat(timespec="minutes")
    why = f"{cron!r} {'was' if held else 'is'} due at {moment}"
    return Explanation("schedule", held, why, moment, cron)


def _new_labels(at_least: int, facts: Facts) -> Explanation:
    if facts.new_labels is None:
        return Explanation("new_labels", None, "the number of new labels is not known", None, str(at_least))
    held = facts.new_labels >= at_least
    why = f"{facts.new_labels} new labels, {at_least} needed"
    return Explanation("new_labels", held, why, str(facts.new_labels), str(at_least))


def _age(longer_than: timedelta, facts: Facts) -> Explanation:
    last, limit = facts.last_training, format_duration(longer_than)
    if last is None:
        return Explanation("age", None, "when it was last trained is not known", None, limit)
    age = max(facts.now - last, timedelta(0))
    why = f"trained {format_duration(age)} ago, limit {limit}"
    return Explanation("age", age > longer_than, why, format_duration(age), limit)
