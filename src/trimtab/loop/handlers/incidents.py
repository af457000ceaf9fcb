"""Groups breaches into incidents, and closes an incident when all that breached has recovered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from trimtab.config.cron import moment_after
from trimtab.core.enums import Verdict
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.db.tables import check_result
from trimtab.loop.cases import take_into_case
from trimtab.loop.conductor import Commit
from trimtab.loop.handlers.alerts import with_recent_alerts
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import reporters_of
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import recent_checks, run_checks
from trimtab.remediation.family import by_family
from trimtab.remediation.kinds import Family
from trimtab.remediation.signals import SignalKey, key_of
from trimtab.remediation.store import list_incidents

__all__ = ["fold_checks"]

_LEAST = timedelta(hours=1)


def fold_checks(platform: Platform, event: Event) -> Commit | None:
    """Take a run of checks into the cases of its endpoint, one a family.

    Somebody may look as of another moment. What has not come yet is no news, and keeps no case open until then; nor is
    a breach of the past, after which a later window was found to be OK.
    """
    run_id, model = str(event.payload["run_id"]), str(event.payload["model"])
    endpoint = str(event.payload["endpoint"])

    reopen_within, reporters = _reopen_within(platform, model), reporters_of(platform, model)

    def commit(connection: Connection) -> None:
        checks = list(_of_the_present(connection, run_checks(connection, run_id), platform.now_us()))
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


def _of_the_present(connection: Connection, checks: Sequence[Check], now_us: int) -> Iterator[Check]:
    for check in checks:
        is_over = check.verdict is Verdict.BREACH and _was_ok_later(connection, check)
        if check.window.end_us <= now_us and not is_over:
            yield check


def _was_ok_later(connection: Connection, check: Check) -> bool:
    which = (
        (check_result.c.variant == check.variant)
        & (check_result.c.model_version == check.model_version)
        & (check_result.c.column.is_(None) if check.column is None else check_result.c.column == check.column)
        & (check_result.c.window_end_us > check.window.end_us)
    )
    later = recent_checks(
        connection, check.model, endpoint=check.endpoint, monitor=check.monitor, verdict=Verdict.OK, which=which
    )
    return any(key_of(one.check) == key_of(check) for one in later)


def _standing(connection: Connection, model: str, endpoint: str) -> dict[SignalKey, Family]:
    """Return which open case of the endpoint is about which breach."""
    return {
        signal.key: incident.family
        for incident in list_incidents(connection, model=model, open_only=True)
        if incident.endpoint == endpoint
        for signal in incident.signals
    }
