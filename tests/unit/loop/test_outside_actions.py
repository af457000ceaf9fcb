from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, World
from tests.unit.loop.shipping import Asked, Shipping

from trimtab.audit import log as audit
from trimtab.cli.commands.approvals import request_lines
from trimtab.core.enums import Role, Task
from trimtab.core.errors import ConfigError
from trimtab.db.tables import event_delivery, notification
from trimtab.lake.campaigns import choose_rows
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.actor import Actor
from trimtab.loop.conductor import deliver_once
from trimtab.loop.overdue import end_overdue
from trimtab.loop.subscriptions import HANDLERS
from trimtab.remediation.actions import ActionState
from trimtab.remediation.kinds import ActionKind

_FILE = "monitoring_config.yaml"
_LOWER = {"file": _FILE, "set": {"monitors.1.limits.accuracy": 0.5}}
_OTTO = Actor("otto", Role.OPERATOR)


@pytest.fixture
def acting(world: World) -> Acting:
    return Acting.on(world)


def _path(acting: Acting) -> Path:
    return acting.world.platform.project.root / "models" / MODEL / _FILE


def test_a_limit_is_changed_and_restored_to_the_byte(acting: Acting) -> None:
    before = _path(acting).read_bytes()
    _path(acting).chmod(0o640)
    changed = acting.done(ActionKind.CHANGE_CONFIG, _LOWER)
    assert _path(acting).stat().st_mode & 0o777 == 0o640
    assert (changed.state, changed.outcome) == (
        ActionState.SUCCEEDED,
        "monitoring_config.yaml: monitors.1.limits.accuracy = 0.5",
    )
    assert acting.world.platform.files(MODEL).monitoring.monitors[1].model_dump()["limits"] == {"accuracy": 0.5}
    undo = ACTION_HANDLERS[ActionKind.CHANGE_CONFIG].undo(changed)
    assert undo is not None
    assert acting.done(undo.kind, undo.params).state is ActionState.SUCCEEDED
    assert _path(acting).read_bytes() == before


@pytest.mark.parametrize("written", [False, True])
def test_a_change_whose_end_was_not_stored_is_made_once(acting: Acting, written: bool) -> None:
    """Whether the process died before the write or after it."""
    request = acting.action(acting.agreed(ActionKind.CHANGE_CONFIG, _LOWER))
    before = _path(acting).read_bytes()
    handler = ACTION_HANDLERS[ActionKind.CHANGE_CONFIG]
    first = handler.reach_outside(acting.world.platform, request)
    after = _path(acting).read_bytes()
    if not written:
        _path(acting).write_bytes(before)
    assert handler.reach_outside(acting.world.platform, request) == first
    assert _path(acting).read_bytes() == after


def _running_past_its_time(acting: Acting) -> str:
    """A change whose work is still to be done, or to be told of, an hour after it should have ended."""
    action_id = acting.agreed(ActionKind.CHANGE_CONFIG, _LOWER)
    while acting.action(action_id).state is not ActionState.RUNNING:
        assert deliver_once(acting.world.platform, HANDLERS, "actions")
    return action_id


def test_what_was_done_outside_is_not_told_as_failed_and_can_be_taken_back(acting: Acting) -> None:
    before = _path(acting).read_bytes()
    action_id = _running_past_its_time(acting)
    handler = ACTION_HANDLERS[ActionKind.CHANGE_CONFIG]
    # The process dies after this, before it could store what it did, and stays away for two hours.
    handler.reach_outside(acting.world.platform, acting.action(action_id))
    acting.world.clock.advance(timedelta(hours=2))
    assert not end_overdue(acting.world.platform)
    acting.world.deliver()
    ended = acting.action(action_id)
    assert (ended.state, ended.outcome) == (
        ActionState.SUCCEEDED,
        "monitoring_config.yaml: monitors.1.limits.accuracy = 0.5",
    )
    assert not end_overdue(acting.world.platform)
    undo = handler.undo(ended)
    assert undo is not None
    assert acting.done(undo.kind, undo.params).state is ActionState.SUCCEEDED
    assert _path(acting).read_bytes() == before


def test_what_cannot_be_done_outside_is_tried_until_its_time_is_over_and_people_are_asked(acting: Acting) -> None:
    before = _path(acting).read_bytes()
    kept = acting.world.platform.project.kept_config
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("a file where the folder should be")
    action_id = _running_past_its_time(acting)
    deliver_once(acting.world.platform, HANDLERS, "actions")
    assert acting.action(action_id).state is ActionState.RUNNING
    acting.world.clock.advance(timedelta(hours=2))
    assert not end_overdue(acting.world.platform)
    time.sleep(0.25)
    acting.world.deliver()
    ended = acting.action(action_id)
    assert ended.state is ActionState.FAILED
    assert "did not end by 2030-" in ended.outcome
    assert acting.asked_for_people() == [ended.outcome]
    assert _path(acting).read_bytes() == before
    assert acting.world.unfinished() == []


def test_work_that_nobody_will_do_any_more_is_given_up(acting: Acting) -> None:
    action_id = _running_past_its_time(acting)
    with acting.world.platform.database.transaction() as connection:
        connection.execute(update(event_delivery).where(event_delivery.c.state == "pending").values(state="dead"))
    acting.world.clock.advance(timedelta(hours=2))
    assert end_overdue(acting.world.platform)
    assert acting.action(action_id).state is ActionState.FAILED


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, "no file and values are named"),
        ({"file": "model.yaml", "set": {"name": "x"}}, "no file and values are named"),
        ({**_LOWER, "set": {"schedule": "* * * * *"}}, "is no limit, expected monitors"),
        ({**_LOWER, "set": {"monitors.1.limits.accuracy": "low"}}, "monitoring_config.yaml"),
        ({**_LOWER, "digest": "0" * 64}, "was changed since this was asked for"),
        ({"file": _FILE, "restore": "0" * 64}, "was not kept"),
        ({"file": _FILE, "restore": "../../../trimtab.yaml"}, "was not kept"),
    ],
)
def test_a_change_that_does_not_fit_is_not_made(acting: Acting, params: dict[str, Any], told: str) -> None:
    before = _path(acting).read_bytes()
    ended = acting.done(ActionKind.CHANGE_CONFIG, params)
    assert ended.state is ActionState.FAILED
    assert told in ended.outcome
    assert "/tmp" not in ended.outcome
    assert _path(acting).read_bytes() == before


def test_a_person_changes_a_limit_through_the_gate(acting: Acting) -> None:
    ask = Deploying(acting.world).ask
    fields = {"model": MODEL, "file": _FILE, "values": {"monitors.1.limits.accuracy": 0.4}, "reason": "agreed"}
    waiting = ask("config.change", _OTTO, **fields)
    assert (waiting["state"], waiting["waits"]) == ("waiting_approval", True)
    assert b"0.4" not in _path(acting).read_bytes()
    ask("approvals.decide", DANA, action_id=waiting["action_id"], approve=True, reason="yes")
    acting.settle()
    assert b"accuracy: 0.4" in _path(acting).read_bytes()
    with pytest.raises(ConfigError, match="expected one of monitoring_config"):
        ask("config.change", _OTTO, **{**fields, "file": "policy.yaml"})
    with pytest.raises(ConfigError, match="has nothing at"):
        ask("config.change", _OTTO, **{**fields, "values": {"monitors.9.limits.accuracy": 1}})


def test_whoever_agrees_to_a_change_reads_each_value_old_and_new(acting: Acting) -> None:
    ask = Deploying(acting.world).ask
    path, severity = "monitors.1.limits.accuracy", "monitors.0.severity"
    fields = {"model": MODEL, "file": _FILE, "values": {path: "0.4", severity: "low"}, "reason": "agreed with sales"}
    waiting = ask("config.change", _OTTO, **fields)
    acting.settle()
    wanted = [
        {"file": _FILE, "path": path, "old": "0.6", "new": '"0.4"'},
        {"file": _FILE, "path": severity, "old": "high", "new": '"low"'},
    ]
    told = [f"{one['file']}: {one['path']}: {one['old']} → {one['new']}" for one in wanted]
    shown = ask("approvals.show", _OTTO, action_id=waiting["action_id"])
    assert (shown["changes"], shown["params"]["set"]) == (wanted, fields["values"])
    [listed] = ask("approvals.list", _OTTO, state="waiting_approval")["actions"]
    assert listed["changes"] == wanted
    printed = "\n".join(request_lines(listed))
    query = select(notification.c.body).where(notification.c.title.contains("approval wanted"))
    [message] = acting.world.platform.database.read(lambda connection: connection.execute(query).scalars().all())
    assert all(line in printed and line in message for line in told)
    ask("approvals.decide", DANA, action_id=waiting["action_id"], approve=True, reason="yes")
    entries = acting.world.platform.database.read(lambda c: audit.show(c, subject=f"action:{waiting['action_id']}"))
    assert [one.spec["detail"]["changes"] for one in entries[:2]] == [wanted, wanted]


def test_a_wish_that_cannot_be_told_whole_is_refused_and_not_cut(acting: Acting) -> None:
    ask = Deploying(acting.world).ask
    fields = {"model": MODEL, "file": _FILE, "reason": "agreed with sales"}
    with pytest.raises(ConfigError, match="needs 200 characters at most"):
        ask("config.change", _OTTO, **fields, values={"monitors.1.limits.accuracy": "0.6" + "0" * 470})
    with pytest.raises(ConfigError, match="nothing that does not print"):
        ask("config.change", _OTTO, **fields, values={"monitors.0.severity": "low\u202ehgih"})
    with pytest.raises(ConfigError, match=r"takes \d+ characters to tell, expected 500"):
        ask("labelling.open", _OTTO, model=MODEL, reason="r", where={"a" * 200: "b" * 200, "c" * 200: "d"})
    assert ask("approvals.list", _OTTO, state="waiting_approval")["actions"] == []


def test_a_campaign_wants_rows_without_a_label_the_doubtful_ones_first(acting: Acting) -> None:
    shipping = Shipping(acting.world)
    asked = [Asked(at, probability=0.5 + at / 100, age=40.0 + at % 2) for at in range(40)]
    shipping.rows(*asked)
    shipping.outcomes("yes", *asked[:10])
    acting.world.clock.advance(timedelta(hours=1))
    ask = Deploying(acting.world).ask
    opened = ask("labelling.open", _OTTO, model=MODEL, rows=8, reason="quality fell")
    acting.settle()
    shown = ask("labelling.campaign", _OTTO, campaign_id=opened["campaign_id"])
    assert [row["why"] for row in shown["rows"]] == ["the model was unsure"] * 4 + ["drawn at random"] * 4
    assert [row["prediction_id"] for row in shown["rows"][:4]] == [asked[at].id for at in (10, 11, 12, 13)]
    assert len({row["prediction_id"] for row in shown["rows"]}) == 8
    assert (shown["unlabelled"], shown["query"]["rows"], shown["why"]) == (30, 8, "quality fell")
    [listed] = ask("labelling.campaigns", _OTTO, model=MODEL)["campaigns"]
    assert (listed["state"], listed["rows_wanted"]) == ("succeeded", 8)


@pytest.mark.parametrize(("task", "doubtful"), [(Task.BINARY, [0.5, 0.34]), (Task.MULTICLASS, [0.2, 0.34])])
def test_the_least_sure_is_told_by_how_sure_the_model_was_of_what_it_told(
    acting: Acting, task: Task, doubtful: list[float]
) -> None:
    told = [0.95, 0.34, 0.5, 0.7, 0.2]
    shipping = Shipping(acting.world)
    shipping.rows(*[Asked(at, probability=probability) for at, probability in enumerate(told)])
    end_us = shipping.start_us + 3_600_000_000
    lake = acting.world.platform.lake
    chosen = choose_rows(lake, MODEL, start_us=shipping.start_us, end_us=end_us, known_us=end_us, most=4, task=task)
    assert [row["probability"] for row in chosen.rows[:2]] == doubtful
    assert len({row["prediction_id"] for row in chosen.rows}) == 4


def test_a_campaign_that_is_written_twice_wants_the_same_rows(acting: Acting) -> None:
    Shipping(acting.world).rows(*[Asked(at, age=40.0 + at % 2) for at in range(20)])
    acting.world.clock.advance(timedelta(hours=1))
    request = acting.action(acting.agreed(ActionKind.OPEN_LABELLING, {"rows": 6, "where": {"age": "41.0"}}))
    handler = ACTION_HANDLERS[ActionKind.OPEN_LABELLING]
    first = handler.reach_outside(acting.world.platform, request)
    path = acting.world.platform.lake.absolute(first.effect["path"])
    content = path.read_bytes()
    acting.world.clock.advance(timedelta(hours=3))
    assert handler.reach_outside(acting.world.platform, request) == first
    assert path.read_bytes() == content
    assert {row["event_us"] // 1_000_000 % 2 for row in json.loads(content)["rows"]} == {1}


def test_where_nothing_was_answered_there_is_nothing_to_label(acting: Acting) -> None:
    ended = acting.done(ActionKind.OPEN_LABELLING)
    assert ended.state is ActionState.FAILED
    assert "no answered row without a label" in ended.outcome
    unknown = acting.done(ActionKind.OPEN_LABELLING, {"where": {"height": "2"}})
    assert unknown.state is ActionState.FAILED
