"""From a breach to a verified answer: who decides what, what runs, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.unit.loop.projects import MODEL, POLICY, World, make_world, result_of

from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import IllegalTransitionError, PermissionDeniedError
from trimtab.db.tables import notification
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired, operate_rollout
from trimtab.loop.trainings import advance_jobs
from trimtab.loop.upkeep import expire_requests
from trimtab.rollout import store
from trimtab.rollout.machine import Operation
from trimtab.training.request import TrainingResult

_DANA, _EMIL = Actor("dana", Role.APPROVER), Actor("emil", Role.APPROVER)
_ADMIN = Actor("local-admin", Role.ADMIN)


def _served(world: World) -> World:
    """Have version 1 served."""
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    _advance(world)
    world.clock.advance(timedelta(days=2))
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform that serves version 1 of its model."""
    world = _served(make_world(tmp_path / "project"))
    yield world
    world.platform.database.close()


def _advance(world: World) -> None:
    """Let everything that is under way come to where it waits for somebody."""
    watch = RolloutWatch(world.platform)
    moved = True
    while moved:
        apply_desired(world.platform)
        moved = any([advance_rollouts(world.platform, watch), advance_jobs(world.platform), world.deliver() > 0])


def _breach(world: World) -> dict[str, Any]:
    """Have inputs move and quality fall; return the incident that this opens."""
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    _advance(world)
    listed = perform(world.platform, _DANA, "incidents.list", {"open_only": True})["incidents"]
    # A training that fails is a case of its own.
    [incident] = [one for one in listed if one["family"] == "model"]
    return _shown(world, incident["incident_id"])


def _shown(world: World, incident_id: str) -> dict[str, Any]:
    return dict(perform(world.platform, _DANA, "incidents.show", {"incident_id": incident_id}))


def _decide(world: World, action_id: str, by: Actor, *, approve: bool = True, reason: str = "seen") -> dict[str, Any]:
    fields: dict[str, Any] = {"action_id": action_id, "approve": approve, "reason": reason}
    answer = dict(perform(world.platform, by, "approvals.decide", fields))
    _advance(world)
    return answer


def _key(world: World, name: str, role: Role) -> None:
    with world.platform.database.transaction() as connection:
        keys.create_key(connection, name, role, at_us=world.platform.now_us())


def _with_data(world: World) -> None:
    """Deliver rows to learn from, through contract and zones."""
    path = world.platform.project.root / "rows.csv"
    rows = [
        f"r{n},{40 + n % 30},{200 + n},{'male' if n % 2 else 'female'},{'yes' if n % 3 else 'no'}" for n in range(60)
    ]
    path.write_text("\n".join(["row_id,age,chol,sex,disease", *rows]) + "\n")
    perform(world.platform, _ADMIN, "data.ingest", {"model": MODEL, "path": str(path)})
    assert Ingestion(world.platform).run()


def _told(world: World) -> list[tuple[str, str]]:
    query = select(notification.c.title, notification.c.severity)
    return [(row.title, row.severity) for row in world.platform.database.read(lambda c: c.execute(query).all())]


def _is_sound(world: World) -> bool:
    assert world.unfinished() == []
    return bool(perform(world.platform, _DANA, "audit.verify", {})["ok"])


def test_a_breach_is_diagnosed_approved_executed_verified_and_closed(world: World) -> None:
    _with_data(world)
    incident = _breach(world)
    assert incident["diagnosis"]["kind"] == "covariate_drift"
    [action] = incident["actions"]
    assert (action["kind"], action["state"], action["tier"]) == ("retrain", "waiting_approval", "approval")
    assert action["predicted_impact"] == {
        "metric": "accuracy",
        "now": 0.5,
        "expected": 0.8,
        "basis": action["predicted_impact"]["basis"],
    }
    assert world.jobs.started == [], "nothing runs before somebody agrees"

    def run(out: Path) -> TrainingResult:
        return result_of(world, out, number=2, gain=0.2)

    world.jobs.run = run
    with pytest.raises(PermissionDeniedError):
        _decide(world, action["action_id"], Actor("otto", Role.OPERATOR))
    approved = _decide(world, action["action_id"], _DANA)
    assert (approved["state"], approved["decided_by"]) == ("approved", "dana")
    assert (len(world.jobs.started), world.versions()) == (1, [(1, "approved"), (2, "approved")])
    with pytest.raises(IllegalTransitionError):
        _decide(world, action["action_id"], _DANA)

    [rollout] = [one for one in _rollouts(world) if one["candidate"] == 2]
    assert (rollout["phase"], rollout["stable"]) == ("canary", 1)
    with world.platform.database.transaction() as connection:
        found = store.load_rollout(connection, rollout["rollout_id"])
        operate_rollout(connection, world.platform, found, Operation.PROMOTE, by="dana", reason="enough seen")
    _advance(world)
    [action] = _shown(world, incident["incident_id"])["actions"]
    assert (action["state"], action["outcome"]) == ("succeeded", "version 2 promoted: enough seen")
    assert _shown(world, incident["incident_id"])["state"] == "mitigating", "not before it is seen that it helped"

    world.clock.advance(timedelta(hours=2))
    world.checked(*world.drift(Verdict.OK, quality=0.82, version=2))
    _advance(world)
    closed = _shown(world, incident["incident_id"])
    assert closed["state"] == "resolved"
    timeline = [entry["what"] for entry in closed["timeline"]]
    assert [what for what in timeline if what.startswith("verified")] == ["verified: ok"]
    for what in ("opened", "retrain approved by dana", "version 2 is rolled out", "recovered"):
        assert what in timeline
    [verified] = _entries(world, f"action:{action['action_id']}", "action.verified")
    assert verified["spec"]["detail"]["verdict"] == "ok"
    assert _is_sound(world)


def test_a_candidate_that_is_not_better_is_rejected_and_the_current_version_stays(world: World) -> None:
    _with_data(world)
    incident = _breach(world)
    world.jobs.run = lambda out: result_of(world, out, number=2, gain=0.02)
    _decide(world, incident["actions"][0]["action_id"], _DANA)
    assert world.versions() == [(1, "approved"), (2, "rejected")]
    [action] = _shown(world, incident["incident_id"])["actions"]
    assert action["state"] == "succeeded"
    assert "the current version stays; version 2 is not known to be as good at least" in action["outcome"]
    assert [one["candidate"] for one in _rollouts(world)] == [1]
    assert _is_sound(world)


def test_a_retraining_that_is_due_while_the_last_one_cools_down_is_told_with_what_a_person_may_do(world: World) -> None:
    when = "when: {performance: {metric: accuracy, below: 0.6}}\n"
    (world.platform.project.root / "models" / MODEL / "retrain_config.yaml").write_text(when)
    _with_data(world)
    world.jobs.run = lambda out: result_of(world, out, number=2, gain=0.02)
    asked = perform(world.platform, _EMIL, "retraining.trigger", {"model": MODEL, "reason": "to see it once"})
    _decide(world, asked["action_id"], _DANA)
    world.clock.advance(timedelta(minutes=1))
    _breach(world)

    newest = perform(world.platform, _DANA, "retraining.conditions", {"model": MODEL})["evaluations"][0]
    assert (newest["fired"], newest["action_id"]) == (True, None)
    assert "retrain: cools down for another" in newest["refused"]
    told = [one for one in perform(world.platform, _DANA, "status.show", {})["next"] if one["model"] == MODEL]
    assert any(one["command"] == f"trimtab retrain request {MODEL} --reason 'why'" for one in told), told


def test_a_candidate_that_could_not_be_compared_waits_for_a_person_instead_of_being_rejected(world: World) -> None:
    _with_data(world)
    incident = _breach(world)
    world.jobs.run = lambda out: msgspec.structs.replace(result_of(world, out, number=2, gain=0.0), comparison=None)
    _decide(world, incident["actions"][0]["action_id"], _DANA)
    assert world.versions() == [(1, "approved"), (2, "pending")]
    [action] = _shown(world, incident["incident_id"])["actions"]
    assert action["state"] == "succeeded"
    assert "version 2 waits for approval: there are no recent answers whose outcome is known" in action["outcome"]
    assert [one["candidate"] for one in _rollouts(world)] == [1]


def test_a_bundle_that_was_changed_after_training_is_not_registered_and_the_action_ends(world: World) -> None:
    _with_data(world)
    incident = _breach(world)

    def tampered(out: Path) -> TrainingResult:
        result = result_of(world, out, number=2, gain=0.2)
        (out / "bundle" / "model.onnx").write_bytes(b"another model")
        return result

    world.jobs.run = tampered
    _decide(world, incident["actions"][0]["action_id"], _DANA)
    [action] = _shown(world, incident["incident_id"])["actions"]
    assert (action["state"], world.versions()) == ("failed", [(1, "approved")])
    assert "bundle not adopted" in action["outcome"]
    assert _is_sound(world)


def test_a_cancelled_training_cancels_the_action_that_asked_for_it(world: World) -> None:
    _with_data(world)
    incident = _breach(world)
    _decide(world, incident["actions"][0]["action_id"], _DANA)
    [found] = perform(world.platform, _DANA, "training.jobs", {})["jobs"][:1]
    assert found["state"] == "running"
    perform(world.platform, _ADMIN, "training.cancel", {"job_id": found["job_id"]})
    out = world.jobs.started[0]
    world.jobs.states.pop(out)
    _advance(world)
    [action] = _shown(world, incident["incident_id"])["actions"]
    assert (action["state"], action["outcome"]) == (
        "cancelled",
        "the current version stays; training cancelled: cancelled by local-admin",
    )
    assert _is_sound(world)


def test_what_is_rejected_does_not_run_and_people_are_told_loudly(world: World) -> None:
    incident = _breach(world)
    _decide(world, incident["actions"][0]["action_id"], _DANA, approve=False, reason="the holidays explain it")
    assert world.actions() == [("retrain", "rejected")]
    assert (f"{MODEL}: retrain rejected", "high") in _told(world)
    assert world.jobs.started == []
    timeline = [(entry["what"], entry["why"]) for entry in _shown(world, incident["incident_id"])["timeline"]]
    assert ("retrain rejected by dana", "the holidays explain it") in timeline
    world.clock.advance(timedelta(hours=1))
    world.checked(*world.drift(Verdict.BREACH, quality=0.49))
    _advance(world)
    assert world.actions() == [("retrain", "rejected")], "the same trouble does not ask again"
    assert _is_sound(world)


def test_one_does_not_approve_ones_own_request_while_somebody_else_could(world: World) -> None:
    asked = perform(world.platform, _EMIL, "retraining.trigger", {"model": MODEL, "reason": "I want it"})
    _key(world, "emil", Role.APPROVER)
    _key(world, "vera", Role.VIEWER)
    _key(world, "dana", Role.APPROVER)
    with pytest.raises(PermissionDeniedError, match="emil asked for it and cannot agree to it; ask dana"):
        _decide(world, asked["action_id"], _EMIL)
    assert world.actions() == [("retrain", "waiting_approval")]
    assert _decide(world, asked["action_id"], _DANA)["decided_by"] == "dana"
    assert _is_sound(world)


def test_who_is_alone_may_approve_their_own_request_and_is_told_so(world: World) -> None:
    _key(world, "emil", Role.APPROVER)
    asked = perform(world.platform, _EMIL, "retraining.trigger", {"model": MODEL, "reason": "I want it"})
    answer = _decide(world, asked["action_id"], _EMIL)
    assert answer["note"] == "emil approved their own request, since nobody else can; add a second approver"


def test_a_request_that_expired_is_asked_again_a_day_later(world: World) -> None:
    incident = _breach(world)
    world.clock.advance(timedelta(days=1))
    assert expire_requests(world.platform)
    _advance(world)
    assert (f"{MODEL}: retrain expired", "high") in _told(world)
    with pytest.raises(IllegalTransitionError, match="is expired, not waiting"):
        _decide(world, incident["actions"][0]["action_id"], _DANA)
    world.checked(*world.drift(Verdict.BREACH, quality=0.49))
    _advance(world)
    assert world.actions() == [("retrain", "expired")], "not at once: nobody answered the last time"
    world.clock.advance(timedelta(days=1))
    world.checked(*world.drift(Verdict.BREACH, quality=0.48))
    _advance(world)
    assert world.actions() == [("retrain", "expired"), ("retrain", "waiting_approval")]
    assert _is_sound(world)


@pytest.mark.parametrize("autonomy", [True, False])
def test_without_autonomy_what_would_run_by_itself_waits(tmp_path: Path, autonomy: bool) -> None:
    automatic = (
        POLICY.replace("autonomy: true", f"autonomy: {str(autonomy).lower()}")
        .replace(
            "then: {actions: [retrain], tier: approval", "then: {actions: [retrain, notify_owner], tier: automatic"
        )
        .replace("limits:", "allow_automatic: [retrain]\nlimits:")
    )
    world = _served(make_world(tmp_path / "project", policy=automatic))
    incident = _breach(world)
    states = {action["kind"]: action["state"] for action in incident["actions"]}
    assert states["notify_owner"] == "succeeded", "telling people is never held back"
    if autonomy:
        assert states["retrain"] == "failed", "it ran by itself, and found no data to learn from"
        assert "no row to make a snapshot of" in next(
            a["outcome"] for a in incident["actions"] if a["kind"] == "retrain"
        )
    else:
        assert states["retrain"] == "waiting_approval"
    assert _is_sound(world)
    world.platform.database.close()


def test_a_pause_keeps_a_retraining_under_way_from_releasing_what_it_brings(tmp_path: Path) -> None:
    automatic = POLICY.replace(
        "then: {actions: [retrain], tier: approval", "then: {actions: [retrain], tier: automatic"
    ).replace("limits:", "allow_automatic: [retrain, deploy]\nlimits:")
    world = _served(make_world(tmp_path / "project", policy=automatic))
    _with_data(world)
    _breach(world)
    [out_dir] = world.jobs.started
    perform(world.platform, _ADMIN, "autonomy.pause", {"lasts": "4h", "reason": "the holidays"})
    result = result_of(world, out_dir, number=2, gain=0.2)
    (out_dir / "result.json").write_bytes(msgspec.json.encode(result))
    world.jobs.states[out_dir] = JobProcessState.FINISHED
    _advance(world)
    assert world.versions() == [(1, "approved"), (2, "pending")]
    assert [one["candidate"] for one in _rollouts(world)] == [1]
    [action] = [
        one for one in perform(world.platform, _DANA, "approvals.list", {})["actions"] if one["kind"] == "retrain"
    ]
    assert "waits for approval: local-admin paused autonomy" in action["outcome"]
    assert _is_sound(world)
    world.platform.database.close()


def _rollouts(world: World) -> list[dict[str, Any]]:
    return list(perform(world.platform, _DANA, "rollouts.list", {})["rollouts"])


def _entries(world: World, subject: str, action: str) -> list[dict[str, Any]]:
    entries = perform(world.platform, _DANA, "audit.show", {"subject": subject})["entries"]
    return [entry for entry in entries if entry["action"] == action]
