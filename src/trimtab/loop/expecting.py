"""What each action on a case is expected to do, and which cannot do anything now: gathered before anybody is asked."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from trimtab.db.engine import Connection
from trimtab.db.tables import check_result, delivery
from trimtab.loop.model_files import ModelFiles
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import run_checks
from trimtab.remediation.actions import PredictedImpact
from trimtab.remediation.impact import impacts
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back

__all__ = ["expected_of", "of_no_effect"]


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


def of_no_effect(connection: Connection, endpoint: str) -> dict[ActionKind, str]:
    """Return which actions on what serves would change nothing now, and why."""
    found = {ActionKind.CHANGE_CONFIG: "which value should change is for a person to say: trimtab config change"}
    spec = endpoint_store.desired(connection, endpoint)
    if spec is None or not spec.variants:
        return found
    if spec.autoscaling is None:
        found[ActionKind.SCALE] = f"{endpoint} has all workers of its server already, without autoscaling"
    if spec.features is None or spec.features.cache_s is None:
        found[ActionKind.CLEAR_CACHE] = f"{endpoint} caches nothing"
    if spec.paused is None:
        found[ActionKind.RESUME_ENDPOINT] = f"{endpoint} is not paused"
    else:
        found[ActionKind.PAUSE_ENDPOINT] = f"{endpoint} is paused already ({spec.paused.reason})"
    return found


def _of_the_one_before(connection: Connection, incident: Incident) -> Sequence[Check]:
    """Return the last checks of quality of the version that a rollback would bring back."""
    endpoint = incident.endpoint
    below = way_back(promoted_versions(connection, endpoint), reinstatements(connection, endpoint))
    if not below:
        return ()
    mine = (
        check_result.c.model == incident.model,
        check_result.c.endpoint == endpoint,
        check_result.c.model_version == below[0],
        check_result.c.kind == "model_quality",
        check_result.c.value.is_not(None),
    )
    query = select(check_result.c.run_id).where(*mine).order_by(check_result.c.at_us.desc()).limit(1)
    run_id = connection.execute(query).scalar()
    if run_id is None:
        return ()
    return [check for check in run_checks(connection, run_id) if check.model_version == below[0]]


def _rows_of(connection: Connection, model: str, feeds: Sequence[str], since_us: int) -> int | None:
    """Return how many delivered rows of ``feeds`` have passed since; None where none were delivered as files."""
    mine = delivery.c.model == model, delivery.c.source.in_(list(feeds)), delivery.c.received_us >= since_us
    return connection.execute(select(func.sum(delivery.c.rows_passed)).where(*mine)).scalar()
