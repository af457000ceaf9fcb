"""What each action on a case is expected to do, and which cannot do anything now: gathered before anybody is asked."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result, delivery
from trimtab.loop.actions.serving import workers_at_least
from trimtab.loop.model_files import ModelFiles
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import run_checks
from trimtab.remediation.action_store import list_actions, verification_of
from trimtab.remediation.actions import ActionState, PredictedImpact
from trimtab.remediation.impact import impacts
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back

__all__ = ["expected_of", "last_quality_of", "of_no_effect", "tried_in_vain"]

_ON_WHAT_SERVES = (
    ActionKind.SCALE,
    ActionKind.CLEAR_CACHE,
    ActionKind.PAUSE_ENDPOINT,
    ActionKind.RESUME_ENDPOINT,
)
_TRIED_ONCE = (ActionKind.SCALE, ActionKind.CLEAR_CACHE)


def expected_of(
    connection: Connection, files: ModelFiles, incident: Incident, feeds: Sequence[str], since_us: int
) -> dict[ActionKind, PredictedImpact]:
    """Return what each kind of action on the case is expected to do, of those of which anything is known."""
    return impacts(
        incident.evidence,
        endpoint=incident.endpoint,
        metric=files.model.main_metric,
        earlier=_of_the_one_before(connection, incident),
        feeds=feeds,
        feed_rows=_rows_of(connection, incident.model, feeds, since_us),
    )


def of_no_effect(connection: Connection, endpoint: str, *, workers: int) -> dict[ActionKind, str]:
    """Return which actions on what serves would change nothing now, and why. ``workers``: as many has its server."""
    found = {ActionKind.CHANGE_CONFIG: "which value should change is for a person to say: trimtab config change"}
    spec = endpoint_store.desired(connection, endpoint)
    if spec is None or not spec.variants:
        return {**found, **dict.fromkeys(_ON_WHAT_SERVES, f"{endpoint} serves nothing")}
    least = workers_at_least(spec)
    if least is None:
        found[ActionKind.SCALE] = f"{endpoint} has all workers of its server already, without autoscaling"
    elif least >= workers:
        found[ActionKind.SCALE] = f"{endpoint} has {least} workers at least already, and its server has {workers}"
    if spec.features is None or spec.features.cache_s is None:
        found[ActionKind.CLEAR_CACHE] = f"{endpoint} caches nothing"
    if spec.paused is None:
        found[ActionKind.RESUME_ENDPOINT] = f"{endpoint} is not paused"
    else:
        found[ActionKind.PAUSE_ENDPOINT] = f"{endpoint} is paused already ({spec.paused.reason})"
    return found


def tried_in_vain(connection: Connection, incident: Incident) -> dict[ActionKind, str]:
    """Return which actions on what serves were tried since the case stands and did not help, as was found.

    More of the same was taken back for that; it would be done and taken back for as long as the case lasts.
    """
    found = {}
    for kind in _TRIED_ONCE:
        done = list_actions(connection, incident_id=incident.id, kind=kind, state=ActionState.SUCCEEDED)
        for action in done:
            planned = verification_of(connection, action.id) if action.created_us >= incident.since_us else None
            if planned is not None and planned.result is not None and planned.result.verdict is Verdict.BREACH:
                found[kind] = f"did not help this case when it was tried ({planned.result.explanation})"
    return found


def last_quality_of(connection: Connection, model: str, endpoint: str, version: int) -> Sequence[Check]:
    """Return the checks of the last run in which the quality of a version was measured; empty where it never was."""
    mine = (
        check_result.c.model == model,
        check_result.c.endpoint == endpoint,
        check_result.c.model_version == version,
        check_result.c.kind == "model_quality",
        check_result.c.value.is_not(None),
    )
    query = select(check_result.c.run_id).where(*mine).order_by(check_result.c.at_us.desc()).limit(1)
    run_id = connection.execute(query).scalar()
    if run_id is None:
        return ()
    return [check for check in run_checks(connection, run_id) if check.model_version == version]


def _of_the_one_before(connection: Connection, incident: Incident) -> Sequence[Check]:
    """Return the last checks of quality of the version that a rollback would bring back."""
    endpoint = incident.endpoint
    below = way_back(promoted_versions(connection, endpoint), reinstatements(connection, endpoint))
    return last_quality_of(connection, incident.model, endpoint, below[0]) if below else ()


def _rows_of(connection: Connection, model: str, feeds: Sequence[str], since_us: int) -> int | None:
    """Return how many delivered rows of ``feeds`` have passed since; None where none were delivered as files."""
    mine = delivery.c.model == model, delivery.c.source.in_(list(feeds)), delivery.c.received_us >= since_us
    return connection.execute(select(func.sum(delivery.c.rows_passed)).where(*mine)).scalar()
