"""At every named point a real process is killed, and the next goes on: nothing lost, nothing doubled, nothing stuck.

One story is played once, and at each of its points a process dies: so what a death left is met by the next death. With
``TRIMTAB_CRASHES=each`` the story is also played once for each point, with a death at that point alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.crashes import aftermath
from tests.integration.crashes.march import ACTS, ON_A_BUCKET, play
from tests.integration.crashes.stage import Launcher, Stage
from tests.integration.processes import trimtab

from trimtab.core.crashpoints import POINTS

pytestmark = pytest.mark.timeout(1800)

_STORY = [(act, point) for act, points in ACTS.items() for point in points if point not in ON_A_BUCKET]
_POINTS = [point for _, point in _STORY]
_EACH = pytest.mark.skipif(os.environ.get("TRIMTAB_CRASHES") != "each", reason="set TRIMTAB_CRASHES=each: minutes")


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Stage]:
    """A project whose processes died once at every point."""
    stage = Stage(tmp_path_factory.mktemp("march") / "project", launcher)
    try:
        died = play(stage, _POINTS, after=lambda _: aftermath.chain_holds(stage))
        assert [each.point for each in died] == _POINTS
        yield stage
    finally:
        stage.close()


def test_the_story_reaches_every_point_that_a_lake_in_a_folder_has() -> None:
    assert {*_POINTS} == {point.name for point in POINTS} - {*ON_A_BUCKET}


def test_every_delivered_row_is_in_one_zone_once(survived: Stage) -> None:
    aftermath.rows_are_in_one_zone_once(survived)


def test_every_recorded_answer_is_in_the_lake_once(survived: Stage) -> None:
    aftermath.answers_are_in_the_lake_once(survived)


def test_one_training_makes_one_version_of_one_snapshot(survived: Stage) -> None:
    aftermath.one_version(survived, attempts=3)


def test_mlflow_shows_each_version_once_and_what_serves(survived: Stage) -> None:
    aftermath.mlflow_agrees(survived)


def test_what_was_approved_is_done_once(survived: Stage) -> None:
    aftermath.decisions_are_executed_once(survived)


def test_a_change_of_no_use_is_taken_back_once(survived: Stage) -> None:
    aftermath.the_limit_is_as_it_was(survived)


def test_nothing_is_left_to_do(survived: Stage) -> None:
    aftermath.nothing_is_stuck(survived)


def test_the_audit_log_tells_each_thing_once(survived: Stage) -> None:
    aftermath.told_once(survived)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Stage]:
    """A project in which nobody died, saved before each act."""
    stage = Stage(tmp_path_factory.mktemp("each") / "project", launcher)
    try:
        play(stage, (), before=stage.save)
        yield stage
    finally:
        stage.close()


@_EACH
@pytest.mark.parametrize(("act", "point"), _STORY)
def test_a_death_at_this_point_alone_leaves_nothing_behind(rehearsed: Stage, act: str, point: str) -> None:
    rehearsed.restore(act)
    assert len(play(rehearsed, [point], acts=[act], after=lambda _: aftermath.chain_holds(rehearsed))) == 1
    acts = tuple(ACTS)[: 1 + tuple(ACTS).index(act)]
    aftermath.rows_are_in_one_zone_once(rehearsed)
    aftermath.answers_are_in_the_lake_once(rehearsed)
    if "train" in acts:
        aftermath.one_version(rehearsed, attempts=2 if point in {"training.tuned", "training.bundle_written"} else 1)
    aftermath.mlflow_agrees(rehearsed, acts)
    aftermath.decisions_are_executed_once(rehearsed, acts)
    aftermath.the_limit_is_as_it_was(rehearsed, acts)
    aftermath.nothing_is_stuck(rehearsed)
    aftermath.told_once(rehearsed)


def test_an_unknown_point_is_refused_at_start_with_the_list(tmp_path: Path) -> None:
    said = trimtab("status", project=Path("examples/demo").absolute(), env={"TRIMTAB_CRASH_AT": "ingest.nowhere"})
    assert said.code == 2
    assert "'ingest.nowhere' is no crash point" in said.sentence
    assert "ingest.files_written" in said.sentence
