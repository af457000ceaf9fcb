"""The weekly digest tells the figures of what served, and counts what it does not list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import World

from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError
from trimtab.db.tables import incident
from trimtab.loop.reporting import weekly
from trimtab.loop.reporting.weekly import weekly_data
from trimtab.reports.weekly import WeeklyModel, weekly_report


def serve(world: World) -> None:
    """Have version 1 serve, and version 2 be there beside it."""
    deploying = Deploying.on(world)
    deploying.bring_in(1)
    deploying.register(2)


def of_week(world: World) -> WeeklyModel:
    [found] = weekly_data(world.platform, "2030-01-08").models
    return found


def measured(world: World, value: float, *, metric: str = "accuracy", version: int = 1) -> None:
    check = world.check(
        Verdict.OK, kind="model_quality", version=version, value=value, detail={"metric": metric, "labelled": 99}
    )
    world.checked(check)
    world.clock.advance(timedelta(minutes=10))


def over(world: World, *, times: int) -> None:
    """Have as many cases that are over, each like the one that is open."""
    with world.platform.database.transaction() as connection:
        [case] = connection.execute(select(incident)).mappings()
        for number in range(1, times + 1):
            moments = {"opened_us": case["opened_us"] - number, "closed_us": world.platform.now_us()}
            copy = {**case, "id": world.platform.new_id(), "state": "resolved", **moments}
            connection.execute(insert(incident).values(**copy))


def test_quality_is_that_of_the_version_that_served(world: World) -> None:
    serve(world)
    assert of_week(world).serves.startswith("version 1"), "else there is nothing to tell apart"
    measured(world, 0.8)
    measured(world, 0.2, version=2)
    assert [(one.metric, one.now) for one in of_week(world).quality] == [("accuracy", 0.8)]


def test_a_metric_that_is_seldom_measured_does_not_disappear(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weekly, "_MOST_ROWS", 3)
    serve(world)
    measured(world, 0.7, metric="f1")
    for step in range(5):
        measured(world, 0.8 + step / 100)
    assert {one.metric: one.now for one in of_week(world).quality} == {"f1": 0.7, "accuracy": pytest.approx(0.84)}


def test_what_is_not_listed_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(world)
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver()
    over(world, times=2)
    whole = weekly_data(world.platform, "2030-01-08")
    cases, actions = whole.models[0].cases, whole.models[0].actions
    assert len(cases) == 3
    monkeypatch.setattr(weekly, "_MOST_ROWS", 1)
    cut = weekly_data(world.platform, "2030-01-08")
    [model] = cut.models
    assert (len(model.cases), model.case_count) == (1, len(cases))
    assert len(model.actions) + model.unlisted.actions == len(actions)
    assert (cut.open_cases, cut.waiting) == (whole.open_cases, whole.waiting)
    page = weekly_report(cut)
    assert "Not listed above: 2 cases (0 still open)" in page
    assert f"3 cases, of which {whole.open_cases} still open" in page


def test_a_running_week_says_so_and_one_to_come_is_refused(world: World) -> None:
    assert world.platform.clock.now().isoformat()[:10] == "2030-01-01"
    running = weekly_report(weekly_data(world.platform, "2030-01-07"))
    assert "The week from 2029-12-31 to 2030-01-06, so far" in running
    over = weekly_report(weekly_data(world.platform, "2030-01-01"))
    assert "The week from 2029-12-25 to 2029-12-31<" in over
    assert "so far" not in over
    with pytest.raises(ConfigError, match="begins on 2030-01-02, and today is 2030-01-01; expected a day up to"):
        weekly_data(world.platform, "2030-01-09")
