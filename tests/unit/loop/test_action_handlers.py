from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError, IllegalTransitionError, NotFoundError
from trimtab.db.tables import job
from trimtab.loop import autonomy
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.actor import Actor
from trimtab.loop.cancelling import cancel_action
from trimtab.loop.conductor import deliver_once
from trimtab.loop.gate import publish_action
from trimtab.loop.overdue import end_overdue
from trimtab.loop.subscriptions import HANDLERS
from trimtab.remediation.action_store import grant_of
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind

_AUTOSCALED = "strategy: {type: recreate}\nautoscaling: {min_workers: 1, max_workers: 2}\n"
_OTTO = Actor("otto", Role.OPERATOR)
_FEED = {"feeds": ["clinic"], "since_us": 5, "reason": "units"}


@pytest.fixture
def acting(world: World) -> Acting:
    return Acting.on(world)


def _scalable(world: World) -> Acting:
    root = world.platform.project.root
    (root / "models" / MODEL / "deployment_config.yaml").write_text(_AUTOSCALED)
    deploying = Deploying(world)
    deploying.bring_in(1)
    world.deliver()
    return Acting(world)


def _workers(world: World, count: int) -> None:
    config = world.platform.project.config
    serving = config.serving.model_copy(update={"workers": count})
    project = replace(world.platform.project, config=config.model_copy(update={"serving": serving}))
    object.__setattr__(world.platform, "project", project)


def _cancel(acting: Acting, action_id: str) -> ActionRequest:
    with acting.world.platform.database.transaction() as connection:
        request = acting.action(action_id)
        return cancel_action(connection, acting.world.platform, request, by="dana", why="not now")


def test_every_kind_but_the_deletion_of_data_has_a_handler() -> None:
    assert set(ActionKind) - set(ACTION_HANDLERS) == {ActionKind.DELETE_DATA}
    assert all(handler.kind is kind for kind, handler in ACTION_HANDLERS.items())


def test_what_only_a_person_does_by_hand_fails_with_a_sentence(acting: Acting) -> None:
    ended = acting.done(ActionKind.DELETE_DATA)
    assert ended.state is ActionState.FAILED
    assert "by hand" in ended.outcome


def test_an_action_on_a_subject_that_is_unknown_fails_and_leaves_nothing(acting: Acting) -> None:
    # A training says itself that there is no such model; nothing is released where nothing is known.
    late = {ActionKind.RETRAIN, ActionKind.RELEASE_FEED}
    for kind in (kind for kind in ACTION_HANDLERS if not kind.only_tells and kind not in late):
        ended = acting.done(kind, {"feeds": [], "number": 7}, model="nobody")
        assert (kind, ended.state, ended.effect) == (kind, ActionState.FAILED, {})
        assert "nobody" in ended.outcome
    assert acting.world.unfinished() == []


def test_what_took_something_back_is_not_taken_back(acting: Acting) -> None:
    effect = {"before": {"scaled_to": 1}, "after": "x", "file": "y", "generation": 3}
    done = replace(acting.action(acting.agreed(ActionKind.SCALE)), effect=effect)
    for handler in ACTION_HANDLERS.values():
        assert handler.undo(replace(done, kind=handler.kind, undoes="another")) is None
    undone = {kind for kind, handler in ACTION_HANDLERS.items() if handler.undo(done) is not None}
    releases = {ActionKind.RETRAIN, ActionKind.DEPLOY, ActionKind.REINSTATE}
    assert undone == {*releases, ActionKind.SCALE, ActionKind.PAUSE_ENDPOINT, ActionKind.CHANGE_CONFIG}


@pytest.mark.parametrize(
    ("kind", "params"), [(ActionKind.PAUSE_ENDPOINT, {}), (ActionKind.QUARANTINE_FEED, _FEED), (ActionKind.RETRAIN, {})]
)
def test_an_event_that_comes_twice_has_the_effect_of_one(acting: Acting, kind: ActionKind, params: Any) -> None:
    action_id = acting.agreed(kind, params)
    with acting.world.platform.database.transaction() as connection:
        publish_action(connection, acting.world.platform, acting.action(action_id))
    before = acting.spec().generation
    acting.settle()
    assert acting.spec().generation == before + (kind is ActionKind.PAUSE_ENDPOINT)
    assert len(acting.world.jobs.started) <= 1
    assert acting.world.unfinished() == []


def test_a_paused_endpoint_stays_paused_through_a_rollout_until_it_is_resumed(acting: Acting) -> None:
    paused = acting.done(ActionKind.PAUSE_ENDPOINT, {"reason": "wrong prices", "retry_after_s": 9})
    assert (paused.state, paused.outcome) == (ActionState.SUCCEEDED, "every worker serves generation 2")
    pause = acting.spec().paused
    assert pause is not None
    assert (pause.reason, pause.retry_after_s) == ("wrong prices", 9)
    Deploying(acting.world).bring_in(2)
    assert (acting.spec().variants[0].model_version, acting.spec().paused) == (2, pause)
    assert acting.done(ActionKind.PAUSE_ENDPOINT).state is ActionState.FAILED
    assert acting.done(ActionKind.RESUME_ENDPOINT).state is ActionState.SUCCEEDED
    assert acting.spec().paused is None
    assert acting.done(ActionKind.RESUME_ENDPOINT).state is ActionState.FAILED


def test_an_action_on_what_serves_runs_until_the_server_has_taken_it_up(acting: Acting) -> None:
    action_id = acting.agreed(ActionKind.PAUSE_ENDPOINT)
    acting.world.deliver()
    assert acting.action(action_id).state is ActionState.RUNNING
    acting.settle()
    assert acting.action(action_id).state is ActionState.SUCCEEDED


def test_scaling_doubles_what_is_wanted_at_least_up_to_what_the_server_has(world: World) -> None:
    acting = _scalable(world)
    _workers(world, 4)
    assert [acting.done(ActionKind.SCALE).state.value for _ in range(3)] == ["succeeded", "succeeded", "failed"]
    assert acting.spec().scaled_to == 4
    assert "4 workers at least already, of 4" in acting.done(ActionKind.SCALE).outcome
    assert "8 workers, but its server has 4" in acting.done(ActionKind.SCALE, {"workers": 8}).outcome
    assert acting.done(ActionKind.SCALE, {"workers": None}).state is ActionState.SUCCEEDED
    assert acting.spec().scaled_to is None


def test_an_endpoint_without_autoscaling_or_cache_has_nothing_to_scale_or_clear(acting: Acting) -> None:
    assert "has all 1 workers of its server already" in acting.done(ActionKind.SCALE).outcome
    assert "caches nothing" in acting.done(ActionKind.CLEAR_CACHE).outcome


def test_a_request_is_cancelled_before_it_runs_and_while_it_runs(acting: Acting) -> None:
    waiting = acting.agreed(ActionKind.PAUSE_ENDPOINT)
    assert _cancel(acting, waiting).state is ActionState.CANCELLED
    acting.settle()
    assert acting.spec().paused is None
    running = acting.agreed(ActionKind.PAUSE_ENDPOINT)
    acting.world.deliver()
    assert acting.spec().paused is not None
    assert _cancel(acting, running).outcome == "cancelled by dana: not now"
    assert acting.spec().paused is None
    with pytest.raises(IllegalTransitionError, match="nothing is left to cancel"):
        _cancel(acting, running)


def test_a_cancelled_deployment_leaves_the_version_that_served(acting: Acting) -> None:
    deploying = Deploying(acting.world)
    deploying.by_canary()
    deploying.register(2)
    action_id = acting.agreed(ActionKind.DEPLOY, {"number": 2})
    acting.world.deliver()
    deploying.settle()
    assert deploying.running() is not None
    _cancel(acting, action_id)
    deploying.settle()
    acting.world.deliver()
    assert (deploying.running(), deploying.weights()) == (None, {"v1": 100})
    assert acting.action(action_id).state is ActionState.CANCELLED


@pytest.mark.parametrize("kind", [ActionKind.RETRAIN, ActionKind.PAUSE_ENDPOINT])
def test_what_runs_past_its_deadline_is_stopped_failed_and_told_once(acting: Acting, kind: ActionKind) -> None:
    action_id = acting.agreed(kind)
    deliver_once(acting.world.platform, HANDLERS, "actions")
    assert acting.action(action_id).state is ActionState.RUNNING
    assert not end_overdue(acting.world.platform)
    acting.world.clock.advance(timedelta(days=15))
    assert end_overdue(acting.world.platform)
    assert not end_overdue(acting.world.platform)
    acting.settle()
    ended = acting.action(action_id)
    assert ended.state is ActionState.FAILED
    assert "did not end by 2030-" in ended.outcome
    assert acting.asked_for_people() == [ended.outcome]
    assert acting.spec().paused is None
    jobs = acting.world.platform.database.read(lambda c: c.execute(select(job.c.state, job.c.id)).all())
    assert [row.state for row in jobs if row.id != "j1"] == ["cancelled"] * (kind is ActionKind.RETRAIN)
    assert acting.world.unfinished() == []


def test_a_grant_that_ended_before_its_action_ran_allows_nothing(acting: Acting) -> None:
    action_id = acting.agreed(ActionKind.PAUSE_ENDPOINT, lasts=timedelta(minutes=5))
    acting.world.clock.advance(timedelta(minutes=6))
    acting.settle()
    assert acting.action(action_id).state is ActionState.EXPIRED
    assert acting.spec().paused is None


def test_what_the_policy_let_run_waits_for_a_person_once_autonomy_is_paused(acting: Acting) -> None:
    platform = acting.world.platform
    by_policy, by_person = (
        acting.agreed(ActionKind.QUARANTINE_FEED, _FEED, by="policy"),
        acting.agreed(ActionKind.PAUSE_ENDPOINT),
    )
    with platform.database.transaction() as connection:
        autonomy.pause(connection, platform, model=None, lasts=timedelta(hours=4), reason="a visit", by="dana")
    acting.settle()
    assert acting.action(by_person).state is ActionState.SUCCEEDED
    held = acting.action(by_policy)
    assert (held.state, held.decided_by) == (ActionState.WAITING_APPROVAL, None)
    assert platform.database.read(lambda connection: grant_of(connection, by_policy)) is None
    Deploying(acting.world).ask("approvals.decide", DANA, action_id=by_policy, approve=True, reason="yes")
    acting.settle()
    assert acting.action(by_policy).state is ActionState.SUCCEEDED


def test_what_writes_outside_is_not_cancelled_midway(acting: Acting) -> None:
    action_id = acting.agreed(ActionKind.OPEN_LABELLING)
    deliver_once(acting.world.platform, HANDLERS, "actions")
    assert acting.action(action_id).state is ActionState.RUNNING
    with pytest.raises(ConflictError, match="being written at this moment"):
        _cancel(acting, action_id)


def test_a_person_pauses_resumes_and_scales_through_the_gate(acting: Acting) -> None:
    ask = Deploying(acting.world).ask
    waits = ask("endpoints.pause", _OTTO, endpoint=MODEL, reason="wrong prices")
    assert (waits["state"], waits["waits"], acting.spec().paused) == ("waiting_approval", True, None)
    ask("approvals.decide", DANA, action_id=waits["action_id"], approve=True, reason="yes")
    acting.settle()
    pause = acting.spec().paused
    assert pause is not None
    assert (pause.reason, pause.retry_after_s) == ("wrong prices", 60)
    # What cannot be done is not asked for either.
    with pytest.raises(ConflictError, match="is paused already"):
        ask("endpoints.pause", DANA, endpoint=MODEL, reason="again")
    at_once = ask("endpoints.resume", DANA, endpoint=MODEL, reason="mended")
    assert (at_once["state"], at_once["waits"], acting.spec().paused) == ("running", False, None)
    acting.settle()
    assert acting.action(at_once["action_id"]).state is ActionState.SUCCEEDED
    with pytest.raises(ConflictError, match="all 1 workers"):
        ask("endpoints.scale", DANA, endpoint=MODEL, reason="busy", workers=2)
    with pytest.raises(ConflictError, match="caches nothing"):
        ask("endpoints.clear_cache", DANA, endpoint=MODEL, reason="stale")
    with pytest.raises(NotFoundError, match="no production endpoint"):
        ask("endpoints.pause", DANA, endpoint="nobody", reason="x")
