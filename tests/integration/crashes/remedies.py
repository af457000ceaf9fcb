"""What people and programs do in the acts about a remedy: an alert, a case, a change, its approval, and its failure."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from trimtab.config.webhooks import BearerAuth, WebhookConfig
from trimtab.core.canonical import digest_of
from trimtab.core.enums import Role, Severity, Verdict
from trimtab.core.errors import TrimtabError
from trimtab.db.tables import check_result, report
from trimtab.loop.approval_links import link_key, use_link
from trimtab.loop.conductor import deliver_once
from trimtab.loop.gate import propose
from trimtab.loop.keys import create_key, person_named
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.loop.reporting.printing import print_report
from trimtab.loop.subscriptions import HANDLERS
from trimtab.loop.webhook_receipts import take_message
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.store import save_checks
from trimtab.remediation.action_store import list_actions, verification_of
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Family, Origin
from trimtab.remediation.link import Link, token_of
from trimtab.remediation.link_store import save_link
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import list_incidents
from trimtab.remediation.votes import Word
from trimtab.reports.store import unprinted

__all__ = ["FILE", "change_a_limit", "see_that_it_was_no_use"]

FILE = "monitoring_config.yaml"
_VERA = "vera"
_HOUR_US = 3_600_000_000


def change_a_limit(platform: Platform, model: str) -> None:
    """An alert comes, a monitor breaches, a limit is to be changed, and its approver follows a link; each once."""
    _alert(platform, model)
    if not _runs(platform, model):
        _checked(platform, model)
    while deliver_once(platform, HANDLERS, "incidents"):
        pass
    request = _asked(platform, model)
    if request is None:
        _ask(platform, model)
        request = _asked(platform, model)
    assert request is not None
    if request.state is ActionState.WAITING_APPROVAL:
        token = _token(platform, request)
        with platform.database.transaction() as connection:
            use_link(connection, platform, token, comment="yes")


def see_that_it_was_no_use(platform: Platform, model: str) -> None:
    """What breached still does, after the change; and a report is printed."""
    request = _asked(platform, model)
    assert request is not None
    with platform.database.reading() as connection:
        planned = verification_of(connection, request.id)
        waits = planned is not None and planned.result is None
        printed = any((row.spec or {}).get("printed") for row in connection.execute(select(report)).all())
        due = None if printed else unprinted(connection)
    if waits and len(_runs(platform, model)) < 2:
        _checked(platform, model)
    if due is not None:
        # Where nothing can print, that is noted, and the page stays.
        with contextlib.suppress(TrimtabError):
            print_report(platform, due)


def _alert(platform: Platform, model: str) -> None:
    labels = {"alertname": "SlowDisk", "model": model, "severity": "warning"}
    moment = datetime.fromtimestamp(platform.now_us() // _HOUR_US * 3600, UTC)
    alert = {"status": "firing", "labels": labels, "annotations": {}, "startsAt": moment.isoformat()}
    body = _kept(platform, "alert.json", json.dumps({"version": "4", "status": "firing", "alerts": [alert]}))
    webhook = WebhookConfig(name="alertmanager", auth=BearerAuth(type="bearer", secrets=("${SECRET}",)))
    take_message(platform, webhook, body.encode(), digest_of(body))


def _checked(platform: Platform, model: str) -> None:
    now_us = platform.now_us()
    with platform.database.transaction() as connection:
        version = aliases_of(connection, model)["champion"]
        check = Check(
            monitor="latency",
            kind="latency",
            model=model,
            endpoint=model,
            variant=f"v{version}",
            model_version=version,
            column=None,
            window=Window(now_us, now_us + 1),
            value=900.0,
            threshold=200.0,
            effect=4.5,
            verdict=Verdict.BREACH,
            severity=Severity.HIGH,
            explanation="p95 is 900 ms",
            detail={"percentile": "p95"},
        )
        run_id = platform.new_id()
        save_checks(connection, [check], at=platform.clock.now(), ids=platform.new_id, run_id=run_id)
        payload = {"run_id": run_id, "model": model, "endpoint": model}
        platform.publish(connection, "checks.completed", f"model:{model}", payload)


def _ask(platform: Platform, model: str) -> None:
    with platform.database.transaction() as connection:
        cases = list_incidents(connection, model=model, open_only=True)
        [case] = [one for one in cases if one.family is Family.SERVICE]
        proposal = Proposal(origin=Origin.PERSON, model=model, action=ActionKind.CHANGE_CONFIG)
        context = RequestContext(
            requested_by="otto",
            owner="otto",
            purpose={},
            endpoint=model,
            incident_id=case.id,
            params={ActionKind.CHANGE_CONFIG: {"file": FILE, "set": {"monitors.1.limits.accuracy": 0.55}}},
        )
        propose(connection, platform, proposal, context)


def _token(platform: Platform, request: ActionRequest) -> str:
    """Return the token of a link that was sent to the approver, who keeps it."""
    path = platform.project.root / "link.txt"
    if path.is_file():
        return path.read_text()
    until_us = platform.now_us() + _HOUR_US
    link = Link(platform.new_id(), request.id, _VERA, Word.APPROVE, platform.now_us(), until_us)
    token = token_of(link_key(platform.project), link)
    with platform.database.transaction() as connection:
        if person_named(connection, _VERA) is None:
            create_key(connection, _VERA, Role.APPROVER, at_us=platform.now_us())
        save_link(connection, link, token)
    return _kept(platform, path.name, token)


def _kept(platform: Platform, name: str, text: str) -> str:
    path: Path = platform.project.root / name
    if not path.is_file():
        path.write_text(text)
    return path.read_text()


def _asked(platform: Platform, model: str) -> ActionRequest | None:
    with platform.database.reading() as connection:
        found = list_actions(connection, model=model, kind=ActionKind.CHANGE_CONFIG)
    return next((one for one in found if one.undoes is None), None)


def _runs(platform: Platform, model: str) -> list[str]:
    query = select(check_result.c.run_id).where(check_result.c.model == model, check_result.c.kind == "latency")
    return list(platform.database.read(lambda c: c.execute(query.distinct()).scalars().all()))
