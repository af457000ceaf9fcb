"""Whether a model's conditions ask for a retraining, with a tree that explains it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from trimtab.config.durations import format_remaining
from trimtab.core.canonical import digest_of
from trimtab.core.clock import from_micros
from trimtab.retraining.durations import Memory, TriggerState, held_for
from trimtab.retraining.evaluate import (
    answer_age,
    answer_drift,
    answer_gain,
    answer_new,
    answer_performance,
    answer_schedule,
)
from trimtab.retraining.facts import Explanation, Facts
from trimtab.retraining.settings import (
    AgeCondition,
    AllCondition,
    AnyCondition,
    Condition,
    DriftCondition,
    ForCondition,
    GainCondition,
    NewLabelsCondition,
    NewRowsCondition,
    NotCondition,
    PerformanceCondition,
    RetrainConfig,
    ScheduleCondition,
    SinceCondition,
)

__all__ = ["Firing", "evaluate", "step", "subject_of"]

_TOLD_AGAIN = timedelta(days=1)
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a model's condition was evaluated: whether it asks for a retraining (``fired``), and why (not).

    ``cause`` names the conditions that made it fire.
    """

    model: str
    at: datetime
    fired: bool
    reason: str
    explanation: Explanation
    cause: str | None = None


def step(config: RetrainConfig, facts: Facts, state: TriggerState, model: str) -> tuple[Firing, TriggerState]:
    """Evaluate the model's conditions, and return what they remember now.

    Though they hold, they do not fire while an earlier request of theirs is open, nor within the cool-down after it.
    Pure: the same facts again change nothing more. Facts that are older than the state change nothing and fire never:
    news that come late tell of what may be over.
    """
    remembered, now_us = state, facts.now_us
    about = subject_of(config, facts.champion)
    if state.about != about:
        state = TriggerState(about=about)
    memory = Memory(state.held)
    explanation = evaluate(config.when, facts, memory)
    answers: dict[str, tuple[bool | None, int]] = {}
    for path, answer in explanation.walk():
        before = state.answers.get(path)
        answers[path] = before if before is not None and before[0] is answer.held else (answer.held, now_us)
    explanation = _dated(explanation, answers)
    if remembered.at_us is not None and now_us < remembered.at_us:
        newest = from_micros(remembered.at_us).isoformat(timespec="minutes")
        reason = f"{explanation.why}; but that is older than the evaluation of {newest}"
        return Firing(model, facts.now, False, reason, explanation), remembered
    firing = _decided(config, facts, explanation, model)
    changed = (
        firing.fired is not state.fired
        or {path: held for path, (held, _) in answers.items()} != {p: held for p, (held, _) in state.answers.items()}
        or state.stored_us is None
        or (now_us - state.stored_us) * _MICRO >= _TOLD_AGAIN
    )
    stored_us = now_us if changed else state.stored_us
    return firing, TriggerState(about, now_us, memory.after, answers, firing.fired, stored_us)


def subject_of(config: RetrainConfig, champion: int | None) -> str:
    """Return what an evaluation is about: a digest of the conditions and of the version that serves."""
    return digest_of([config.when.model_dump(mode="json", by_alias=True), champion])[:16]


def _dated(tree: Explanation, answers: dict[str, tuple[bool | None, int]], path: str = "when") -> Explanation:
    children = tuple(_dated(child, answers, f"{path}.{place}") for place, child in enumerate(tree.children))
    return dataclasses.replace(tree, children=children, since_us=answers[path][1])


def _decided(config: RetrainConfig, facts: Facts, tree: Explanation, model: str) -> Firing:
    if tree.held is not True:
        return Firing(model, facts.now, False, tree.why, tree)
    if facts.asked is not None:
        return Firing(model, facts.now, False, f"{tree.why}; but {facts.asked}", tree)
    if facts.last_retrain_us is not None:
        left = from_micros(facts.last_retrain_us) + config.cooldown - facts.now
        if left > timedelta(0):
            reason = f"{tree.why}; but retraining cools down for another {format_remaining(left)}"
            return Firing(model, facts.now, False, reason, tree)
    return Firing(model, facts.now, True, tree.why, tree, " + ".join(tree.causes())[:128])


def evaluate(condition: Condition, facts: Facts, memory: Memory | None = None, path: str = "when") -> Explanation:
    """Return whether the condition holds, with its reasons.

    Logic is Kleene's: what cannot be said (no labels, too few rows) stays open through ``not``, and is overruled only
    by a False in ``all`` or a True in ``any``. ``memory`` is what each ``for`` knows of earlier evaluations; without
    it there were none.
    """
    memory = Memory() if memory is None else memory
    match condition:
        case AllCondition():
            return _combined("all", condition.all, facts, memory, path)
        case AnyCondition():
            return _combined("any", condition.any, facts, memory, path)
        case NotCondition():
            child = evaluate(condition.negated, facts, memory, f"{path}.0")
            held = None if child.held is None else not child.held
            return Explanation("not", held, child.why, children=(child,), as_of_us=child.as_of_us)
        case ForCondition():
            child = evaluate(condition.of, facts, memory, f"{path}.0")
            return held_for(condition.span, child, path, memory, now=facts.now, schedules=facts.schedules)
        case SinceCondition():
            return _since_training(condition, facts, memory, path)
        case _:
            return _leaf(condition, facts)


def _leaf(condition: Condition, facts: Facts) -> Explanation:
    match condition:
        case DriftCondition():
            return answer_drift(condition.drift, facts)
        case PerformanceCondition():
            return answer_performance(condition.performance, facts)
        case ScheduleCondition():
            return answer_schedule(condition.schedule.cron, facts)
        case NewLabelsCondition():
            return answer_new("new_labels", facts.new_labels, condition.new_labels.at_least)
        case NewRowsCondition():
            return answer_new("new_rows", facts.new_rows, condition.new_rows.at_least)
        case AgeCondition():
            return answer_age(condition.age.longer_than, facts)
        case GainCondition():
            return answer_gain(condition.gain.over_cost, facts)
    raise TypeError(f"condition {type(condition).__name__}: has no answer; expected one of the leaves; add it here")


def _combined(name: str, conditions: tuple[Condition, ...], facts: Facts, memory: Memory, path: str) -> Explanation:
    # Each is asked, also where one has settled it: what ``for`` remembers must not hang on its neighbours.
    children = tuple(evaluate(one, facts, memory, f"{path}.{place}") for place, one in enumerate(conditions))
    answers, decisive = {child.held for child in children}, name == "any"
    held = decisive if decisive in answers else None if None in answers else not decisive
    telling = [child for child in children if child.held is held]
    seen = [facts.now_us if child.as_of_us is None else child.as_of_us for child in telling]
    # All of them hold since the oldest was seen; one of them is enough, so the newest.
    as_of_us = max(seen) if decisive else min(seen)
    return Explanation(name, held, "; ".join(child.why for child in telling), children=children, as_of_us=as_of_us)


def _since_training(condition: SinceCondition, facts: Facts, memory: Memory, path: str) -> Explanation:
    limit, trained = condition.since_last, facts.trained
    if trained is None or facts.trained_us is None:
        child = evaluate(condition.of, dataclasses.replace(facts, checks=()), memory, f"{path}.0")
        return Explanation("since_last", None, "when it was last trained is not known", None, limit, (child,))
    later = [check for check in facts.checks if check.window.start_us >= facts.trained_us]
    child = evaluate(condition.of, dataclasses.replace(facts, checks=later), memory, f"{path}.0")
    moment = trained.isoformat(timespec="minutes")
    why = f"{child.why} (windows since the last training at {moment})"
    return Explanation("since_last", child.held, why, moment, limit, (child,), child.as_of_us)
