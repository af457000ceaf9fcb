"""What holds an action back beside the rule: floors, the switch, pauses, quiet hours, reach, cool-downs, budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.config.durations import format_remaining
from trimtab.core.clock import from_micros
from trimtab.remediation.kinds import ActionKind, Origin, Ruling
from trimtab.remediation.policy import PolicyConfig, PolicyLimits, PolicyRule
from trimtab.remediation.proposal import PastAction, Proposal, Standing

__all__ = ["Limit", "Raised", "held_by", "looked_back", "reaches_too_far"]

_DAY = timedelta(days=1)
_TOUCH_TRAFFIC = frozenset(
    {
        ActionKind.DEPLOY,
        ActionKind.ROLL_BACK,
        ActionKind.REINSTATE,
        ActionKind.SCALE,
        ActionKind.CLEAR_CACHE,
        ActionKind.PAUSE_ENDPOINT,
        ActionKind.RESUME_ENDPOINT,
        ActionKind.CHANGE_CONFIG,
    }
)
_ONE_UP = {Ruling.AUTOMATIC: Ruling.APPROVAL, Ruling.APPROVAL: Ruling.PERSON_ONLY}


class Limit(StrEnum):
    """What can be stricter than a rule."""

    IMPOSSIBLE = "impossible"
    DOUBTED = "doubted"
    FLOOR = "floor"
    AUTONOMY = "autonomy"
    PAUSE = "pause"
    QUIET_HOURS = "quiet_hours"
    TRAFFIC = "max_traffic_share"
    ENDPOINTS = "endpoints_per_rule"
    BUDGET = "actions_per_day"
    MODEL_BUDGET = "per_model"
    COOLDOWN = "cooldown"
    ASK_AGAIN = "ask_again"


@dataclass(frozen=True, slots=True)
class Raised:
    """A limit that asks for ``tier`` at least where ``action`` is concerned, and why."""

    action: ActionKind
    tier: Ruling
    limit: Limit
    why: str


def looked_back(limits: PolicyLimits) -> timedelta:
    """Return how far back the history has to reach for these limits to be judged."""
    return max(_DAY, limits.cooldown, limits.ask_again)


def held_by(
    policy: PolicyConfig,
    rule: PolicyRule,
    action: ActionKind,
    proposal: Proposal,
    history: Sequence[PastAction],
    standing: Standing,
    now: datetime,
) -> Iterator[Raised]:
    """Yield each limit that asks for a tier of its own. Telling people is held back by none of them.

    A person's own proposal is held back by floors, the switch and a pause alone: whoever asks is awake, and answers
    for how often. An approver's own way back is held back by none: it is no autonomy, and nothing is worse than late.
    """
    if action.only_tells or proposal.is_own_way_back:
        return
    if action in standing.impossible:
        yield Raised(action, Ruling.REFUSE, Limit.IMPOSSIBLE, standing.impossible[action])
    if action in standing.doubted:
        yield Raised(action, Ruling.APPROVAL, Limit.DOUBTED, standing.doubted[action])
    floor = policy.floor_of(action)
    yield Raised(action, floor, Limit.FLOOR, f"needs {floor} at least")
    if not policy.autonomy:
        yield Raised(action, Ruling.APPROVAL, Limit.AUTONOMY, "autonomy is switched off")
    if standing.paused is not None:
        yield Raised(action, Ruling.APPROVAL, Limit.PAUSE, standing.paused)
    if proposal.origin is Origin.PERSON:
        return
    limits = policy.limits
    for quiet in limits.quiet_hours:
        if quiet.holds(now) and action not in quiet.always:
            yield Raised(action, Ruling.APPROVAL, Limit.QUIET_HOURS, f"quiet hours, {quiet}")
    if action in _TOUCH_TRAFFIC:
        yield from reaches_too_far(limits, rule.name, action, rule.then.tier.at_least(floor), history, standing, now)
    yield from _too_often(limits, action, proposal, history, now)


def reaches_too_far(
    limits: PolicyLimits,
    rule: str | None,
    action: ActionKind,
    tier: Ruling,
    history: Sequence[PastAction],
    standing: Standing,
    now: datetime,
) -> Iterator[Raised]:
    """Yield what asks for one tier more than ``tier``, since ``action`` changes what answers too many rows or callers.

    ``rule`` is the one on whose account it is done: each has a number of endpoints of its own.
    """
    stricter = _ONE_UP.get(tier, tier)
    most, share = limits.max_traffic_share, standing.traffic_share
    if most is not None and (share is None or share > most):
        found = "a share that is not known" if share is None else f"{share:.0%}"
        why = f"touches {found} of the traffic, more than {most:.0%}"
        yield Raised(action, stricter, Limit.TRAFFIC, why)
    if limits.endpoints_per_rule is None:
        return
    touched = {
        past.endpoint
        for past in history
        if (past.kind in _TOUCH_TRAFFIC or past.released)
        and past.ran
        and past.rule == rule
        and from_micros(past.at_us) > now - _DAY
    }
    others = touched - {standing.endpoint, None}
    if len(others) >= limits.endpoints_per_rule:
        why = f"the rule has changed {len(others)} other endpoints within a day, {limits.endpoints_per_rule} may be"
        yield Raised(action, stricter, Limit.ENDPOINTS, why)


def _too_often(
    limits: PolicyLimits, action: ActionKind, proposal: Proposal, history: Sequence[PastAction], now: datetime
) -> Iterator[Raised]:
    changing = [past for past in history if not past.kind.only_tells]
    today = [past for past in changing if past.counts and from_micros(past.at_us) > now - _DAY]
    if len(today) >= limits.actions_per_day:
        why = f"the budget of {limits.actions_per_day} actions a day is used up"
        yield Raised(action, Ruling.PERSON_ONLY, Limit.BUDGET, why)
    here = [past for past in changing if past.model == proposal.model]
    if limits.per_model is not None and sum(past in here for past in today) >= limits.per_model:
        why = f"the budget of {limits.per_model} actions a day on {proposal.model} is used up"
        yield Raised(action, Ruling.PERSON_ONLY, Limit.MODEL_BUDGET, why)
    same = [past for past in here if past.kind is action]
    wait = _left([past for past in same if past.ran], limits.cooldown, now)
    if wait is not None:
        yield Raised(action, Ruling.REFUSE, Limit.COOLDOWN, f"cools down for another {format_remaining(wait)}")
    refused = [past for past in same if past.was_turned_down and past.diagnosis is proposal.diagnosis]
    wait = _left(refused, limits.ask_again, now)
    if wait is not None:
        why = f"nobody agreed to it the last time; may be asked for again in {format_remaining(wait)}"
        yield Raised(action, Ruling.REFUSE, Limit.ASK_AGAIN, why)


def _left(past: Sequence[PastAction], lasts: timedelta, now: datetime) -> timedelta | None:
    """Return how much of ``lasts`` is left since the newest of ``past``, None when nothing is."""
    if not past:
        return None
    free_at = max(from_micros(one.at_us) for one in past) + lasts
    return free_at - now if free_at > now else None
