"""The report of an open case says what is known of it now, not when it was first written."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.core.enums import Role, Verdict
from trimtab.db.tables import report
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.monitoring.cause import Cause, CauseKind

_VIEWER = Actor("eve", Role.VIEWER)


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
