"""What people agree to: whose hand is told, once for one matter, and under the policy as it is when they do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, World
from tests.unit.loop.test_people import EMIL, OTTO, agree, approve_version, know, policy

from trimtab.audit import log as audit
from trimtab.cli.commands.approvals import whole_request
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import PermissionDeniedError
from trimtab.loop.actor import Actor
from trimtab.loop.upkeep import expire_requests
from trimtab.remediation.action_store import load_action, verification_of
from trimtab.remediation.actions import ActionState
from trimtab.remediation.store import list_incidents

FRAN, ADA = Actor("fran", Role.APPROVER), Actor("ada", Role.ADMIN)


@pytest.fixture
def deploying(world: World) -> Deploying:
    return Deploying.on(world)


def entries(deploying: Deploying, action: str) -> list[tuple[str, str]]:
    """Return actor and reason of all entries of the audit log that tell of ``action``."""
    found = deploying.world.platform.database.read(lambda connection: audit.show(connection, limit=1000))
    return [(one.actor, one.spec["reason"]) for one in found if one.action == action]


def waiting(deploying: Deploying) -> list[JsonObject]:
    return list(deploying.ask("approvals.list", state="waiting_approval")["actions"])


def in_trouble(
    deploying: Deploying, rule: str = "{actions: [retrain, open_labelling, notify_owner], tier: approval}"
) -> str:
    """Open a case about a drift, which one rule answers; return its id."""
    policy(deploying, f"rules:\n  - {{name: Drift is answered, when: {{origin: incident}}, then: {rule}}}\n")
    world = deploying.world
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    [incident] = world.platform.database.read(lambda connection: list_incidents(connection, open_only=True))
    return incident.id


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_who_cancels_a_request_or_closes_its_case_stands_in_the_audit_log(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL, OTTO)
    case = in_trouble(deploying)
    first, _second = waiting(deploying)
    deploying.ask("approvals.cancel", EMIL, action_id=first["action_id"], reason="not now")
    deploying.ask("incidents.close", OTTO, incident_id=case, reason="a test")
    assert entries(deploying, "action.cancelled") == [
        ("emil", "cancelled by emil: not now"),
        ("otto", "incident closed by otto: a test"),
    ]


def test_one_rules_requests_are_one_matter_when_they_are_turned_down(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL)
    in_trouble(deploying)
    assert sorted(one["kind"] for one in waiting(deploying)) == ["open_labelling", "retrain"], (
        "telling waits for nobody"
    )
    for one in waiting(deploying):
        deploying.ask("approvals.decide", EMIL, action_id=one["action_id"], approve=False, reason="no")
    deploying.world.deliver()
    assert len(Acting(deploying.world).asked_for_people()) == 1
    assert len(entries(deploying, "action.escalated")) == 1


_VERSION = "rules:\n  - {{name: {name}, when: {{action: approve_version}}, then: {then}}}\n"


def asked_for_a_version(deploying: Deploying) -> str:
    """Have dana ask for a version to be approved, where one other person has to agree; return the request's id."""
    deploying.world.version(1, approved=False)
    know(deploying, DANA, EMIL, FRAN, ADA)
    return str(approve_version(deploying, 1)["action_id"])


def stricter(deploying: Deploying, then: str) -> None:
    policy(deploying, _VERSION.format(name="Versions are looked at", then=then))


def test_what_the_policy_refuses_by_now_is_cancelled_when_somebody_agrees(deploying: Deploying) -> None:
    action_id = asked_for_a_version(deploying)
    stricter(deploying, "{tier: refuse}")
    told = agree(deploying, action_id, EMIL)
    assert (told["state"], told["agreed"]) == ("cancelled", [])
    assert told["note"] == "the policy refuses it by now: Versions are looked at"
    assert entries(deploying, "action.cancelled") == [("conductor", told["note"])]
    assert deploying.ask("versions.list", model=MODEL)["versions"][0]["state"] == "pending"
    assert entries(deploying, "action.approved") == []


def test_where_more_people_are_wanted_by_now_it_waits_on_for_them(deploying: Deploying) -> None:
    action_id = asked_for_a_version(deploying)
    stricter(deploying, "{tier: approval, approval: {approvers: 2}}")
    told = agree(deploying, action_id, EMIL)
    assert (told["state"], told["needed"], told["agreed"], told["could_agree"]) == (
        "waiting_approval",
        2,
        ["emil"],
        ["ada", "fran"],
    )
    assert "the policy asks for more by now: Versions are looked at" in told["note"]
    assert agree(deploying, action_id, FRAN)["state"] != "waiting_approval"
    assert deploying.ask("versions.list", model=MODEL)["versions"][0]["state"] == "approved"


@pytest.mark.parametrize("then", ["{tier: approval, approval: {role: admin}}", "{tier: person_only}"])
def test_where_an_admin_is_wanted_by_now_only_an_admins_word_is_enough(deploying: Deploying, then: str) -> None:
    action_id = asked_for_a_version(deploying)
    stricter(deploying, then)
    with pytest.raises(PermissionDeniedError, match="emil has role approver, admin is needed"):
        agree(deploying, action_id, EMIL)
    agree(deploying, action_id, ADA)
    assert deploying.ask("versions.list", model=MODEL)["versions"][0]["state"] == "approved"


@pytest.mark.parametrize(
    "text",
    [
        "rules: [",
        _VERSION.format(name="Versions are let out", then="{tier: automatic}"),
        "limits: {actions_per_day: 0, cooldown: 9h}\nrules: []\n",
    ],
    ids=["unreadable", "milder", "limits of how often"],
)
def test_a_policy_that_is_no_stricter_leaves_what_was_asked_as_it_is(deploying: Deploying, text: str) -> None:
    action_id = asked_for_a_version(deploying)
    policy(deploying, text)
    agree(deploying, action_id, EMIL)
    assert deploying.ask("versions.list", model=MODEL)["versions"][0]["state"] == "approved"


def test_what_a_case_asked_for_is_weighed_by_the_rule_that_speaks_of_it_now(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL, ADA)
    in_trouble(deploying)
    retrain = next(one["action_id"] for one in waiting(deploying) if one["kind"] == "retrain")
    labelling = next(one["action_id"] for one in waiting(deploying) if one["kind"] == "open_labelling")
    refuses = "{name: Nothing is learnt now, when: {action: retrain}, then: {tier: refuse}}"
    tells = "{name: People are told, when: {origin: incident}, then: {actions: [notify_owner], tier: automatic}}"
    policy(deploying, f"rules: [{refuses}, {tells}]\n")
    assert agree(deploying, retrain, EMIL)["state"] == "cancelled"
    with pytest.raises(PermissionDeniedError, match="admin is needed"):
        agree(deploying, labelling, EMIL)  # no rule wants it any more: then a person decides who may
    assert agree(deploying, labelling, ADA)["state"] == "approved"


def shown(deploying: Deploying, action_id: object) -> JsonObject:
    return deploying.ask("approvals.show", action_id=action_id)


def measured(deploying: Deploying, quality: float) -> None:
    world = deploying.world
    world.checked(*world.drift(Verdict.OK, quality=quality))
    world.deliver()


def test_a_persons_request_says_what_it_should_bring_and_on_what_that_rests(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL, OTTO)
    deploying.register(2)
    blind = shown(deploying, deploying.ask("rollouts.start", model=MODEL, number=2)["action_id"])
    assert (blind["predicted_impact"], blind["impact_not_known"]) == (None, "nothing of what serves is measured yet")
    measured(deploying, 0.7)
    retrain = shown(
        deploying, deploying.ask("retraining.trigger", OTTO, model=MODEL, reason="the world moved")["action_id"]
    )
    impact = retrain["predicted_impact"]
    assert (impact["metric"], impact["now"], impact["expected"]) == ("accuracy", 0.7, 0.8)
    assert "version 1 reached 0.8 on its holdout" in impact["basis"]
    deploying.register(3)
    release = shown(deploying, deploying.ask("rollouts.start", model=MODEL, number=3)["action_id"])
    assert (release["predicted_impact"]["now"], release["impact_not_known"]) == (0.7, None)
    assert release["predicted_impact"]["basis"].startswith("version 3 reached 0.8 on its holdout; version 1 has 0.7")
    pause = shown(deploying, deploying.ask("endpoints.pause", OTTO, endpoint=MODEL, reason="wrong prices")["action_id"])
    assert (pause["predicted_impact"]["now"], pause["predicted_impact"]["expected"]) == (1.0, 0.0)
    assert [one["promise"] for one in (retrain, release, pause)] == [None] * 3, "expected, and promised by nobody"


def test_what_a_person_is_told_to_expect_is_not_what_the_action_is_verified_by(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL)
    measured(deploying, 0.7)
    deploying.register(2)
    asked = deploying.ask("rollouts.start", model=MODEL, number=2)
    agree(deploying, asked["action_id"], EMIL)
    deploying.settle()
    deploying.world.deliver()
    platform = deploying.world.platform
    done = platform.database.read(lambda connection: load_action(connection, asked["action_id"]))
    assert (done.state, done.predicted_impact is None) == (ActionState.SUCCEEDED, False)
    assert platform.database.read(lambda connection: verification_of(connection, done.id)) is None


def test_who_agrees_to_a_change_of_a_model_is_told_of_its_open_cases(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL)
    deploying.register(2)
    asked = deploying.ask("rollouts.start", model=MODEL, number=2)
    case = in_trouble(deploying)
    beside = shown(deploying, asked["action_id"])
    assert [one["incident_id"] for one in beside["open_cases"]] == [case]
    assert f"trimtab incidents show {case}" in "\n".join(whole_request(beside))
    own = shown(deploying, waiting(deploying)[0]["action_id"])
    assert (own["open_cases"], own["incident"]["incident_id"]) == ([], case)
    retrain = next(one for one in waiting(deploying) if one["kind"] == "retrain")
    told = shown(deploying, retrain["action_id"])
    assert told["promise"] == told["predicted_impact"]["basis"]
    assert f"promises: {told['promise']}" in "\n".join(whole_request(told))


def test_what_expires_after_too_few_have_agreed_says_who_had(deploying: Deploying) -> None:
    deploying.world.version(1, approved=False)
    stricter(deploying, "{tier: approval, approval: {approvers: 2}}")
    know(deploying, DANA, EMIL, FRAN)
    action_id = str(approve_version(deploying, 1)["action_id"])
    agree(deploying, action_id, EMIL)
    [model] = deploying.ask("status.show")["models"]
    assert model["waiting_approval"] == 1
    asked = [one["why"] for one in deploying.ask("status.show")["next"] if action_id in str(one["command"])]
    assert ["It waits: 2 people have to agree" in one for one in asked] == [True]
    deploying.world.clock.advance(timedelta(days=2))
    assert expire_requests(deploying.world.platform)
    told = shown(deploying, action_id)
    assert (told["state"], told["outcome"]) == ("expired", "emil agreed, 1 of 2: too few in time")
    assert entries(deploying, "action.expired") == [("conductor", told["outcome"])]


def test_a_shorter_pause_does_not_end_a_longer_one_before_its_time(deploying: Deploying) -> None:
    know(deploying, DANA, OTTO)
    deploying.ask("autonomy.pause", DANA, lasts="4h", reason="the clinic moves")
    deploying.ask("autonomy.pause", OTTO, lasts="1ms", reason="x")
    deploying.world.clock.advance(timedelta(seconds=1))
    [left] = deploying.ask("autonomy.status", DANA)["pauses"]
    assert (left["actor"], left["ended_us"]) == ("dana", None)
    deploying.ask("autonomy.pause", OTTO, lasts="5h", reason="and longer")
    assert [one["actor"] for one in deploying.ask("autonomy.status")["pauses"]] == ["otto"]
    with pytest.raises(PermissionDeniedError):
        deploying.ask("autonomy.resume", OTTO, reason="x")
    deploying.ask("autonomy.resume", DANA, reason="it has moved")
    assert deploying.ask("autonomy.status")["pauses"] == []
