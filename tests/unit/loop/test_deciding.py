"""What the policy says is kept, explained and told; and what keeps anything from running by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, POLICY, START, World, make_project, make_world

from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import ConfigError, NotFoundError, PermissionDeniedError
from trimtab.db.tables import audit_entry, notification, policy_decision
from trimtab.loop.actor import Actor
from trimtab.loop.gate import propose
from trimtab.loop.model_files import load_policy
from trimtab.loop.operation import perform
from trimtab.loop.simulation.world import copy_project
from trimtab.loop.upkeep import expire_requests
from trimtab.loop.validation import validate_project
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.remediation.decision import Proposal
from trimtab.remediation.decision_store import decisions_of
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin
from trimtab.remediation.requests import RequestContext

_DANA, _EMIL = Actor("dana", Role.ADMIN), Actor("emil", Role.OPERATOR)
_HOUR = timedelta(hours=1)


def _propose(world: World, action: ActionKind | None = ActionKind.RETRAIN, **fields: Any) -> list[str]:
    proposal = Proposal(fields.pop("origin", Origin.TRIGGER), fields.pop("model", MODEL), action, **fields)
    with world.platform.database.transaction() as connection:
        context = RequestContext("trigger", {}, endpoint=MODEL)
        return [one.state.value for one in propose(connection, world.platform, proposal, context)[1]]


def _entries(world: World, action: str) -> list[dict[str, Any]]:
    query = select(audit_entry.c.spec).where(audit_entry.c.action == action).order_by(audit_entry.c.sequence)
    return [dict(spec) for spec in world.platform.database.read(lambda c: list(c.execute(query).scalars()))]


def _unit_change(world: World) -> str:
    """Have a feed change its unit; return the incident that this opens."""
    cause = Cause(
        kind=CauseKind.UNIT_CHANGE,
        column="chol",
        factor=1 / 38.67,
        known_unit="mg/dL → mmol/L (÷ 38.67)",
        since_us=world.platform.now_us(),
        until_us=None,
        since_row_share=1.0,
        explanation="chol was multiplied by 0.02586",
    )
    world.checked(world.check(Verdict.BREACH, column="chol", detail={"causes": [cause.to_json()]}))
    world.deliver()
    [incident] = perform(world.platform, _DANA, "incidents.list", {"open_only": True})["incidents"]
    return str(incident["incident_id"])


def _explained(world: World, incident_id: str) -> dict[str, Any]:
    return perform(world.platform, _DANA, "policy.explain", {"incident_id": incident_id})


def _of_case(told: dict[str, Any]) -> dict[str, Any]:
    """Return the one decision that the incident itself led to; a trigger may have asked beside it."""
    [made] = [one for one in told["decisions"] if one["origin"] == "incident"]
    return dict(made)


def _rewrite(world: World, policy: str) -> None:
    (world.platform.project.root / "policy.yaml").write_text(policy, encoding="utf-8")


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_every_decision_is_kept_also_one_from_which_nothing_follows(world: World) -> None:
    assert _propose(world, ActionKind.SCALE) == ["waiting_approval"]
    assert _propose(world, ActionKind.RETRAIN, open_diagnoses=(DiagnosisKind.UNIT_CHANGE,)) == []
    kept = world.platform.database.read(lambda connection: decisions_of(connection, MODEL))
    assert [(one.decision.rule, len(one.action_ids)) for one in kept] == [
        ("A trigger does not retrain a model while its data are broken", 0),
        (None, 1),
    ]
    digest = load_policy(world.platform.project).digest
    rows = world.platform.database.read(lambda c: c.execute(select(policy_decision)).all())
    assert {row.policy_hash for row in rows} == {digest}
    assert {row.action for row in rows} == {"scale", "retrain"}


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_the_same_refusal_again_is_counted_and_another_answer_is_kept_by_itself(world: World) -> None:
    def refused() -> None:
        assert _propose(world, open_diagnoses=(DiagnosisKind.UNIT_CHANGE,)) == []
        world.clock.advance(_HOUR)

    for _ in range(3):
        refused()
    [kept] = world.platform.database.read(lambda connection: decisions_of(connection, MODEL))
    assert (kept.times, kept.last_us - kept.at_us) == (3, 2 * 3_600_000_000)
    assert _propose(world) == ["waiting_approval"]
    refused()
    counted = world.platform.database.read(lambda connection: decisions_of(connection, MODEL))
    assert [one.times for one in counted] == [1, 1, 3]


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_policy_is_audited_when_something_is_first_decided_under_it(world: World) -> None:
    _propose(world, ActionKind.LOG)
    _propose(world, ActionKind.LOG)
    [first] = _entries(world, "policy.changed")
    digest = load_policy(world.platform.project).digest
    assert (first["before"], first["after"]["sha256"]) == ({}, digest)
    _rewrite(world, POLICY.replace("cooldown: 10m", "cooldown: 20m"))
    _propose(world, ActionKind.LOG)
    _propose(world, ActionKind.LOG)
    [_, second] = _entries(world, "policy.changed")
    assert second["before"] == {"sha256": digest}
    assert second["after"]["policy"]["limits"] == {"cooldown": "20m"}


def test_it_is_explained_which_rules_were_asked_and_what_would_be_said_now(world: World) -> None:
    world.version(1)
    incident_id = _unit_change(world)
    told = _explained(world, incident_id)
    made = _of_case(told)
    assert (made["rule"], made["proposal"]["diagnosis"]) == (
        "A feed that changed its units is quarantined",
        "unit_change",
    )
    assert [one["matched"] for one in made["asked"]] == [True]
    assert {one["action"]: one["state"] for one in made["requests"]}["quarantine_feed"] == "succeeded"
    assert made["policy_is_in_force"]
    assert "cools down for another 10m" in told["now"]["reason"], "what ran a moment ago does not run again"

    world.clock.advance(_HOUR)
    _rewrite(world, POLICY.replace("{actions: [quarantine_feed, notify_owner], tier: automatic}", "{tier: refuse}"))
    told = _explained(world, incident_id)
    assert not _of_case(told)["policy_is_in_force"]
    assert (told["now"]["rule"], told["now"]["tier"]) == (made["rule"], "refuse")
    assert _of_case(told)["times"] == 1, "asking to explain decides nothing"

    _rewrite(world, "rules: [")
    assert "expected valid YAML" in _explained(world, incident_id)["now"]["error"]


def test_an_unknown_incident_cannot_be_explained(world: World) -> None:
    with pytest.raises(NotFoundError):
        _explained(world, "0" * 36)


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_pause_holds_what_would_run_by_itself_over_a_restart_and_until_its_time(world: World) -> None:
    world.version(1)
    begun = perform(
        world.platform, _EMIL, "autonomy.pause", {"lasts": "4h", "reason": "the clinic moves house", "model": MODEL}
    )
    assert begun["until_us"] - begun["from_us"] == 4 * 3_600_000_000
    world.deliver()
    again = make_world(world.platform.project.root)
    again.clock.advance(_HOUR)
    incident_id = _unit_change(again)
    made = _of_case(_explained(again, incident_id))
    assert {one["action"]: one["tier"] for one in made["actions"]}["quarantine_feed"] == "approval"
    assert "emil paused autonomy until 2030-01-01T04:00+00:00: the clinic moves house" in made["reason"]
    assert ("quarantine_feed", "waiting_approval") in again.actions()
    status = perform(again.platform, _DANA, "status.show", {})
    assert [one["reason"] for one in status["autonomy"]["pauses"]] == ["the clinic moves house"]
    again.clock.advance(3 * _HOUR)
    assert perform(again.platform, _DANA, "autonomy.status", {})["pauses"] == []
    again.platform.database.close()


def test_a_pause_between_decision_and_execution_has_the_action_wait(world: World) -> None:
    world.version(1)
    held = "rules:\n  - {name: set aside, then: {actions: [quarantine_feed], tier: automatic}}\n"
    _rewrite(world, held)
    assert _propose(world, ActionKind.QUARANTINE_FEED) == ["approved"]
    perform(world.platform, _EMIL, "autonomy.pause", {"lasts": "4h", "reason": "wait"})
    world.deliver()
    assert world.actions() == [("quarantine_feed", "waiting_approval")]
    perform(world.platform, _DANA, "autonomy.resume", {"reason": "go on"})
    world.deliver()
    assert world.actions() == [("quarantine_feed", "waiting_approval")], "a person has been asked by now"


def test_pausing_is_told_audited_and_ended_by_whoever_may(world: World) -> None:
    platform = world.platform
    perform(platform, _EMIL, "autonomy.pause", {"lasts": "1h", "reason": "first"})
    perform(platform, _EMIL, "autonomy.pause", {"lasts": "2h", "reason": "longer"})
    perform(platform, _EMIL, "autonomy.pause", {"lasts": "3h", "reason": "only this one", "model": MODEL})
    told = perform(platform, _DANA, "autonomy.status", {})
    assert sorted(one["reason"] for one in told["pauses"]) == ["longer", "only this one"]
    with pytest.raises(PermissionDeniedError):
        perform(platform, _EMIL, "autonomy.resume", {})
    left = perform(platform, _DANA, "autonomy.resume", {"reason": "all is well"})["pauses"]
    assert [one["model"] for one in left] == [MODEL]
    with pytest.raises(NotFoundError, match="is not paused for all models"):
        perform(platform, _DANA, "autonomy.resume", {})
    with pytest.raises(NotFoundError, match="'nobody': not in this project"):
        perform(platform, _EMIL, "autonomy.pause", {"lasts": "1h", "reason": "x", "model": "nobody"})
    for lasts in ("0s", "32d", "soon"):
        with pytest.raises(ConfigError, match="lasts"):
            perform(platform, _EMIL, "autonomy.pause", {"lasts": lasts, "reason": "x"})
    world.deliver()
    assert [entry["reason"] for entry in _entries(world, "autonomy.paused")] == ["first", "longer", "only this one"]
    assert [entry["reason"] for entry in _entries(world, "autonomy.resumed")] == ["all is well"]
    titles = platform.database.read(lambda c: list(c.execute(select(notification.c.title)).scalars()))
    assert "all models: emil paused autonomy until 2030-01-01T02:00:00+00:00" in titles
    assert "all models: dana ended the pause of autonomy" in titles


def test_who_may_not_resume_does_not_end_a_pause_by_a_shorter_one(world: World) -> None:
    perform(world.platform, _DANA, "autonomy.pause", {"lasts": "4h", "reason": "the clinic moves"})
    perform(world.platform, _EMIL, "autonomy.pause", {"lasts": "1m", "reason": "a short one"})
    world.clock.advance(timedelta(minutes=2))
    assert _propose(world, ActionKind.QUARANTINE_FEED) == ["waiting_approval"]
    told = perform(world.platform, _DANA, "autonomy.status", {})
    assert [one["reason"] for one in told["pauses"]] == ["the clinic moves"]
    assert perform(world.platform, _DANA, "autonomy.resume", {"reason": "done"})["pauses"] == []


def test_a_way_back_is_proposed_only_where_there_is_one(world: World) -> None:
    world.version(1)
    back = POLICY.replace(
        "{actions: [quarantine_feed, notify_owner], tier: automatic}", "{actions: [roll_back, log], tier: approval}"
    )
    _rewrite(world, back)
    made = _of_case(_explained(world, _unit_change(world)))
    assert {one["action"]: one["tier"] for one in made["actions"]}["roll_back"] == "refuse"
    assert "no other version served on tiny before" in made["reason"]
    assert ("roll_back", "waiting_approval") not in world.actions()


def test_a_policy_that_names_no_model_of_the_project_is_refused_with_its_line(tmp_path: Path) -> None:
    policy = POLICY + "  - name: Typo\n    when: {action: scale, models: [tiny, tyni]}\n    then: {tier: refuse}\n"
    world = make_world(tmp_path / "project", policy=policy)
    path = world.platform.project.root / "policy.yaml"
    line = policy.count("\n", 0, policy.index("tyni")) + 1
    expected = f"{path}:{line}: rules.6.when.models: found 'tyni', which no model is called; expected one of tiny"
    [problem] = validate_project(world.platform.project.root)
    assert problem.startswith(expected)
    with pytest.raises(ConfigError, match="'tyni'"):
        load_policy(world.platform.project)
    world.platform.database.close()


def test_a_simulation_of_one_model_plays_by_the_rules_for_it(tmp_path: Path) -> None:
    policy = POLICY + "  - {name: Both, when: {action: scale, models: [tiny, other]}, then: {tier: approval}}\n"
    policy += "  - {name: Other, when: {action: clear_cache, models: other}, then: {tier: refuse}}\n"
    project = make_project(tmp_path / "project", policy=policy)
    copied = copy_project(project, MODEL, tmp_path / "copy")
    rules = load_policy(copied).value.rules
    assert [rule.name for rule in rules][-2:] == ["What nobody understands is written down", "Both"]
    assert rules[-1].when.models == ()


def test_an_unreadable_policy_holds_up_no_case(world: World) -> None:
    world.version(1)
    _rewrite(world, "rules: [")
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    assert world.unfinished() == []
    [incident] = perform(world.platform, _DANA, "incidents.list", {"open_only": True})["incidents"]
    shown = perform(world.platform, _DANA, "incidents.show", {"incident_id": incident["incident_id"]})
    assert "policy: cannot be read, so nothing was proposed" in [one["what"] for one in shown["timeline"]]


def test_requests_expire_also_behind_many_that_wait_longer(world: World) -> None:
    rules = "rules:\n  - {name: ask, when: {action: scale}, then: {tier: approval, expires: %s}}\n"
    _rewrite(world, rules % "1h")
    assert _propose(world, ActionKind.SCALE) == ["waiting_approval"]
    _rewrite(world, rules % "9d")
    for number in range(110):
        world.clock.advance(timedelta(seconds=1))
        assert _propose(world, ActionKind.SCALE, model=f"other-{number}", origin=Origin.PERSON) == ["waiting_approval"]
    world.clock.advance(_HOUR)
    assert expire_requests(world.platform)
    assert [state for _, state in world.actions()].count("expired") == 1
    assert world.platform.clock.now() > START + _HOUR
