"""Gathers what a diagnosis rests on: it reads what is stored, and judges nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import structlog
from sqlalchemy import select

from trimtab.bundle.writer import read_manifest
from trimtab.core.enums import Verdict
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result
from trimtab.loop.course import Promotion, promotions_of
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import serving_version
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import checks_as_of, recent_checks
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import ConfigChange, Evidence, Ledger, RecentRollout
from trimtab.remediation.diagnosis.findings import DATA_QUALITY, DRIFT
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind, Family
from trimtab.remediation.store import list_incidents
from trimtab.retraining.settings import longest_age
from trimtab.retraining.store import load_triggers
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import Rollout, list_rollouts
from trimtab.rollout.way_back import went_back

__all__ = ["evidence_of", "importance_of", "usual_life_s"]

_log = structlog.get_logger(__name__)

_WINDOWS = 8
_NEWEST = 10
_OF_DATA = frozenset({*DRIFT, DATA_QUALITY, FROM_OUTSIDE})
_WITH_A_PAST = ("model_quality", "latency", "errors", "data_quality")


def evidence_of(
    connection: Connection,
    platform: Platform,
    files: ModelFiles | None,
    incident: Incident,
    alerts: Sequence[Alert],
    run_id: str | None,
    importance: Mapping[str, float],
) -> Evidence:
    """Return the evidence of a case as it is known now, with what the run ``run_id`` (None: the newest) found.

    What is still wrong and was not judged by that run is part of it, as it was found last. ``importance`` is that of
    the version that serves, as `importance_of` reads it.
    """
    known = run_id if run_id is not None else _newest_run(connection, incident, platform.now_us())
    monitors = [] if files is None else [one.title for one in files.monitoring.monitors]
    judged = [] if known is None else checks_as_of(connection, known, monitors)
    checks = (*judged, *(check for check in incident.unrecovered if check not in judged))
    version = None if files is None else serving_version(connection, incident.model, incident.endpoint)
    begun_us = min((signal.first_us for signal in incident.signals if signal.recovered_us is None), default=None)
    return Evidence(
        checks=checks,
        alerts=tuple(alerts),
        rollouts=_rollouts(connection, incident),
        family=incident.family,
        seen=(*_seen(incident), *_beside(connection, incident)),
        history=_history(connection, judged) if incident.family is not Family.PIPELINE else (),
        config_changes=_config_changes(connection, incident, begun_us),
        ledger=None if files is None else _ledger(connection, platform, files, version),
        importance=importance,
        primary=None if files is None else files.model.main_metric,
        begun_us=begun_us,
        now_us=platform.now_us(),
        criticality=1.0 if files is None else files.model.criticality,
        unlisted=len(incident.beyond),
    )


def _newest_run(connection: Connection, incident: Incident, now_us: int) -> str | None:
    """Return the newest run of the monitors; who looked as of a moment that has not come knows nothing of now."""
    table = check_result.c
    query = (
        select(table.run_id)
        .where(table.model == incident.model, table.endpoint == incident.endpoint, table.at_us <= now_us)
        .order_by(check_result.c.at_us.desc(), check_result.c.run_id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _seen(incident: Incident) -> tuple[Check, ...]:
    """Return what breached, and is well again, in windows that those overlap which are still in breach.

    What was wrong with the data explains what is told of any version. How another version answered, or one before the
    case was opened again, does not.
    """
    wrong = incident.unrecovered
    begin_us, versions = min((one.window.start_us for one in wrong), default=None), {one.model_version for one in wrong}
    if begin_us is None:
        return ()
    over = [
        signal.check
        for signal in incident.signals
        if signal.recovered_us is not None
        and (signal.check.kind in _OF_DATA or (not signal.past and signal.check.model_version in versions))
    ]
    return tuple(check for check in over if check.window.end_us > begin_us)


def _beside(connection: Connection, incident: Incident) -> Iterator[Check]:
    """Yield what is wrong in the open cases of the other families: refused requests explain that no rows come."""
    for other in list_incidents(connection, model=incident.model, open_only=True):
        if other.id != incident.id and other.endpoint == incident.endpoint:
            yield from other.unrecovered


def _history(connection: Connection, judged: Sequence[Check]) -> tuple[Check, ...]:
    """Return the checks of the windows before, of each monitor whose past tells something, none overlapping another.

    Besides, what was last said of another version, though its window may overlap: a release is held against that.
    """
    newest: dict[str, Check] = {}
    for check in judged:
        if check.kind in _WITH_A_PAST and not check.is_late:
            newest.setdefault(check.monitor, check)
    found = [check for one in newest.values() for check in _before(connection, one)]
    found += (check for one in newest.values() for check in _of_another_version(connection, one))
    return tuple(found)


def _of_another_version(connection: Connection, check: Check) -> Sequence[Check]:
    """Return the last conclusive checks of this monitor about another version; without such, the last of all."""
    read = partial(recent_checks, connection, check.model, endpoint=check.endpoint, monitor=check.monitor)
    others = check_result.c.model_version.not_in((0, check.model_version))
    for which in (others & (check_result.c.verdict != Verdict.INCONCLUSIVE.value), others):
        found = read(1, which=which)
        if found:
            at_us = found[0].at_us
            return [one.check for one in read(None, since_us=at_us, until_us=at_us, which=which)]
    return ()


def _before(connection: Connection, check: Check) -> Iterator[Check]:
    start_us, until_us = check.window.start_us, None
    read = partial(recent_checks, connection, check.model, endpoint=check.endpoint, monitor=check.monitor)
    for _ in range(_WINDOWS):
        is_earlier = check_result.c.window_end_us <= start_us
        found = read(1, until_us=until_us, which=is_earlier)
        if not found:
            return
        at_us = found[0].at_us
        of_it = read(None, since_us=at_us, until_us=at_us, which=is_earlier)
        # Of data quality only what is said of rows as a whole has a past that tells something.
        yield from (one.check for one in of_it if one.check.kind != "data_quality" or one.check.column is None)
        start_us, until_us = min(one.check.window.start_us for one in of_it), at_us


def _rollouts(connection: Connection, incident: Incident) -> tuple[RecentRollout, ...]:
    """Return the newest releases beside the first: when a version had taken all traffic, or what it has got to.

    Going back is none: what came back is the version that was well before, and trouble there has another cause.
    """
    back = went_back(connection, incident.endpoint)
    newest = list_rollouts(connection, model=incident.model, limit=_NEWEST)
    return tuple(_recent(one) for one in newest if one.id not in back and _counts(one, incident.endpoint))


def _counts(rollout: Rollout, endpoint: str) -> bool:
    spec, phase = rollout.spec, rollout.state.phase
    return spec.stable is not None and spec.endpoint == endpoint and (not phase.is_final or phase is Phase.PROMOTED)


def _recent(rollout: Rollout) -> RecentRollout:
    spec, finished_us = rollout.spec, rollout.finished_us
    return RecentRollout(
        at_us=rollout.started_us if finished_us is None else finished_us,
        candidate=spec.candidate.number,
        phase=rollout.state.phase.value,
        before=None if spec.stable is None else spec.stable.number,
    )


def _config_changes(connection: Connection, incident: Incident, begun_us: int | None) -> tuple[ConfigChange, ...]:
    changed = list_actions(
        connection, model=incident.model, kind=ActionKind.CHANGE_CONFIG, state=ActionState.SUCCEEDED, limit=_NEWEST
    )
    return tuple(
        ConfigChange(at_us, one.purpose)
        for one in changed
        if (at_us := one.finished_us or one.created_us) >= (begun_us or 0)
    )


def _ledger(
    connection: Connection, platform: Platform, files: ModelFiles, version: ModelVersion | None
) -> Ledger | None:
    """Return what was last said of a training, and how old what serves is."""
    if version is None:
        return None
    would_gain, why = None, "no condition weighs what a training would gain"
    latest = load_triggers(connection, files.model.name).latest
    for _, answer in () if latest is None else latest.explanation.walk():
        if answer.name in {"gain", "probe"}:
            would_gain, why = answer.held, answer.why
    promotions = promotions_of(connection, files.endpoint)
    longest = longest_age(files.retrain.when)
    return Ledger(
        would_gain=would_gain,
        why=why,
        age_s=max(0.0, (platform.now_us() - version.created_us) / 1e6),
        usual_life_s=usual_life_s(promotions),
        longest_life_s=None if longest is None else longest.total_seconds(),
    )


def usual_life_s(promotions: Sequence[Promotion]) -> float | None:
    """Return how long it usually took, s, from one release to the next; None before there were two such spans."""
    releases = [one for one in promotions if not one.goes_back]
    lives = [(after.at_us - before.at_us) / 1e6 for before, after in itertools.pairwise(releases)]
    return median(lives) if len(lives) >= 2 else None


def importance_of(platform: Platform, files: ModelFiles) -> Mapping[str, float]:
    """Return each feature's share of what the version that serves uses, as its bundle says; empty: not known."""
    version = platform.database.read(lambda c: serving_version(c, files.model.name, files.endpoint))
    if version is None:
        return {}
    try:
        shares = read_manifest(Path(version.bundle_path)).importance
    except (TrimtabError, OSError) as error:
        # Whoever cannot read the bundle can still say what is wrong, with a little less to go by.
        _log.warning("importance.unreadable", model=files.model.name, version=version.number, error=str(error))
        return {}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()} if total > 0 else {}
