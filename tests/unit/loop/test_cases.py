"""What is no check of ours makes cases too: failed jobs, a person's word; and alerts of tables join theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Severity, Verdict
from trimtab.core.errors import ConfigError, NotFoundError, PermissionDeniedError
from trimtab.db.tables import job
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.alerts import Alert
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.kinds import Family
from trimtab.remediation.store import list_incidents, save_alert

_DANA = Actor("dana", Role.OPERATOR)


def _cases(world: World) -> list[Incident]:
    return world.platform.database.read(lambda connection: list_incidents(connection))


def _job_ended(world: World, name: str, state: str, *, action: str | None = None, error: str | None = None) -> None:
    """End a job as `advance_jobs` does; ``name`` is its id."""
    at_us = world.platform.now_us()
    with world.platform.database.transaction() as connection:
        connection.execute(
            insert(job).values(
                id=name,
                kind="training",
                model=MODEL,
                idempotency_key=name,
                state=state,
                out_dir="x",
                created_us=at_us,
                finished_us=at_us,
                error=error,
                spec={"action_id": action, "result": {"status": "rejected_by_gate"}},
            )
        )
        payload = {"job_id": name, "state": state}
        world.platform.publish(connection, "job.finished", f"model:{MODEL}", payload)
    world.deliver("failures", "remediation", "messages", "evidence")


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_failed_job_opens_a_case_that_the_next_good_one_closes(world: World) -> None:
    _job_ended(world, "j1", "cancelled")
    assert _cases(world) == []
    _job_ended(world, "j2", "failed", error="no rows\nat all")
    (case,) = _cases(world)
    assert (case.family, case.loudest, case.state) == (Family.PIPELINE, Severity.MEDIUM, IncidentState.OPEN)
    assert case.evidence[0].explanation == "training failed: no rows at all"
    world.clock.advance(timedelta(minutes=5))
    _job_ended(world, "j3", "failed", error="still none", action="a1")
    assert [one.loudest for one in _cases(world)] == [Severity.HIGH], "what the loop had planned is missing, unseen"
    world.clock.advance(timedelta(minutes=5))
    _job_ended(world, "j4", "succeeded")
    assert _cases(world)[0].state is IncidentState.RESOLVED


def test_a_bundle_that_is_not_what_its_result_says_is_a_failed_job(world: World) -> None:
    with world.platform.database.transaction() as connection:
        at_us = world.platform.now_us()
        connection.execute(
            insert(job).values(
                id="j1",
                kind="training",
                model=MODEL,
                idempotency_key="j1",
                state="succeeded",
                out_dir="x",
                created_us=at_us,
                finished_us=at_us,
                spec={"result": {"status": "succeeded", "bundle_dir": "/nowhere", "digest": "0" * 64}},
            )
        )
        world.platform.publish(connection, "job.finished", f"model:{MODEL}", {"job_id": "j1", "state": "succeeded"})
    world.deliver("failures", "adoption")
    (case,) = _cases(world)
    assert (case.family, case.state) == (Family.PIPELINE, IncidentState.OPEN)
    assert "bundle not adopted" in case.evidence[0].explanation


def test_a_job_of_a_model_whose_files_cannot_be_read_is_told_all_the_same(world: World) -> None:
    (world.platform.project.model_folder(MODEL) / "contract.yaml").write_text("columns: 5")
    payload = {"job_id": "j1", "state": "failed"}
    with world.platform.database.transaction() as connection:
        connection.execute(
            insert(job).values(
                id="j1", kind="training", model=MODEL, idempotency_key="j1", state="failed", out_dir="x", created_us=0
            )
        )
        world.platform.publish(connection, "job.finished", f"model:{MODEL}", payload)
    world.deliver("failures")
    assert _cases(world)[0].endpoint == MODEL


def _open(world: World, actor: Actor = _DANA, **fields: object) -> JsonObject:
    return perform(world.platform, actor, "incidents.open", {"model": MODEL, "title": "answers look odd", **fields})


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_person_opens_a_case_and_only_a_person_closes_it(world: World) -> None:
    opened = _open(world)
    assert (opened["family"], opened["joined"]) == ("model", False)
    assert _open(world, title="and slow, too")["joined"]
    world.checked(world.check(Verdict.BREACH))
    world.deliver()
    world.clock.advance(timedelta(hours=1))
    world.checked(world.check(Verdict.OK))
    world.deliver()
    assert not world.unfinished()
    (case,) = _cases(world)
    assert case.state.is_open, "no check can say that what a person saw is over"
    perform(world.platform, _DANA, "incidents.close", {"incident_id": str(opened["incident_id"]), "reason": "seen to"})
    assert _cases(world)[0].state is IncidentState.CLOSED


def test_a_report_needs_a_known_model_a_sentence_and_an_operator(world: World) -> None:
    with pytest.raises(NotFoundError):
        _open(world, model="nobody")
    for bad in ({"title": ""}, {"title": "a\x1b[2J"}, {"family": "pets"}, {"severity": "loud"}):
        with pytest.raises(ConfigError):
            _open(world, _DANA, **bad)
    with pytest.raises(PermissionDeniedError):
        _open(world, Actor("eve", Role.VIEWER))
    assert _cases(world) == []


def _alert(world: World, name: str, *, endpoint: str | None, hours_ago: float) -> None:
    alert = Alert(
        id=name,
        dedup_key=name,
        kind="rows_quarantined",
        severity=Severity.MEDIUM,
        title=name,
        at_us=world.platform.now_us() - int(hours_ago * 3_600_000_000),
        model=MODEL,
        endpoint=endpoint,
        detail={"reasons": {"chol: 5.8 is below 100": 7}},
    )
    with world.platform.database.transaction() as connection:
        save_alert(connection, alert)


def test_alerts_of_tables_join_the_case_of_the_model_that_they_feed(world: World) -> None:
    _alert(world, "table", endpoint=None, hours_ago=0.9)
    _alert(world, "records", endpoint=MODEL, hours_ago=0.5)
    _alert(world, "elsewhere", endpoint="other", hours_ago=0.5)
    _alert(world, "long-ago", endpoint=None, hours_ago=9)
    world.checked(world.check(Verdict.BREACH), world.check(Verdict.BREACH, kind="latency"))
    world.deliver("incidents")
    attached = {case.family: case.alerts for case in _cases(world)}
    assert attached == {Family.MODEL: ("table", "records"), Family.SERVICE: ()}


def _as_of(world: World, check: Check, *, hours: float) -> Check:
    """Return the check of the hour that ends so many hours from now."""
    end_us = world.platform.now_us() + int(hours * 3_600_000_000)
    return replace(check, window=Window(end_us - 3_600_000_000, end_us))


def _looked(world: World, *checks: Check) -> list[IncidentState]:
    world.checked(*checks)
    world.deliver("incidents")
    return [one.state for one in _cases(world)]


def test_a_look_at_the_past_opens_no_case_about_what_is_over(world: World) -> None:
    breach, ok = world.check(Verdict.BREACH), world.check(Verdict.OK)
    assert _looked(world, ok) == []
    assert _looked(world, _as_of(world, breach, hours=-9)) == []
    late = replace(_as_of(world, breach, hours=-5), detail={"late": True})
    assert _looked(world, late, _as_of(world, world.check(Verdict.INCONCLUSIVE), hours=0)) == []
    other = replace(breach, column="age")
    assert _looked(world, _as_of(world, other, hours=-9)) == [IncidentState.OPEN], "of that nobody knows better"


def test_a_look_at_the_past_neither_ends_nor_opens_a_case_of_the_present(world: World) -> None:
    breach, ok = world.check(Verdict.BREACH), world.check(Verdict.OK)
    assert _looked(world, breach) == [IncidentState.OPEN]
    assert _looked(world, _as_of(world, ok, hours=-2)) == [IncidentState.OPEN]
    world.clock.advance(timedelta(hours=1))
    assert _looked(world, _as_of(world, ok, hours=0)) == [IncidentState.RESOLVED]
    assert _looked(world, _as_of(world, breach, hours=-0.5)) == [IncidentState.RESOLVED]


def test_a_look_at_a_moment_that_has_not_come_changes_no_case(world: World) -> None:
    """Else a slip of a year would keep its case open for a year, and hide all that breaches until then."""
    assert _looked(world, _as_of(world, world.check(Verdict.BREACH), hours=9_000)) == []
    assert _looked(world, world.check(Verdict.BREACH)) == [IncidentState.OPEN]
    assert _looked(world, _as_of(world, world.check(Verdict.OK), hours=9_000)) == [IncidentState.OPEN]
