"""Groups breaches into incidents, and closes an incident when all that breached has recovered."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from trimtab.config.cron import moment_after
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cases import take_into_case
from trimtab.loop.conductor import Commit
from trimtab.loop.handlers.alerts import with_recent_alerts
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import reporters_of
from trimtab.monitoring.store import run_checks
from trimtab.remediation.family import by_family
from trimtab.remediation.kinds import Family
from trimtab.remediation.signals import SignalKey
from trimtab.remediation.store import list_incidents

__all__ = ["fold_checks"]

_LEAST = timedelta(hours=1)


def fold_checks(platform: Platform, event: Event) -> Commit | None:
    """Take a run of checks into the cases of its endpoint, one a family."""
    run_id, model = str(event.payload["run_id"]), str(event.payload["model"])
    endpoint = str(event.payload["endpoint"])

    reopen_within, reporters = _reopen_within(platform, model), reporters_of(platform, model)

    def commit(connection: Connection) -> None:
        checks = run_checks(connection, run_id)
        for family, of_it in sorted(by_family(checks, _standing(connection, model, endpoint)).items()):
            take_into_case(
                connection,
                platform,
                of_it,
                model=model,
                endpoint=endpoint,
                family=family,
                reporters=reporters,
                detail={"run_id": run_id, "at_us": event.at_us},
                reopen_within=reopen_within,
                with_alerts=partial(with_recent_alerts, connection, platform),
            )

    return commit


def _reopen_within(platform: Platform, model: str) -> timedelta:
    """Return how long after its end a case is opened again: two runs of the monitors that look most seldom."""
    now = platform.clock.now()
    try:
        monitoring = platform.files(model).monitoring
    except TrimtabError:
        # A slip in a file must not keep a breach from becoming a case.
        return _LEAST
    longest = _LEAST
    for cron in {monitoring.schedule_of(one) for one in monitoring.monitors}:
        first = moment_after(cron, now)
        second = None if first is None else moment_after(cron, first)
        if first is not None and second is not None:
            longest = max(longest, 2 * (second - first))
    return longest


def _standing(connection: Connection, model: str, endpoint: str) -> dict[SignalKey, Family]:
    """Return which open case of the endpoint is about which breach."""
    return {
        signal.key: incident.family
        for incident in list_incidents(connection, model=model, open_only=True)
        if incident.endpoint == endpoint
        for signal in incident.signals
    }
