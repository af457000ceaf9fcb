"""The pages of the states that rollouts, actions and incidents go through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from docs.generators.markdown import listed, plain

from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.actions import LEGAL
from trimtab.remediation.incidents import Incident, IncidentState, close, fold, mitigate
from trimtab.rollout.phases import as_mermaid

__all__ = ["action_states", "incident_states", "rollout_states"]


def rollout_states() -> str:
    """Return the page of a rollout."""
    intro = "# The states of a rollout\n\nEvery legal transition; what is not here cannot happen.\n\n"
    return f"{intro}```mermaid\n{as_mermaid()}\n```\n"


def action_states() -> str:
    """Return the page of an action request."""
    moves = [f"    {source} --> {target}" for source, targets in LEGAL.items() for target in sorted(targets)]
    ends = [f"    {state} --> [*]" for state, targets in LEGAL.items() if not targets]
    diagram = "\n".join(["stateDiagram-v2", "    [*] --> proposed", *moves, *ends])
    return f"# The states of an action request\n\nEvery legal transition.\n\n```mermaid\n{diagram}\n```\n"


def incident_states() -> str:
    """Return the page of an incident."""
    moves = _incident_moves()
    shown = sorted(f"    {source} --> {target}: {cause}" for source, target, cause in moves)
    diagram = "\n".join(["stateDiagram-v2", "    [*] --> open: first breach", *shown])
    unreached = set(IncidentState) - {state for source, target, _cause in moves for state in (source, target)}
    kept = f"Nothing moves a case there yet: {listed(sorted(unreached))}.\n\n" if unreached else ""
    told = plain(IncidentState.__doc__ or "")
    return f"# The states of an incident\n\n{told}\n\n{kept}```mermaid\n{diagram}\n```\n"


def _incident_moves() -> set[tuple[str, str, str]]:
    """Return the moves that an incident makes, found by making them: there is no table of them."""
    now = datetime.fromtimestamp(30, tz=UTC)
    opened = _folded(None, Verdict.BREACH, 1, now)
    helped = mitigate(opened, now=now, actor="", what="")
    resolved = _folded(opened, Verdict.OK, 2, now)
    again = _folded(resolved, Verdict.BREACH, 3, now)
    moves = {
        (opened.state, resolved.state, "all that breached is ok in a later window"),
        (opened.state, helped.state, "something that is to help has begun"),
        (helped.state, _folded(helped, Verdict.OK, 2, now).state, "all that breached is ok in a later window"),
        (resolved.state, again.state, "one of them breached again soon after"),
    }
    for incident in (opened, helped, resolved):
        moves.add((incident.state, close(incident, now=now, actor="", why="").state, "put away by a person"))
    return {(source.value, target.value, cause) for source, target, cause in moves}


def _folded(incident: Incident | None, verdict: Verdict, second: int, now: datetime) -> Incident:
    window = Window(start_us=0, end_us=second)
    names: dict[str, Any] = {
        "monitor": "m",
        "kind": "latency",
        "model": "m",
        "endpoint": "m",
        "variant": "v1",
        "column": None,
    }
    numbers: dict[str, Any] = {"model_version": 1, "value": None, "threshold": None, "effect": None}
    check = Check(**names, **numbers, window=window, verdict=verdict, severity=Severity.LOW, explanation="")
    after = fold(incident, [check], now=now, new_id="").incident
    if after is None:
        raise AssertionError(f"no incident after {verdict}")
    return after
