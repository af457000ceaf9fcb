"""Takes alerts of others (Alertmanager, Grafana, a script) into cases, each once, whatever their sender repeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import select

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject, digest_of
from trimtab.core.clock import from_micros
from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.db.tables import alert as alert_table
from trimtab.loop.cases import take_into_case
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import CaseFiles, case_files
from trimtab.monitoring.check import Check
from trimtab.monitoring.reporters import Reporters
from trimtab.remediation.alerts import Alert
from trimtab.remediation.external import NO_MODEL, OutsideAlert, check_of
from trimtab.remediation.family import family_of
from trimtab.remediation.incidents import ChangeKind, Incident, attach_alert
from trimtab.remediation.joined import mark_of
from trimtab.remediation.kinds import Family
from trimtab.remediation.signals import key_of
from trimtab.remediation.store import attach_to_incident, current_incident, save_alert
from trimtab.rollout.endpoint_store import model_of

__all__ = ["OutsideAlert", "Taken", "TakenAs", "files_named", "take_alerts"]

_OLD = timedelta(days=7)
_OWN_LABEL, _OWN_RULES = "trimtab_own", frozenset({"TrimtabCaseOpen"})


class TakenAs(StrEnum):
    """What became of an alert."""

    OPENED = "opened"
    JOINED = "joined"
    RECOVERED = "recovered"
    REPEATED = "repeated"
    UNKNOWN_MODEL = "unknown model"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the alert of ``fingerprint``; ``incident_id`` names its case, None where it has none."""

    fingerprint: str
    result: TakenAs
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    model: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class _Told:
    """An alert that is news: as it is stored, and as a check."""

    by: OutsideAlert
    stored: Alert
    check: Check


def files_named(platform: Platform, alerts: Sequence[OutsideAlert]) -> dict[str, CaseFiles]:
    """Return, by model, what the files of all models say that ``alerts`` may be about; before any transaction."""
    endpoints = {alert.endpoint for alert in alerts if alert.endpoint is not None}
    with platform.database.reading() as connection:
        served = {model_of(connection, endpoint) for endpoint in endpoints}
    named = served | {alert.model for alert in alerts}
    return {model: case_files(platform, model) for model in platform.project.model_names if model in named}


def take_alerts(
    connection: Connection,
    platform: Platform,
    source: str,
    alerts: Sequence[OutsideAlert],
    files: Mapping[str, CaseFiles],
) -> tuple[Taken, ...]:
    """Take what ``source`` tells into cases, in the caller's transaction; one answer an alert, in order.

    ``files`` are those of the models that the alerts are about (`files_named`). The same alert again changes nothing.
    Its end is final: that it fires, told once more after it was resolved, is old news, and so is one that began more
    than seven days ago. Our own alerts about our own cases would open cases about cases: they are left out. One that
    names no model and no endpoint makes a case of the platform.
    """
    return tuple(
        taken for round_ in _rounds(alerts) for taken in _take_round(connection, platform, source, round_, files)
    )


def _rounds(alerts: Sequence[OutsideAlert]) -> Iterator[list[OutsideAlert]]:
    """Yield the alerts in order, in runs in which no fingerprint comes twice: one may be told to fire and to end."""
    run: list[OutsideAlert] = []
    seen: set[str] = set()
    for alert in alerts:
        if alert.fingerprint in seen:
            yield run
            run, seen = [], set()
        run.append(alert)
        seen.add(alert.fingerprint)
    if run:
        yield run


def _take_round(
    connection: Connection,
    platform: Platform,
    source: str,
    alerts: Sequence[OutsideAlert],
    files: Mapping[str, CaseFiles],
) -> Iterator[Taken]:
    """Take alerts of different fingerprints, with one change of each case, however many belong to it."""
    taken: dict[str, Taken] = {}
    news: dict[tuple[_Place, Family], list[_Told]] = defaultdict(list)
    for alert in alerts:
        answer = _known_already(connection, platform, source, alert)
        place = None if answer is not None else _place_of(connection, alert, files)
        if answer is not None:
            taken[alert.fingerprint] = answer
        elif place is None:
            _tell_unknown(connection, platform, source, alert)
            taken[alert.fingerprint] = Taken(alert.fingerprint, TakenAs.UNKNOWN_MODEL)
        else:
            told = _stored(connection, platform, source, alert, place)
            news[place, family_of(told.check)].append(told)
    for (place, family), of_it in news.items():
        reporters = files[place.model].reporters if place.model in files else Reporters()
        for one in _fold(connection, platform, source, of_it, family, reporters):
            taken[one.fingerprint] = one
    return (taken[alert.fingerprint] for alert in alerts)


def _known_already(connection: Connection, platform: Platform, source: str, alert: OutsideAlert) -> Taken | None:
    """Return what becomes of an alert that is no news; None of one that is."""
    if alert.labels.get(_OWN_LABEL) == "true" or alert.name in _OWN_RULES:
        return Taken(alert.fingerprint, TakenAs.IGNORED)
    known = _known(connection, _key(source, alert, firing=alert.firing))
    if known is not None:
        return Taken(alert.fingerprint, TakenAs.REPEATED, known.incident_id)
    if alert.firing and _is_over(connection, platform, source, alert):
        return Taken(alert.fingerprint, TakenAs.IGNORED)
    return None


def _stored(connection: Connection, platform: Platform, source: str, alert: OutsideAlert, place: _Place) -> _Told:
    check = check_of(alert, model=place.model, endpoint=place.endpoint)
    stored = Alert(
        id=platform.new_id(),
        dedup_key=_key(source, alert, firing=alert.firing),
        kind="outside",
        severity=alert.severity,
        title=check.explanation if alert.firing else f"resolved: {check.explanation}",
        at_us=platform.now_us(),
        model=check.model,
        endpoint=check.endpoint,
        detail={"source": source, "check": check.to_json(), "annotations": dict(alert.annotations)},
    )
    save_alert(connection, stored)
    return _Told(alert, stored, check)


def _fold(
    connection: Connection,
    platform: Platform,
    source: str,
    news: Sequence[_Told],
    family: Family,
    reporters: Reporters,
) -> Iterator[Taken]:
    """Take alerts of one case into it, at once: each change of a case is written and told as a whole."""
    about = news[0].check
    before = current_incident(connection, about.model, about.endpoint, family)

    def attached(incident: Incident) -> Incident:
        changed = _that_changed(before, incident, news)
        for told in news:
            incident = attach_alert(incident, told.stored) if told.stored.id in changed else incident
        return incident

    change = take_into_case(
        connection,
        platform,
        [told.check for told in news],
        model=about.model,
        endpoint=about.endpoint,
        family=family,
        reporters=reporters,
        actor=source,
        detail={"alert_ids": [told.stored.id for told in news], "source": source},
        with_alerts=attached,
    )
    changed = frozenset() if change.incident is None else _that_changed(before, change.incident, news)
    opens = change.kind in {ChangeKind.OPENED, ChangeKind.REOPENED}
    for told in news:
        if change.incident is None or told.stored.id not in changed:
            yield Taken(told.by.fingerprint, TakenAs.IGNORED)
            continue
        attach_to_incident(connection, told.stored.id, change.incident.id)
        result = TakenAs.JOINED if told.by.firing else TakenAs.RECOVERED
        if told.by.firing and opens:
            result, opens = TakenAs.OPENED, False
        yield Taken(told.by.fingerprint, result, change.incident.id)


def _that_changed(before: Incident | None, after: Incident, news: Sequence[_Told]) -> frozenset[str]:
    """Return the ids of those that made a difference to the case; all else was too late, or about nothing in it."""
    same = before if before is not None and before.id == after.id else None
    earlier = {} if same is None else {one.key: one for one in same.signals}
    later = {one.key: one for one in after.signals}
    moved = after.beyond ^ (frozenset() if same is None else same.beyond)
    return frozenset(
        told.stored.id
        for told in news
        if later.get(key := key_of(told.check)) != earlier.get(key) or mark_of(key) in moved
    )


def _key(source: str, alert: OutsideAlert, *, firing: bool) -> str:
    """Return what tells this alert, firing or resolved, from all others; as long as it may be, of bounded length."""
    about = digest_of([alert.name, alert.fingerprint, alert.starts_us])
    return f"outside:{source[:64]}:{about}:{'firing' if firing else 'resolved'}"


def _known(connection: Connection, key: str) -> Alert | None:
    row = connection.execute(
        select(alert_table.c.id, alert_table.c.incident_id).where(alert_table.c.dedup_key == key)
    ).first()
    if row is None:
        return None
    return Alert(row.id, key, "outside", Severity.LOW, "", 0, incident_id=row.incident_id)


def _is_over(connection: Connection, platform: Platform, source: str, alert: OutsideAlert) -> bool:
    too_old = from_micros(alert.starts_us) < platform.clock.now() - _OLD
    return too_old or _known(connection, _key(source, alert, firing=False)) is not None


def _place_of(connection: Connection, alert: OutsideAlert, files: Mapping[str, CaseFiles]) -> _Place | None:
    """Return what the alert is about; an endpoint that serves tells its model better than a label does."""
    served = None if alert.endpoint is None else model_of(connection, alert.endpoint)
    if served is not None and alert.endpoint is not None:
        return _Place(served, alert.endpoint)
    if alert.model is not None and alert.model in files:
        return _Place(alert.model, files[alert.model].endpoint)
    return _Place(NO_MODEL, NO_MODEL) if alert.model is None and alert.endpoint is None else None


def _tell_unknown(connection: Connection, platform: Platform, source: str, alert: OutsideAlert) -> None:
    """Tell once a day that somebody sends alerts of a model that is not ours: a label is wrong, or a project is."""
    about = f"model {alert.model!r}" if alert.model is not None else f"endpoint {alert.endpoint!r}"
    day = platform.now_us() // 86_400_000_000
    title = f"{source} tells of {about}, which this project does not have; correct the label, or where it is sent"
    told = Alert(
        id=platform.new_id(),
        dedup_key=f"outside:{source[:64]}:unknown:{digest_of([alert.model, alert.endpoint])}:{day}",
        kind="unknown_model",
        severity=Severity.MEDIUM,
        title=title,
        at_us=platform.now_us(),
        detail={"source": source, "labels": dict(alert.labels)},
    )
    if not save_alert(connection, told):
        return
    payload: JsonObject = {
        "alert_id": told.id,
        "kind": told.kind,
        "model": None,
        "title": title,
        "severity": told.severity.value,
        "reasons": {},
    }
    platform.publish(connection, "alert.raised", f"alerts:{source}", payload)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=source,
        action="alert.unknown_model",
        subject=f"alert:{told.id}",
        reason=title,
    )
