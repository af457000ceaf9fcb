"""From checks to a request for a retraining: once for one firing, explained, and followed to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.loop.projects import MODEL, World, make_world, result_of

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role, Tier, Verdict
from trimtab.core.errors import ConfigError, ConflictError
from trimtab.db.tables import event_delivery
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import apply_desired
from trimtab.loop.trainings import advance_jobs
from trimtab.loop.upkeep import expire_requests
from trimtab.remediation.action_store import create_action
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind

_ROOT = Path(__file__).parents[3]
_DANA = Actor("dana", Role.ADMIN)
_HOUR = timedelta(hours=1)
_BAD_QUALITY = "when: {performance: {metric: accuracy, below: 0.6}}\ncooldown: 0s\n"
_FOR_HOURS = "when: {for: 2h, of: {performance: {metric: accuracy, below: 0.6}}}\ncooldown: 0s\n"


def _served(world: World) -> World:
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    world.deliver()
    world.clock.advance(timedelta(days=2))
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform that serves version 1; it is retrained where quality is bad."""
    world = _served(make_world(tmp_path / "project", retrain_config=_BAD_QUALITY))
    yield world
    world.platform.database.close()


def _conditions(world: World, content: str) -> None:
    (world.platform.project.root / "models" / MODEL / "retrain_config.yaml").write_text(content)


def _quality(world: World, value: float) -> None:
    """Have the monitors find this accuracy; no case is opened, so that the conditions are alone."""
    detail = {"metric": "accuracy", "labelled": 120}
    world.checked(world.check(Verdict.OK, kind="model_quality", value=value, detail=detail))
    world.deliver("triggers", "actions", "trainings", "adoption", "messages")


def _explained(world: World) -> JsonObject:
    return perform(world.platform, _DANA, "retraining.conditions", {"model": MODEL})


def _events(world: World, **asked: object) -> list[dict[str, Any]]:
    return list(perform(world.platform, _DANA, "retraining.events", {"model": MODEL, **asked})["events"])


def _decide(world: World, action_id: str, *, approve: bool, reason: str = "seen") -> None:
    fields = {"action_id": action_id, "approve": approve, "reason": reason}
    perform(world.platform, _DANA, "approvals.decide", fields)
    world.deliver("actions", "trainings", "adoption", "messages")


def test_one_firing_is_one_request_however_often_the_condition_holds_while_that_is_open(world: World) -> None:
    for _ in range(4):
        _quality(world, 0.5)
        world.clock.advance(_HOUR)
    assert world.actions() == [("retrain", "waiting_approval")]
    [event] = _events(world)
    assert (event["cause"], event["outcome"], event["job_id"]) == ("performance", None, None)
    latest = _explained(world)["latest"]
    assert latest["fired"] is False
    assert f"retraining {event['action_id']} waits for approval already" in latest["reason"]


def test_an_event_keeps_cause_job_and_outcome(world: World) -> None:
    world.jobs.run = lambda out: result_of(world, out, number=2, gain=0.2)
    _quality(world, 0.5)
    [event] = _events(world)
    _decide(world, event["action_id"], approve=True)
    [event] = _events(world)
    [job] = perform(world.platform, _DANA, "training.jobs", {"model": MODEL, "limit": 1})["jobs"]
    assert event["job_id"] == job["job_id"]
    while advance_jobs(world.platform) or world.deliver("adoption"):
        pass
    [event] = _events(world)
    assert event["outcome"] is not None
    assert event["outcome"].startswith(("succeeded: ", "failed: "))


def test_a_firing_is_kept_where_the_policy_cannot_be_read(world: World) -> None:
    (world.platform.project.root / "policy.yaml").write_text("rules: [")
    _quality(world, 0.5)
    assert "triggers" not in [subscriber for subscriber, _, _ in world.unfinished()]
    [told] = _explained(world)["evaluations"]
    assert told["fired"]
    assert told["refused"].startswith("the policy cannot be read")


def test_who_turned_it_down_is_told_and_so_is_that_nobody_answered(world: World) -> None:
    _quality(world, 0.5)
    _decide(world, _events(world)[0]["action_id"], approve=False, reason="the holidays")
    assert _events(world)[0]["outcome"] == "rejected by dana: the holidays"
    world.clock.advance(timedelta(days=1))
    _quality(world, 0.5)
    world.clock.advance(timedelta(days=2))
    assert expire_requests(world.platform)
    newest, oldest = _events(world)
    assert newest["outcome"].startswith("expired: ")
    assert oldest["outcome"] == "rejected by dana: the holidays"


def test_an_evaluation_that_says_nothing_new_is_not_stored_though_it_is_what_is_explained(world: World) -> None:
    for value in (0.9, 0.8, 0.7):
        world.clock.advance(_HOUR)
        _quality(world, value)
    told = _explained(world)
    [stored] = told["evaluations"]
    assert stored["explanation"]["value"] == "0.9"
    assert told["latest"]["explanation"]["value"] == "0.7"
    assert told["latest"]["explanation"]["since_us"] == stored["explanation"]["since_us"]
    assert _events(world) == []
    assert len(_events(world, evaluations=True)) == 1


def test_what_must_hold_for_hours_is_remembered_from_run_to_run(world: World) -> None:
    _conditions(world, _FOR_HOURS)
    for value, fired in ((0.5, False), (0.5, False), (0.5, True)):
        _quality(world, value)
        assert _explained(world)["latest"]["fired"] is fired
        world.clock.advance(_HOUR)
    assert world.actions() == [("retrain", "waiting_approval")]
    assert _events(world)[0]["reason"] == "accuracy 0.5 is below 0.6, for 2h (3 times)"


def test_what_people_and_incidents_ask_for_is_history_and_no_evaluation(world: World) -> None:
    _quality(world, 0.9)
    asked = perform(world.platform, _DANA, "retraining.trigger", {"model": MODEL, "reason": "a new feed"})
    [event] = _events(world)
    assert (event["cause"], event["reason"], event["action_id"]) == ("person", "a new feed", asked["action_id"])
    told = _explained(world)
    assert [one["fired"] for one in told["evaluations"]] == [False]
    assert told["last_retraining"]["event_id"] == event["event_id"]
    _decide(world, asked["action_id"], approve=False)
    world.clock.advance(_HOUR)
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver("incidents", "remediation")
    assert [one["cause"] for one in _events(world)] == ["incident", "person"]


def test_a_request_that_is_open_answers_the_firing_too(world: World) -> None:
    asked = perform(world.platform, _DANA, "retraining.trigger", {"model": MODEL, "reason": "a new feed"})
    _quality(world, 0.5)
    assert world.actions() == [("retrain", "waiting_approval")]
    found = {(one["cause"], one["action_id"]) for one in _events(world)}
    assert found == {("person", asked["action_id"]), ("performance", asked["action_id"])}


def test_a_request_that_is_open_is_found_behind_all_that_was_told_since(world: World) -> None:
    asked = perform(world.platform, _DANA, "retraining.trigger", {"model": MODEL, "reason": "a new feed"})
    world.clock.advance(timedelta(minutes=1))
    with world.platform.database.transaction() as connection:
        for number in range(120):
            told = ActionRequest(
                id=f"told{number}",
                dedup_key=f"log:{number}",
                kind=ActionKind.LOG,
                model=MODEL,
                tier=Tier.AUTOMATIC,
                purpose="say so",
                requested_by="policy",
                created_us=world.platform.now_us(),
                state=ActionState.SUCCEEDED,
            )
            create_action(connection, told)
    _quality(world, 0.5)
    found = {(one["cause"], one["action_id"], one["refused"]) for one in _events(world)}
    assert found == {("person", asked["action_id"], None), ("performance", asked["action_id"], None)}
    with pytest.raises(ConflictError, match=f"retraining {asked['action_id']} waits for approval already"):
        perform(world.platform, _DANA, "retraining.trigger", {"model": MODEL, "reason": "once more"})


def test_a_look_into_the_future_neither_asks_nor_silences_what_comes(world: World) -> None:
    payload = {"run_id": world.checked(world.check(Verdict.OK)), "model": MODEL, "endpoint": MODEL}
    world.deliver("triggers")
    ahead_us = to_micros(world.clock.now() + timedelta(days=400))
    with world.platform.database.transaction() as connection:
        world.platform.publish(connection, "checks.completed", f"model:{MODEL}", payload, at_us=ahead_us)
    world.deliver("triggers")
    world.clock.advance(_HOUR)
    _quality(world, 0.5)
    assert _explained(world)["latest"]["fired"] is True
    assert world.actions() == [("retrain", "waiting_approval")]


def test_a_look_ahead_within_the_cool_down_neither_asks_nor_mutes_what_comes(world: World) -> None:
    _conditions(world, _BAD_QUALITY.replace("cooldown: 0s", "cooldown: 1d"))
    _quality(world, 0.5)
    [event] = _events(world)
    _decide(world, event["action_id"], approve=False)
    world.clock.advance(timedelta(hours=23, minutes=1))
    detail = {"metric": "accuracy", "labelled": 120}
    run_id = world.checked(world.check(Verdict.OK, kind="model_quality", value=0.5, detail=detail))
    world.deliver("triggers")
    payload = {"run_id": run_id, "model": MODEL, "endpoint": MODEL}
    ahead_us = to_micros(world.clock.now() + timedelta(minutes=59, seconds=59))
    with world.platform.database.transaction() as connection:
        world.platform.publish(connection, "checks.completed", f"model:{MODEL}", payload, at_us=ahead_us)
    world.deliver("triggers")
    assert len(world.actions()) == 1, "it would ask before its time"
    world.clock.advance(timedelta(minutes=30))
    _quality(world, 0.5)
    assert "cools down for another 29m" in _explained(world)["latest"]["reason"]
    world.clock.advance(timedelta(minutes=30))
    _quality(world, 0.5)
    assert len(world.actions()) == 2


def test_news_that_come_late_ask_for_nothing_and_are_no_latest_answer(world: World) -> None:
    detail = {"metric": "accuracy", "labelled": 120}
    payload = {
        "run_id": world.checked(world.check(Verdict.OK, kind="model_quality", value=0.5, detail=detail)),
        "model": MODEL,
        "endpoint": MODEL,
    }
    early_us = world.platform.now_us()
    with world.platform.database.transaction() as connection:
        # Its first delivery is held up.
        connection.execute(update(event_delivery).values(state="done"))
    world.clock.advance(_HOUR)
    _quality(world, 0.9)
    before = _explained(world)["latest"]
    with world.platform.database.transaction() as connection:
        world.platform.publish(connection, "checks.completed", f"model:{MODEL}", payload, at_us=early_us)
    world.deliver("triggers")
    assert _explained(world)["latest"] == before
    assert world.actions() == []


def test_a_monitor_that_has_a_schedule_of_its_own_is_heard_between_its_runs(world: World) -> None:
    _conditions(world, "when: {all: [{performance: {metric: accuracy, below: 0.6}}, {drift: {any_column: true}}]}\n")
    detail = {"metric": "accuracy", "labelled": 120}
    world.checked(world.check(Verdict.OK, kind="model_quality", value=0.5, detail=detail))
    world.clock.advance(_HOUR)
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver("triggers")
    assert _explained(world)["latest"]["fired"] is True


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{drift: {any_column: true, monitor: weekly}}", "when.drift.monitor: found 'weekly'"),
        ("{drift: {any_column: true, monitor: model_quality}}", "that judges columns, data_drift"),
        (
            "{any: [{not: {performance: {metric: f1, below: 0.5, monitor: data_drift}}}]}",
            "judges quality, model_quality",
        ),
        ("{for: 3d, of: {drift: {any_column: true, monitor: x}}}", "found 'x'"),
    ],
)
def test_a_monitor_that_is_not_there_is_refused_with_the_line(world: World, when: str, expected: str) -> None:
    _conditions(world, f"cooldown: 1d\nwhen: {when}\n")
    with pytest.raises(ConfigError, match=r"retrain_config\.yaml:2") as refused:
        world.platform.files(MODEL)
    assert expected in str(refused.value)


_CHILD = """
import sys
from datetime import timedelta
from pathlib import Path
from tests.unit.loop.projects import make_world
from trimtab.core.crashpoints import arm
world = make_world(Path(sys.argv[1]), retrain_config=sys.argv[3])
world.clock.advance(timedelta(days=2))
arm(sys.argv[2])
world.deliver("triggers")
"""


@pytest.mark.parametrize(("point", "stored"), [("trigger.recorded", 0), ("event.committed", 1)])
def test_a_process_that_is_killed_over_a_firing_has_asked_once_or_asks_again(
    world: World, point: str, stored: int
) -> None:
    detail = {"metric": "accuracy", "labelled": 120}
    world.checked(world.check(Verdict.OK, kind="model_quality", value=0.5, detail=detail))
    root = world.platform.project.root
    died = subprocess.run([sys.executable, "-c", _CHILD, root, point, _BAD_QUALITY], cwd=_ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(world.actions()) == stored
    assert len(_events(world)) == stored
    with world.platform.database.transaction() as connection:
        # Its lease runs out, as it would in minutes.
        connection.execute(update(event_delivery).values(leased_until_us=0, available_us=0))
    world.deliver("triggers")
    assert world.actions() == [("retrain", "waiting_approval")]
    [event] = _events(world)
    assert event["action_id"]
