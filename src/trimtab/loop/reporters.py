"""Tells people of cases: to whom, as the model's reporters say, and again while they are open."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from trimtab.config.notifications import NotificationRoute
from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity
from trimtab.core.errors import ConflictError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.monitoring.reporters import Reporters
from trimtab.notify.message import Message
from trimtab.notify.routes import routes_for
from trimtab.notify.store import enqueued_us
from trimtab.remediation.incidents import Incident
from trimtab.remediation.store import list_incidents, save_incident
from trimtab.remediation.telling import again, told

__all__ = ["CaseFiles", "addressed", "case_files", "grouped_key", "reporters_of", "tell_again", "tell_open_cases_again"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """What a model's files say about its cases: of which endpoint they are, and who hears of them."""

    endpoint: str
    reporters: Reporters = field(default_factory=Reporters)


def case_files(platform: Platform, model: str) -> CaseFiles:
    """Return what the files of ``model`` say about its cases; what is usual where they cannot be read.

    To be called before a transaction: it reads seven files.
    """
    if model not in platform.project.model_names:
        # A case of the platform's own, or of what others told us of.
        return CaseFiles(model)
    try:
        files = platform.files(model)
    except TrimtabError as error:
        # A slip in a file must not lose a case: an endpoint is called as its model unless its file says otherwise.
        _log.warning("reporters.unreadable", model=model, error=str(error))
        return CaseFiles(model)
    return CaseFiles(files.endpoint, files.monitoring.reporters)


def reporters_of(platform: Platform, model: str) -> Reporters:
    """Return who hears of a model's cases; the usual ones where its files cannot be read."""
    return case_files(platform, model).reporters


def addressed(
    message: Message, severity: Severity, reporters: Reporters, routes: Sequence[NotificationRoute]
) -> tuple[Message, ...]:
    """Return ``message`` once for each route that hears of cases as loud as ``severity``.

    That is not the message's own: who was told that something broke is told that it has recovered.
    """
    named = reporters.routes.get(severity)
    if named is None:
        loud = dataclasses.replace(message, severity=severity)
        named = tuple(route.name for route in routes_for(loud, routes))
    return tuple(dataclasses.replace(message, route=name) for name in named)


def tell_again(connection: Connection, platform: Platform, incident: Incident, reporters: Reporters) -> Incident:
    """Publish that people should hear of an open case again, if they should; return the case as it is then."""
    now = platform.clock.now()
    reason = again(incident, now=now, repeat=reporters.repeat)
    if reason is None:
        return incident
    after = told(incident, now=now).noted(to_micros(now), "trimtab", f"told again: {reason}")
    after = save_incident(connection, after)
    payload = {"incident_id": after.id, "model": after.model}
    platform.publish(connection, f"incident.{reason}", f"incident:{after.id}", payload)
    return after


def tell_open_cases_again(platform: Platform) -> bool:
    """Tell of each open case again whose time has come; return whether there was any."""
    with platform.database.reading() as connection:
        waiting = list_incidents(connection, open_only=True, limit=None)
    now, found = platform.clock.now(), False
    for incident in waiting:
        reporters = reporters_of(platform, incident.model)
        if again(incident, now=now, repeat=reporters.repeat) is None:
            continue
        try:
            with platform.database.transaction() as connection:
                tell_again(connection, platform, incident, reporters)
        except ConflictError:
            continue  # it has changed meanwhile; the next look finds it as it is
        found = True
    return found


def grouped_key(
    connection: Connection,
    kind: str,
    model: str,
    reasons: Sequence[str],
    *,
    at_us: int,
    reporters: Reporters,
    routes: Sequence[NotificationRoute],
) -> str | None:
    """Return the key under which alerts alike are told once in ``repeat``; None where each is told.

    Alerts of one kind about one model are alike when they blame the same columns (a reason starts with its column).
    """
    if reporters.repeat is None or not reasons:
        return None
    columns = ",".join(sorted({reason.partition(":")[0].strip() for reason in reasons}))
    length_us = max(1, int(reporters.repeat.total_seconds() * 1_000_000))
    turn = at_us // length_us
    before, now = (f"alert:{model}:{kind}:{columns}:{number}" for number in (turn - 1, turn))
    told_us = enqueued_us(connection, before, routes)
    # Told at the end of the turn before, it is not told again at the beginning of this one.
    return before if told_us is not None and at_us - told_us < length_us else now
