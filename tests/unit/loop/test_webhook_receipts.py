"""A message that was signed and taken is known again, on both databases, as long as its signature holds."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.config.project import ProjectFolder
from trimtab.config.webhooks import HmacAuth, PayloadKind, WebhookConfig
from trimtab.core.errors import DataContractError
from trimtab.db.tables import audit_entry, webhook_receipt
from trimtab.loop import platform as platform_module
from trimtab.loop.model_files import ModelFiles, load_model_files
from trimtab.loop.webhook_receipts import take_message
from trimtab.remediation.incidents import IncidentState
from trimtab.remediation.store import list_incidents

WEBHOOK = WebhookConfig(name="script", payload=PayloadKind.GENERIC, auth=HmacAuth(type="hmac", secrets=("${A}",)))
DIGEST, OTHER = "a" * 64, "b" * 64


def body(world: World, name: str = "export failed") -> bytes:
    alert = {"name": name, "starts_at": world.clock.now().isoformat(), "labels": {"model": MODEL}}
    return json.dumps({"alerts": [alert]}).encode()


def receipts(world: World) -> int:
    query = select(func.count()).select_from(webhook_receipt)
    return world.platform.database.read(lambda connection: connection.execute(query).scalar_one())


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_message_is_taken_once_and_answered_twice(world: World) -> None:
    first = take_message(world.platform, WEBHOOK, body(world), DIGEST)
    assert ([one["result"] for one in first["alerts"]], first["replayed"]) == (["opened"], False)
    # What stands in it does not matter any more: it is known by what was signed.
    assert take_message(world.platform, WEBHOOK, b"", DIGEST) == first | {"replayed": True}
    assert dict(world.platform.doors.taken) == {("script", "opened"): 1}
    again = take_message(world.platform, WEBHOOK, body(world), OTHER)
    assert ([one["result"] for one in again["alerts"]], again["replayed"]) == (["repeated"], False)
    elsewhere = WEBHOOK.model_copy(update={"name": "another"})
    assert take_message(world.platform, elsewhere, body(world), DIGEST)["replayed"] is False


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_receipt_goes_when_its_message_would_be_late_anyway(world: World) -> None:
    take_message(world.platform, WEBHOOK, body(world), DIGEST)
    with world.platform.database.transaction() as connection:
        aged = webhook_receipt.c.received_us - 601_000_000
        connection.execute(update(webhook_receipt).values(received_us=aged))
    take_message(world.platform, WEBHOOK, body(world, "another"), OTHER)
    assert receipts(world) == 1


def test_what_cannot_be_used_and_what_a_bearer_brings_leave_no_receipt(world: World) -> None:
    with pytest.raises(DataContractError, match="no JSON"):
        take_message(world.platform, WEBHOOK, b"hello", DIGEST)
    assert take_message(world.platform, WEBHOOK, body(world), None)["replayed"] is False
    assert receipts(world) == 0


def storm(world: World, alerts: int) -> bytes:
    began = world.clock.now().isoformat()
    told = [{"name": f"A{number}", "starts_at": began, "labels": {"model": MODEL}} for number in range(alerts)]
    return json.dumps({"alerts": told}).encode()


def test_a_storm_is_taken_in_pieces_and_reads_the_models_files_once_while_nobody_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[bool] = []

    def read(project: ProjectFolder, model: str) -> ModelFiles:
        locked.append(world.platform.database.writer.locked())
        return load_model_files(project, model)

    monkeypatch.setattr(platform_module, "load_model_files", read)
    first = take_message(world.platform, WEBHOOK, storm(world, 120), DIGEST)
    assert locked == [False]
    assert [one["result"] for one in first["alerts"]] == ["opened", *["joined"] * 119]
    changes = (
        select(audit_entry.c.action)
        .where(audit_entry.c.action.startswith("incident."))
        .order_by(audit_entry.c.sequence)
    )
    written = world.platform.database.read(lambda connection: connection.execute(changes).scalars().all())
    assert written == ["incident.opened", "incident.updated", "incident.updated"]
    assert take_message(world.platform, WEBHOOK, b"", DIGEST) == first | {"replayed": True}


def test_a_message_that_was_taken_in_part_is_taken_to_its_end_when_it_comes_again(world: World) -> None:
    whole = storm(world, 70)
    alerts = json.loads(whole)["alerts"]
    take_message(world.platform, WEBHOOK, json.dumps({"alerts": alerts[:50]}).encode(), OTHER)
    again = take_message(world.platform, WEBHOOK, whole, DIGEST)
    assert [one["result"] for one in again["alerts"]] == [*["repeated"] * 50, *["joined"] * 20]
    assert len({one["incident_id"] for one in again["alerts"]}) == 1


def test_a_case_does_not_grow_with_a_storm_and_is_over_when_all_of_it_is(world: World) -> None:
    world.version(1)
    began = world.clock.now().isoformat()

    def told(first: int, **more: str) -> list[str]:
        alerts = [
            {"name": f"A{number}", "starts_at": began, "labels": {"model": MODEL}, **more}
            for number in range(first, first + 100)
        ]
        answer = take_message(world.platform, WEBHOOK, json.dumps({"alerts": alerts}).encode(), None)
        world.deliver()
        return [one["result"] for one in answer["alerts"]]

    sizes = []
    for first in range(0, 800, 100):
        assert set(told(first)) <= {"opened", "joined"}
        [case] = world.platform.database.read(list_incidents)
        sizes.append(sum(len(list(part)) for part in (case.signals, case.alerts)))
    assert sizes == [200, *[400] * 7]
    assert len(case.beyond) == 600
    assert case.diagnosis is not None
    assert "and 799 more" in case.title
    world.clock.advance(timedelta(minutes=5))
    ends = {"status": "resolved", "ends_at": world.clock.now().isoformat()}
    for first in (700, *range(0, 700, 100)):
        assert case.state.is_open
        assert set(told(first, **ends)) == {"recovered"}
        [case] = world.platform.database.read(list_incidents)
    assert case.state is IncidentState.RESOLVED
    assert not case.beyond
    assert world.unfinished() == []
