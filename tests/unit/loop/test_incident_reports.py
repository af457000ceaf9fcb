"""The report of an open case says what is known of it now, not when it was first written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from tests.unit.loop.projects import HOUR_US, MODEL, World
from tests.unit.reports.pages import read

from trimtab.core.enums import Role, Verdict
from trimtab.db.tables import report
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.reporting.incident import incident_data
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.remediation.incidents import Incident
from trimtab.remediation.store import list_incidents

_VIEWER = Actor("eve", Role.VIEWER)
_OPERATOR = Actor("otto", Role.OPERATOR)


def told(world: World) -> tuple[str, int]:
    """What the only report says, and when it was written."""
    [found] = world.platform.database.read(lambda connection: connection.execute(select(report)).all())
    return (world.platform.project.reports / found.path).read_text("utf-8"), found.at_us


def breach(world: World, began_us: int | None = None) -> None:
    cause = Cause(
        kind=CauseKind.UNIT_CHANGE,
        column="age",
        factor=12.0,
        known_unit="years → months (× 12)",
        since_us=began_us,
        until_us=None,
        since_row_share=1.0,
        explanation="age was multiplied by 12",
    )
    causes = [] if began_us is None else [cause.to_json()]
    world.checked(world.check(Verdict.BREACH, column="age", detail={"causes": causes}))
    world.deliver()
    assert world.unfinished() == []


def test_the_report_is_written_anew_when_the_cause_is_found(world: World) -> None:
    world.version(1)
    breach(world)
    first, written_us = told(world)
    assert "cause unknown" in first
    assert "First seen in the window from" in first
    assert "found after" not in first, "when in the window it began is not known"
    world.clock.advance(timedelta(minutes=7))
    breach(world)
    assert told(world) == (first, written_us), "nothing else is known"
    world.clock.advance(timedelta(minutes=7))
    breach(world, world.platform.now_us() - HOUR_US // 2)
    now, rewritten_us = told(world)
    assert "Unit change" in now
    assert "years → months" in now
    assert "Began" in now
    assert rewritten_us == world.platform.now_us()
    [incident] = perform(world.platform, _VIEWER, "incidents.list", {"model": MODEL})["incidents"]
    assert incident["title"] in now


def text(world: World) -> str:
    """What the newest report says, without its marks."""
    incident = case(world)
    made = perform(world.platform, _OPERATOR, "reports.make", {"kind": "incident", "subject": incident.id})
    [found] = world.platform.database.read(
        lambda connection: connection.execute(select(report).where(report.c.id == made["report_id"])).all()
    )
    return read((world.platform.project.reports / found.path).read_text("utf-8")).text


def case(world: World) -> Incident:
    [found] = world.platform.database.read(list_incidents)
    return found


def test_a_case_that_a_person_began_and_a_monitor_joined_has_a_report(world: World) -> None:
    world.version(1)
    perform(
        world.platform, _OPERATOR, "incidents.open", {"model": MODEL, "title": "answers look odd", "severity": "high"}
    )
    world.deliver()
    world.clock.advance(timedelta(hours=1))
    world.checked(
        world.check(Verdict.BREACH, column="age"), world.check(Verdict.BREACH, kind="data_quality", column="age")
    )
    world.deliver()
    assert world.unfinished() == []
    assert "Incident report" in text(world)


def test_who_closes_a_case_in_breach_is_named_and_nothing_has_recovered(world: World) -> None:
    world.version(1)
    breach(world)
    perform(world.platform, _OPERATOR, "incidents.close", {"incident_id": case(world).id, "reason": "known since May"})
    world.deliver()
    page = text(world)
    assert "otto closed it: known since May" in page
    assert "not known to be right again: data_drift of age" in page
    assert "recovered" not in page


def test_the_badge_says_the_level_of_the_diagnosis(world: World) -> None:
    world.version(1)
    breach(world)
    found = case(world)
    assert found.diagnosis is not None
    assert found.loudest.value == "high"
    assert found.diagnosis.level.value == "medium"
    assert "Medium severity" in text(world)
    assert "High severity" not in text(world)


def test_each_version_is_drawn_with_its_own_limit(world: World) -> None:
    for number, (threshold, baseline) in enumerate(((0.696, 0.87), (0.6378, 0.797)), start=1):
        world.version(number)
        found = world.check(
            Verdict.BREACH,
            kind="model_quality",
            version=number,
            value=0.5,
            detail={"metric": "accuracy", "baseline": baseline, "labelled": 100},
        )
        world.checked(replace(found, threshold=threshold))
        world.deliver()
        world.clock.advance(timedelta(hours=1))
    [chart] = incident_data(world.platform, case(world).id).quality
    assert [limit for _, limit in chart.limits] == [0.696, 0.6378]
    assert [baseline for _, baseline in chart.baselines] == [0.87, 0.797]
    page = text(world)
    for told in ("0.696", "0.6378", "0.87", "0.797"):
        assert told in page, told
