"""Whether actions helped: planned when they end, judged with the first checks that speak of what they did."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.lake.learnable import learnable_of_feeds
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.loop.verifying import judge, plan, promise_in
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import checks_as_of
from trimtab.remediation.action_store import (
    PlannedVerification,
    load_action,
    pending_verifications,
    verification_of,
)
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.promises import Measure
from trimtab.remediation.signals import worst_by_key
from trimtab.remediation.verification import Verified, verify

__all__ = ["verify_actions", "verify_rows"]


def verify_actions(platform: Platform, event: Event) -> Commit | None:
    """Plan the verification of an action that has ended; judge those of a model whose checks have run.

    A case that is over says so too: what an outside alert was about is measured by no check of ours.
    """
    if event.kind == "action.finished":
        action_id = str(event.payload["action_id"])
        return lambda connection: plan(connection, platform, load_action(connection, action_id))
    if event.kind == "incident.recovered":
        return lambda connection: _judge_by_recovery(connection, platform, event)
    model, run_id = str(event.payload["model"]), str(event.payload["run_id"])
    files = platform.files(model)
    monitors = [one.title for one in files.monitoring.monitors]

    def commit(connection: Connection) -> None:
        pending = pending_verifications(connection, model=model)
        if not pending:
            return
        champion = aliases_of(connection, files.endpoint).get("champion")
        checks = checks_as_of(connection, run_id, monitors)
        for planned in pending:
            request = load_action(connection, planned.action_id)
            _judge_by(connection, platform, request, planned, checks, champion)

    return commit


def verify_rows(platform: Platform, event: Event) -> Commit | None:
    """Look whether a snapshot that were made now would hold rows of a feed that was quarantined."""
    action_id = str(event.payload["action_id"])
    with platform.database.reading() as connection:
        request = load_action(connection, action_id)
        planned = verification_of(connection, action_id)
    if planned is None or planned.finished_us is not None:
        return None
    files = platform.files(request.model)
    feeds, since_us = request.effect["feeds"], int(request.effect["since_us"])
    rows = learnable_of_feeds(
        platform.database,
        platform.lake,
        model=files.model,
        contract=files.contract,
        endpoint=files.endpoint,
        feeds=feeds,
        since_us=since_us,
        known_us=platform.now_us(),
    )
    verdict = Verdict.BREACH if rows else Verdict.OK
    text = f"{rows} rows that {', '.join(feeds)} sent since then would be learnt from, expected 0"
    result = Verified(verdict, text, {}, {"rows to learn from": float(rows)})

    def commit(connection: Connection) -> None:
        found = verification_of(connection, action_id)
        if found is not None and found.finished_us is None:
            judge(connection, platform, request, found, result)

    return commit


def _judge_by_recovery(connection: Connection, platform: Platform, event: Event) -> None:
    for planned in pending_verifications(connection, model=str(event.payload["model"])):
        request, promise = load_action(connection, planned.action_id), promise_in(planned)
        mine = request.incident_id == event.payload["incident_id"]
        if not mine or promise is None or promise.measure is not Measure.SIGNALS or promise.strict:
            continue
        if planned.params.get("version") is None and event.at_us >= int(planned.params["ended_us"]):
            before = worst_by_key([Check.from_json(content) for content in planned.params["before"]])
            values = {key.label: check.value for key, check in before.items() if check.value is not None}
            text = "the case is over: all that was in breach has recovered"
            judge(connection, platform, request, planned, Verified(Verdict.OK, text, values, {}))


def _judge_by(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    planned: PlannedVerification,
    checks: Sequence[Check],
    champion: int | None,
) -> None:
    promise = promise_in(planned)
    if promise is not None and promise.measure is Measure.ROWS:
        return
    brought = planned.params.get("version")
    version = champion if brought is None else brought
    after = tuple(check for check in checks if version is None or check.model_version == version)
    before = [Check.from_json(content) for content in planned.params["before"]]
    if brought is not None and champion not in {None, brought} and not after:
        text = f"version {brought} serves no more: version {champion} does, and nothing was measured between the two"
        result = Verified(Verdict.INCONCLUSIVE, text, {}, {})
        judge(connection, platform, request, planned, result, final=True)
        return
    expected = request.predicted_impact if promise is None else promise.expected
    result = verify(
        expected,
        before,
        after,
        ended_us=planned.params.get("ended_us") if brought is None else None,
        strict=promise is not None and promise.strict,
    )
    judge(connection, platform, request, planned, result, after=after)
