"""At every named point a real process is killed, and the next goes on: nothing lost, nothing doubled, nothing stuck.

One story is played once, and at each of its points a process dies: so what a death left is met by the next death. With
``TRIMTAB_CRASHES=each`` the story is also played once for each point, with a death at that point alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.integration.crashes.flows import MODEL
from tests.integration.crashes.march import ACTS, ON_A_BUCKET, play
from tests.integration.crashes.stage import BROKEN, ROWS, Launcher, Stage
from tests.integration.processes import trimtab

from trimtab.audit import log as audit
from trimtab.audit.checkpoint import newest_checkpoint
from trimtab.core.crashpoints import POINTS
from trimtab.db.tables import (
    action_grant,
    action_request,
    alert,
    audit_entry,
    check_result,
    delivery,
    event,
    event_delivery,
    job,
    model_version,
    queue_message,
    rollout,
    snapshot,
    verification,
)
from trimtab.registry.projection import MlflowProjection
from trimtab.rollout.endpoint_store import list_desired

pytestmark = pytest.mark.timeout(600)

_STORY = [point for points in ACTS.values() for point in points]
_ALL = tuple(ACTS)
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
        died = play(stage, _STORY, after=lambda _: _chain_holds(stage))
        assert [each.point for each in died] == _STORY
        yield stage
    finally:
        stage.close()


def _chain_holds(stage: Stage) -> None:
    with stage.platform.database.reading() as connection:
        found = audit.verify(connection, checkpoint=newest_checkpoint(stage.project.lake / "audit"))
    assert found.ok, found.problem


def test_the_story_reaches_every_point_that_a_lake_in_a_folder_has() -> None:
    assert Counter([*_STORY, *ON_A_BUCKET]) == Counter(point.name for point in POINTS)


def test_every_delivered_row_is_in_one_zone_once(survived: Stage) -> None:
    _rows_are_in_one_zone_once(survived)


def test_every_recorded_answer_is_in_the_lake_once(survived: Stage) -> None:
    _answers_are_in_the_lake_once(survived)


def test_one_training_makes_one_version_of_one_snapshot(survived: Stage) -> None:
    _one_version(survived, attempts=3)


def test_mlflow_shows_each_version_once_and_what_serves(survived: Stage) -> None:
    _mlflow_agrees(survived)


def test_what_was_approved_is_done_once(survived: Stage) -> None:
    _decisions_are_executed_once(survived)


def test_nothing_is_left_to_do(survived: Stage) -> None:
    _nothing_is_stuck(survived)


def test_the_audit_log_tells_each_thing_once(survived: Stage) -> None:
    _told_once(survived)


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
@pytest.mark.parametrize(("act", "point"), [(act, point) for act, points in ACTS.items() for point in points])
def test_a_death_at_this_point_alone_leaves_nothing_behind(rehearsed: Stage, act: str, point: str) -> None:
    rehearsed.restore(act)
    assert len(play(rehearsed, [point], acts=[act], after=lambda _: _chain_holds(rehearsed))) == 1
    acts = tuple(ACTS)[: 1 + tuple(ACTS).index(act)]
    _rows_are_in_one_zone_once(rehearsed)
    _answers_are_in_the_lake_once(rehearsed)
    if "train" in acts:
        _one_version(rehearsed, attempts=2 if point in {"training.tuned", "training.bundle_written"} else 1)
    _mlflow_agrees(rehearsed, acts)
    _decisions_are_executed_once(rehearsed, acts)
    _nothing_is_stuck(rehearsed)
    _told_once(rehearsed)


def test_an_unknown_point_is_refused_at_start_with_the_list(tmp_path: Path) -> None:
    said = trimtab("status", project=Path("examples/demo").absolute(), env={"TRIMTAB_CRASH_AT": "ingest.nowhere"})
    assert said.code == 2
    assert "'ingest.nowhere' is no crash point" in said.sentence
    assert "ingest.files_written" in said.sentence


def _rows_are_in_one_zone_once(stage: Stage) -> None:
    passed = [row["row_id"] for row in stage.lake_rows("processed/tables", "row_id")]
    broken = [row["row_id"] for row in stage.lake_rows("quarantine/tables", "row_id")]
    files = range(stage.files)
    assert sorted(passed) == sorted(f"f{file}r{row}" for file in files for row in range(BROKEN, ROWS))
    assert sorted(broken) == sorted(f"f{file}r{row}" for file in files for row in range(BROKEN))
    deliveries = [row for row in stage.rows(delivery) if row["kind"] == "table"]
    assert [(row["rows"], row["rows_quarantined"]) for row in deliveries] == [(ROWS, BROKEN)] * stage.files
    assert len([row for row in stage.rows(alert) if row["kind"] == "rows_quarantined"]) == stage.files


def _answers_are_in_the_lake_once(stage: Stage) -> None:
    rows = stage.lake_rows("processed/records", "prediction_id", "record_key")
    ids = Counter(row["prediction_id"] for row in rows)
    keys = {row["record_key"] for row in rows}
    assert max(ids.values()) == 1
    assert stage.answered.keys() <= ids.keys(), "a client has an answer of which there is no record"
    assert stage.shipped <= keys
    assert keys - stage.shipped - set(stage.answered.values()) <= stage.unanswered, "a record that nobody asked for"
    assert not stage.lake_rows("quarantine/records", "record_key")


def _one_version(stage: Stage, *, attempts: int) -> None:
    [trained] = [row for row in stage.rows(job) if row["id"] != "j1" and row["spec"]["action_id"] is None]
    assert (trained["state"], trained["attempt"]) == ("succeeded", attempts)
    assert [row["number"] for row in stage.rows(model_version) if row["job_id"] == trained["id"]] == [2]
    used = [row["spec"]["request"]["snapshot_id"] for row in stage.rows(job) if row["id"] != "j1"]
    assert set(used) == {row["id"] for row in stage.rows(snapshot) if row["id"] != "s1"}
    assert [path.name for path in (stage.project.lake / "snapshots" / MODEL).iterdir() if path.is_dir()]


def _mlflow_agrees(stage: Stage, acts: Sequence[str] = _ALL) -> None:
    client = MlflowProjection(stage.project.mlflow_uri)._client
    entries = client.search_model_versions(f"name = '{MODEL}'")
    numbers = {entry.version: entry.tags["trimtab.version"] for entry in entries}
    assert sorted(numbers.values()) == [str(number) for number in range(1, 2 + ("train" in acts) + ("retrain" in acts))]
    aliases = client.get_registered_model(MODEL).aliases
    assert {name: int(numbers[version]) for name, version in aliases.items()} == {"champion": _released(acts)[-1]}


def _released(acts: Sequence[str]) -> list[int]:
    """Return which versions were rolled out, one after the other."""
    # What the retraining brings answers as what serves does, and is refused: it is no better.
    each = (("release", 2), ("go_back", 1))
    return [1, *(number for act, number in each if act in acts)]


def _decisions_are_executed_once(stage: Stage, acts: Sequence[str] = _ALL) -> None:
    decided = [(row["number"], row["decided_by"]) for row in stage.rows(model_version) if row["decided_by"]]
    each = (("release", (2, "vera")), ("retrain", (3, "policy")))
    assert sorted(decided) == [(1, "dana"), *(decision for act, decision in each if act in acts)]
    kinds = {"roll_back": "go_back", "retrain": "retrain"}
    rows = [row for row in stage.rows(action_request) if row["kind"] in kinds]
    actions = [(row["kind"], row["state"], row["decided_by"]) for row in rows]
    assert sorted(actions) == sorted((kind, "succeeded", "vera") for kind, act in kinds.items() if act in acts)
    assert len(stage.rows(action_grant)) == len(actions)
    asked = [row for row in stage.rows(job) if row["id"] != "j1" and row["spec"]["action_id"] is not None]
    assert [(row["state"], row["attempt"]) for row in asked] == [("succeeded", 1)] * ("retrain" in acts)
    rollouts = [(row["candidate"], row["phase"]) for row in stage.rows(rollout)]
    assert rollouts == [(number, "promoted") for number in _released(acts)]
    with stage.platform.database.reading() as connection:
        for spec in list_desired(connection):
            assert stage.platform.deployer.observe(spec.endpoint) is not None
    assert len({row["run_id"] for row in stage.rows(check_result)}) == ("checks" in acts)
    judged = [row for row in stage.rows(verification) if row["finished_us"] is not None]
    assert len(judged) == ("checks" in acts)


def _nothing_is_stuck(stage: Stage) -> None:
    assert {row["state"] for row in stage.rows(event_delivery)} == {"done"}
    assert {row["state"] for row in stage.rows(queue_message)} == {"done"}
    assert {row["state"] for row in stage.rows(delivery)} == {"processed"}
    assert all(row["finished_us"] is not None for row in stage.rows(rollout))
    assert not list(stage.project.intake.glob("*.arrow"))


def _told_once(stage: Stage) -> None:
    _chain_holds(stage)
    told = Counter(
        (row["action"], f"{row['subject']} {row['spec'].get('detail', {}).get('job_id', '')}".strip())
        for row in stage.rows(audit_entry)
    )
    once = ("delivery.accepted", "training.requested", "training.succeeded", "version.", "action.", "snapshot.made")
    assert {key: count for key, count in told.items() if key[0].startswith(once) and count > 1} == {}
    accepted = {key[1].rpartition("/")[2] for key in told if key[0] == "delivery.accepted"}
    assert accepted == {row["id"] for row in stage.rows(delivery) if row["kind"] == "table"}
    events = Counter((row["kind"], str(row["payload"])) for row in stage.rows(event) if row["kind"] != "rollout.moved")
    assert max(events.values()) == 1
