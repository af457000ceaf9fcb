"""What a message says of a case and of a request: what it is, what was seen, what is expected, what to type."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from trimtab.core.clock import from_micros
from trimtab.core.wording import counted, shortened
from trimtab.monitoring.check import Check
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.approvals import needed_role
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.reports.wording import span_text

__all__ = ["case_lines", "ending_of", "request_lines"]

_MOST_SEEN: Final = 3
_LINE_CHARS: Final = 500


def case_lines(incident: Incident, checks: Sequence[Check]) -> list[str]:
    """Return what is told of a case: how bad it is, what was seen (of ``checks``, the loudest first), why, the command.

    The list is short, whatever the case has gathered: the rest is counted, and the last line says where to read it.
    """
    lines = [_how_bad(incident), *_seen(checks)]
    if incident.diagnosis is not None:
        lines.append(f"Diagnosis: {_line(incident.diagnosis.explanation)}")
    return [*lines, f"More: trimtab incidents show {incident.id}"]


def request_lines(action: ActionRequest, incident: Incident | None) -> list[str]:
    """Return what whoever is to agree has to know, and the two commands; ``incident``: the case that it is about."""
    asked = action.params.get("trigger") or action.params.get("reason") or action.reason
    lines = [f"Asked for by {action.requested_by}: {_line(str(asked))}"]
    impact = action.predicted_impact
    if impact is not None:
        lines.append(f"Expected: {impact.metric} {impact.now:.4g} now, {impact.expected:.4g} expected")
        lines.append(f"  ({_line(impact.basis)})")
    if incident is not None:
        lines.append(f"Incident: {incident.title}")
        lines.append(f"  {_how_bad(incident)}")
        lines += [f"  {line}" for line in _seen(incident.unrecovered or incident.evidence)]
    who = f"one {needed_role(action)}" if action.needed == 1 else f"{action.needed} people, {needed_role(action)} each"
    until = "" if action.expires_us is None else f", until {_moment(action.expires_us)}; then it expires"
    return [
        *lines,
        f"Waits for {who}{until}",
        f"More:    trimtab approvals show {action.id}",
        f"Approve: trimtab approvals approve {action.id}",
        f"Reject:  trimtab approvals reject {action.id} --reason 'why'",
    ]


def ending_of(action: ActionRequest) -> str:
    """Return how an action ended, in a few words: of a retraining what came of it, not that it ran.

    A training that a gate refused has done all that it was asked for, and changed nothing.
    """
    if action.kind is ActionKind.RETRAIN and action.state is ActionState.SUCCEEDED:
        released = action.effect.get("released")
        return "trained, and not released" if released is None else f"trained, and version {released} released"
    return f"{action.kind.value.replace('_', ' ')} {action.state.value}"


def _how_bad(incident: Incident) -> str:
    found = incident.diagnosis
    loud = f"{incident.loudest.value} alarm"
    level = loud if found is None else f"{found.level.value} severity ({found.severity:.2f}), {loud}"
    since = _moment(incident.since_us)
    if incident.state.is_open or incident.closed_us is None:
        return f"{level}; open since {since}"
    return f"{level}; was open from {since} on, for {span_text(incident.closed_us - incident.since_us)}"


def _seen(checks: Sequence[Check]) -> list[str]:
    ordered = sorted(checks, key=lambda check: (-check.severity.rank, not check.opens))
    told = list(dict.fromkeys(_line(check.explanation) for check in ordered))
    lines = [f"Seen: {line}" for line in itertools.islice(told, _MOST_SEEN)]
    if len(told) > _MOST_SEEN:
        lines.append(f"Seen: {counted(len(told) - _MOST_SEEN, 'more thing')} in breach")
    return lines


def _line(text: str) -> str:
    return shortened(" ".join(text.split()), _LINE_CHARS)


def _moment(at_us: int) -> str:
    return f"{from_micros(at_us):%Y-%m-%d %H:%M} UTC"
