"""What a person's wish is expected to do, from what is measured of what serves: told before anybody agrees to it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result
from trimtab.loop.expecting import last_quality_of
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import checks_as_of
from trimtab.registry import store as registry
from trimtab.remediation.actions import PredictedImpact
from trimtab.remediation.impact import impact_of_release, impacts
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back

__all__ = ["expected_now"]

_BRINGS_OUT = {ActionKind.DEPLOY, ActionKind.APPROVE_VERSION}


def expected_now(
    connection: Connection, platform: Platform, model: str, kind: ActionKind, params: JsonObject
) -> dict[ActionKind, PredictedImpact]:
    """Return what an action of ``kind`` on ``model`` should do to what its endpoint is measured by; empty: not known.

    It rests on the newest checks of the version that serves; a release on that version's holdout besides.
    """
    try:
        files = platform.files(model)
    except (ConfigError, NotFoundError):
        # What cannot be read keeps nobody from going back; it has nothing to say of what to expect.
        return {}
    checks = _newest_checks(connection, files)
    found = _of_release(connection, files, checks, params) if kind in _BRINGS_OUT else None
    if kind not in _BRINGS_OUT:
        found = impacts(
            checks,
            endpoint=files.endpoint,
            metric=files.model.main_metric,
            earlier=_of_the_version_to_come(connection, files, kind, params),
            label_rows=int(params.get("rows", 200)),
        ).get(kind)
    return {} if found is None else {kind: found}


def _newest_checks(connection: Connection, files: ModelFiles) -> Sequence[Check]:
    """Return the last check of each monitor, of the version that serves; one that is being tried says nothing of it."""
    model, endpoint = files.model.name, files.endpoint
    mine = check_result.c.model == model, check_result.c.endpoint == endpoint
    query = select(check_result.c.run_id).where(*mine).order_by(check_result.c.at_us.desc()).limit(1)
    run_id = connection.execute(query).scalar()
    if run_id is None:
        return ()
    champion = aliases_of(connection, endpoint).get("champion")
    titles = [monitor.title for monitor in files.monitoring.monitors]
    return [one for one in checks_as_of(connection, run_id, titles) if champion in {None, one.model_version}]


def _of_release(
    connection: Connection, files: ModelFiles, checks: Sequence[Check], params: JsonObject
) -> PredictedImpact | None:
    version = registry.get(connection, files.model.name, int(params["number"]))
    metrics = dict(version.metrics)
    main = impact_of_release(checks, version.number, metrics, files.model.main_metric)
    return main or impact_of_release(checks, version.number, metrics)


def _of_the_version_to_come(
    connection: Connection, files: ModelFiles, kind: ActionKind, params: JsonObject
) -> Sequence[Check]:
    """Return the last checks of quality of the version that going back would bring."""
    if kind is not ActionKind.ROLL_BACK:
        return ()
    endpoint, number = files.endpoint, params.get("number")
    if number is None:
        below = way_back(promoted_versions(connection, endpoint), reinstatements(connection, endpoint))
        number = below[0] if below else None
    return () if number is None else last_quality_of(connection, files.model.name, endpoint, int(number))
