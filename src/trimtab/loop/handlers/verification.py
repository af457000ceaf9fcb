"""Whether actions helped: planned when they end, judged with the first checks that speak of what they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.lake.learnable import learnable_of_feeds
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.loop.verifying import judge, plan, promise_in
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.store import checks_as_of
from trimtab.remediation.action_store import (
    PlannedVerification,
    load_action,
    pending_verifications,
    verification_of,
)
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.promises import Measure
from trimtab.remediation.store import load_incident
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
    if model not in platform.project.model_names:
        # It was removed since: what is still to be verified is given up in time.
        return None
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
    if planned is None or planned.finished_us is not None or request.model not in platform.project.model_names:
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
    """Judge the actions on a case that nothing measures but the outside alerts that it is about: all have ended."""
    for planned in pending_verifications(connection, model=str(event.payload["model"])):
        request, promise = load_action(connection, planned.action_id), promise_in(planned)
        if request.incident_id != event.payload["incident_id"] or promise is None or promise.strict:
            continue
        if promise.signals and all(key.kind == FROM_OUTSIDE for key in promise.signals):
            result = _held_against(request, planned, _alerts_now(connection, request))
            # They end once: what ended before the action did is no word for it, and no better one will come.
            judge(connection, platform, request, planned, result, final=True)


def _alerts_now(connection: Connection, request: ActionRequest) -> tuple[Check, ...]:
    """Return what the outside alerts of the action's case say now: in breach while they fire, OK from their end on."""
    if request.incident_id is None:
        return ()
    signals = load_incident(connection, request.incident_id).signals
    return tuple(
        signal.check
        if (ended_us := signal.recovered_us) is None
        else replace(signal.check, verdict=Verdict.OK, window=Window(ended_us, ended_us))
        for signal in signals
        if signal.key.kind == FROM_OUTSIDE
    )


def _held_against(request: ActionRequest, planned: PlannedVerification, after: Sequence[Check]) -> Verified:
    promise, params = promise_in(planned), planned.params
    return verify(
        request.predicted_impact if promise is None else promise.expected,
        [Check.from_json(content) for content in params["before"]],
        after,
        since_us=params["since_us"] if "since_us" in params else _since_us(request, params),
        strict=promise is not None and promise.strict,
    )


def _since_us(request: ActionRequest, params: JsonObject) -> int | None:
    """Return from when on what is measured speaks of an action whose verification was planned before that was kept."""
    is_fresh = params.get("version") is not None and request.kind not in {ActionKind.ROLL_BACK, ActionKind.REINSTATE}
    return None if is_fresh else params.get("ended_us")


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
    if brought is not None and champion not in {None, brought} and not after:
        text = f"version {brought} serves no more: version {champion} does, and nothing was measured between the two"
        result = Verified(Verdict.INCONCLUSIVE, text, {}, {})
        judge(connection, platform, request, planned, result, final=True)
        return
    result = _held_against(request, planned, (*after, *_alerts_now(connection, request)))
    judge(connection, platform, request, planned, result, after=after)
