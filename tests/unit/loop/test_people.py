"""People's own wishes pass the gate like all others: at once where nobody else could agree, else they wait for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.conftest import BOTH
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, POLICY, World

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ApprovalRequiredError, ConflictError, NotFoundError, PermissionDeniedError, TrimtabError
from trimtab.db.tables import action_request, event, job, notification, policy_decision
from trimtab.lake import feeds
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.loop.gate import propose
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext

EMIL, OTTO = Actor("emil", Role.APPROVER), Actor("otto", Role.OPERATOR)
HERE = Actor(keys.LOCAL_ADMIN, Role.ADMIN)


@pytest.fixture
def deploying(world: World) -> Deploying:
    return Deploying.on(world)


def know(deploying: Deploying, *people: Actor) -> None:
    """Give each of them a key of their role."""
    platform = deploying.world.platform
    with platform.database.transaction() as connection:
        for person in people:
            keys.create_key(connection, person.name, person.role, at_us=platform.now_us())


def policy(deploying: Deploying, text: str) -> None:
    (deploying.world.platform.project.root / "policy.yaml").write_text(text)


def approve_version(deploying: Deploying, number: int, by: Actor = DANA) -> JsonObject:
    return deploying.ask("versions.decide", by, model=MODEL, number=number, approve=True, reason="looks right")


def agree(deploying: Deploying, action_id: str, by: Actor) -> JsonObject:
    answer = deploying.ask("approvals.decide", by, action_id=action_id, approve=True, reason="seen")
    deploying.world.deliver()
    return answer


def stored(deploying: Deploying) -> list[tuple[str, str, str | None]]:
    """Return kind, state and owner of all requests."""
    query = select(action_request).order_by(action_request.c.created_us, action_request.c.id)
    rows = deploying.world.platform.database.read(lambda connection: connection.execute(query).all())
    return [(row.kind, row.state, row.owner) for row in rows]


def decisions(deploying: Deploying) -> int:
    count = select(func.count()).select_from(policy_decision)
    return int(deploying.world.platform.database.read(lambda connection: connection.execute(count).scalar_one()))


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_whoever_is_alone_approves_and_deploys_at_once_and_is_told(deploying: Deploying) -> None:
    deploying.world.version(1, approved=False)
    know(deploying, DANA)
    approved = approve_version(deploying, 1)
    assert (approved["state"], approved["decided_by"], approved["waits"]) == ("approved", "dana", False)
    assert "approved their own request, since nobody else can" in approved["note"]
    started = deploying.ask("rollouts.start", model=MODEL, number=1)
    assert (started["candidate"], started["waits"]) == (1, False)
    deploying.settle()
    deploying.world.deliver()
    assert deploying.weights() == {"v1": 100}
    assert stored(deploying) == [("approve_version", "succeeded", "dana"), ("deploy", "succeeded", "dana")]
    assert decisions(deploying) == 2
    assert deploying.world.unfinished() == []


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_with_two_people_a_version_and_its_release_are_agreed_to_once(deploying: Deploying) -> None:
    deploying.world.version(1, approved=False)
    know(deploying, DANA, EMIL)
    asked = approve_version(deploying, 1)
    assert (asked["state"], asked["waits"], asked["could_agree"]) == ("pending", True, ["emil"])
    with pytest.raises(ConflictError, match=f"waits for approval already.*approve {asked['action_id']}"):
        approve_version(deploying, 1, EMIL)
    with pytest.raises(PermissionDeniedError, match="dana asked for it and cannot agree to it; ask emil"):
        agree(deploying, asked["action_id"], DANA)
    agree(deploying, asked["action_id"], EMIL)
    shown = deploying.ask("versions.list", model=MODEL)["versions"][0]
    assert (shown["state"], shown["decided_by"], shown["reason"]) == ("approved", "emil", "looks right")
    started = deploying.ask("rollouts.start", model=MODEL, number=1)
    assert (started["waits"], started["candidate"]) == (False, 1)
    votes = deploying.ask("approvals.show", action_id=started["action_id"])["votes"]
    assert [(vote["person"], vote["word"], vote["via"]) for vote in votes] == [("emil", "approve", "earlier")]


def test_who_agreed_to_a_version_may_release_it_since_another_wanted_it(deploying: Deploying) -> None:
    deploying.world.version(1, approved=False)
    know(deploying, DANA, EMIL)
    agree(deploying, approve_version(deploying, 1)["action_id"], EMIL)
    assert deploying.ask("rollouts.start", EMIL, model=MODEL, number=1)["waits"] is False


def test_an_agreement_is_good_for_one_release(deploying: Deploying) -> None:
    deploying.bring_in(1)
    number = deploying.world.version(2, approved=False).number
    know(deploying, DANA, EMIL)
    agree(deploying, approve_version(deploying, number)["action_id"], EMIL)
    deploying.ask("rollouts.start", model=MODEL, number=number)
    deploying.settle()
    deploying.roll_back()
    deploying.settle()
    deploying.world.deliver()
    again = deploying.ask("rollouts.start", model=MODEL, number=number)
    assert (again["rollout_id"], again["phase"], again["waits"]) == (None, "waiting_approval", True)


def test_a_version_that_another_had_trained_needs_one_more_word(deploying: Deploying) -> None:
    world = deploying.world
    world.version(1, approved=False)
    know(deploying, DANA, EMIL)
    _trained_by(deploying, "emil")
    assert approve_version(deploying, 1)["state"] == "approved"
    world.version(2, approved=False)
    _trained_by(deploying, "dana")
    assert approve_version(deploying, 2)["waits"] is True


def _trained_by(deploying: Deploying, name: str) -> None:
    with deploying.world.platform.database.transaction() as connection:
        connection.execute(job.update().where(job.c.id.like("j%")).values(spec={"asked_by": name, "action_id": None}))


def test_a_deployment_waits_for_the_other_person_and_then_goes_out(deploying: Deploying) -> None:
    deploying.register(1)
    know(deploying, DANA, EMIL)
    asked = deploying.ask("rollouts.start", model=MODEL, number=1)
    assert (asked["phase"], asked["could_agree"], deploying.running()) == ("waiting_approval", ["emil"], None)
    deploying.world.deliver()
    assert [row.title for row in _messages(deploying)] == ["tiny: approval wanted: serve version 1 of tiny"]
    agree(deploying, asked["action_id"], EMIL)
    deploying.settle()
    deploying.world.deliver()
    assert deploying.weights() == {"v1": 100}
    assert stored(deploying) == [("deploy", "succeeded", "dana")]


def _messages(deploying: Deploying) -> list[Any]:
    query = select(notification).order_by(notification.c.id)
    return list(deploying.world.platform.database.read(lambda connection: connection.execute(query).all()))


def test_this_machines_key_is_nobodys_second_person_until_somebody_says_whose_it_is(deploying: Deploying) -> None:
    deploying.register(1)
    know(deploying, DANA, HERE)
    assert deploying.ask("rollouts.start", model=MODEL, number=1)["waits"] is False
    deploying.settle()
    deploying.register(2)
    deploying.ask("keys.owner", HERE, name=HERE.name, owner="ann")
    assert deploying.ask("rollouts.start", model=MODEL, number=2)["could_agree"] == ["ann"]


def test_nobody_is_asked_to_agree_to_what_cannot_be_done(deploying: Deploying) -> None:
    deploying.world.version(1, approved=False)
    know(deploying, DANA, EMIL)
    with pytest.raises(ApprovalRequiredError, match="approve it first"):
        deploying.ask("rollouts.start", model=MODEL, number=1)
    with pytest.raises(NotFoundError, match="not registered"):
        deploying.ask("rollouts.start", model=MODEL, number=7)
    deploying.ask("versions.decide", model=MODEL, number=1, approve=False, reason="a leak")
    with pytest.raises(TrimtabError):
        approve_version(deploying, 1)
    assert (stored(deploying), decisions(deploying)) == ([], 0)
    kinds = select(event.c.kind).where(event.c.kind.like("action.%"))
    assert deploying.world.platform.database.read(lambda connection: connection.execute(kinds).all()) == []


def _nothing(_deploying: Deploying) -> None:
    pass


def _unreadable(deploying: Deploying) -> None:
    policy(deploying, "rules: {}\n")


def _off(deploying: Deploying) -> None:
    policy(deploying, POLICY.replace("autonomy: true", "autonomy: false"))


@pytest.mark.parametrize("given", [_nothing, _unreadable, _off])
def test_an_approver_goes_back_at_once_whoever_else_there_is(
    deploying: Deploying, given: Callable[[Deploying], None]
) -> None:
    deploying.bring_in(1, 2)
    know(deploying, DANA, EMIL)
    given(deploying)
    assert deploying.roll_back()["waits"] is False
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


def test_a_rule_that_speaks_of_people_holds_their_way_back(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    know(deploying, DANA, EMIL)
    rule = (
        "  - name: Nobody goes back alone\n    when: {origin: person, action: roll_back}\n    then: {tier: approval}\n"
    )
    policy(deploying, POLICY + rule)
    asked = deploying.roll_back()
    assert (asked["waits"], asked["could_agree"], deploying.running()) == (True, ["emil"], None)
    agree(deploying, asked["action_id"], EMIL)
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


def test_an_approver_trusts_a_feed_again_at_once(deploying: Deploying) -> None:
    platform = deploying.world.platform
    know(deploying, DANA, EMIL)
    with platform.database.transaction() as connection:
        feeds.quarantine_feed(connection, MODEL, "clinic", since_us=0, reason="units", at_us=platform.now_us())
    told = deploying.ask("feeds.release", model=MODEL, feed="clinic", reason="mended")
    assert (told["state"], told["waits"]) == ("open", False)
    assert stored(deploying) == [("release_feed", "succeeded", "dana")]
    deploying.world.deliver()
    assert deploying.world.unfinished() == []


def test_an_approver_ends_an_outage_at_once_and_an_operator_asks(deploying: Deploying) -> None:
    deploying.bring_in(1)
    know(deploying, DANA, EMIL, OTTO)
    paused = deploying.ask("endpoints.pause", endpoint=MODEL, reason="wrong prices")
    agree(deploying, paused["action_id"], EMIL)
    asked = deploying.ask("endpoints.resume", OTTO, endpoint=MODEL, reason="mended")
    assert (asked["waits"], asked["could_agree"]) == (True, ["dana", "emil"])
    deploying.ask("approvals.cancel", OTTO, action_id=asked["action_id"], reason="dana does it")
    assert deploying.ask("endpoints.resume", endpoint=MODEL, reason="mended")["waits"] is False


def test_a_rule_may_ask_for_two_people_and_for_admins(deploying: Deploying) -> None:
    deploying.register(1)
    eve = Actor("eve", Role.ADMIN)
    know(deploying, DANA, EMIL, eve, Actor("fay", Role.ADMIN))
    rule = (
        "rules:\n  - name: Two admins let a version out\n    when: {action: deploy}\n"
        "    then: {tier: approval, approval: {role: admin, approvers: 2}}\n"
    )
    policy(deploying, rule)
    asked = deploying.ask("rollouts.start", model=MODEL, number=1)
    assert asked["could_agree"] == ["eve", "fay"]
    with pytest.raises(PermissionDeniedError, match="admin is needed"):
        agree(deploying, asked["action_id"], EMIL)
    first = agree(deploying, asked["action_id"], eve)
    assert (first["state"], first["note"]) == ("waiting_approval", "1 of 2 people have agreed")
    assert (first["agreed"], first["could_agree"]) == (["eve"], ["fay"])
    last = agree(deploying, asked["action_id"], Actor("fays-phone", Role.ADMIN, "fay"))
    assert (last["state"], last["agreed"]) == ("approved", ["eve", "fay"])


def test_a_revoked_keys_agreement_lets_nothing_run(deploying: Deploying) -> None:
    deploying.register(1)
    fay, eve = Actor("fay", Role.ADMIN), Actor("eve", Role.ADMIN)
    know(deploying, DANA, EMIL, eve, fay)
    policy(
        deploying, "rules: [{name: Two, when: {action: deploy}, then: {tier: approval, approval: {approvers: 2}}}]\n"
    )
    asked = deploying.ask("rollouts.start", model=MODEL, number=1)["action_id"]
    agree(deploying, asked, EMIL)
    deploying.ask("keys.revoke", fay, name="emil")
    second = agree(deploying, asked, eve)
    assert (second["state"], second["agreed"], second["could_agree"]) == ("waiting_approval", ["eve"], ["fay"])
    assert agree(deploying, asked, fay)["state"] == "approved"


def test_three_keys_of_one_person_are_not_two_people(deploying: Deploying) -> None:
    deploying.register(1)
    phone, laptop = Actor("danas-phone", Role.ADMIN, "dana"), Actor("danas-laptop", Role.ADMIN, "dana")
    know(deploying, DANA, HERE)
    with deploying.world.platform.database.transaction() as connection:
        for key in (phone, laptop):
            keys.create_key(connection, key.name, key.role, at_us=1, owner="dana")
    policy(
        deploying, "rules: [{name: Two, when: {action: deploy}, then: {tier: approval, approval: {approvers: 2}}}]\n"
    )
    asked = deploying.ask("rollouts.start", model=MODEL, number=1)
    assert asked["waits"] is True
    for key in (phone, laptop, DANA):
        with pytest.raises(ConflictError, match="dana has agreed already, 1 of 2"):
            agree(deploying, asked["action_id"], key)
    assert agree(deploying, asked["action_id"], HERE)["state"] == "waiting_approval"
    assert deploying.running() is None


@pytest.mark.parametrize(("by", "escalated"), [(DANA, True), (Actor("eve", Role.ADMIN), False)])
def test_what_an_approver_rejects_goes_to_an_admin(deploying: Deploying, by: Actor, *, escalated: bool) -> None:
    world = deploying.world
    action_id = _asked_by_a_trigger(world)
    deploying.ask("approvals.comment", OTTO, action_id=action_id, text="the feed is being mended")
    answer = deploying.ask("approvals.decide", by, action_id=action_id, approve=False, reason="not now")
    assert [(vote["person"], vote["word"]) for vote in answer["votes"]] == [("otto", "comment"), (by.name, "reject")]
    world.deliver()
    titles = [row.title for row in _messages(deploying)]
    assert ("tiny: a person is wanted" in titles) is escalated
    assert world.unfinished() == []


def _asked_by_a_trigger(world: World) -> str:
    with world.platform.database.transaction() as connection:
        proposal = Proposal(origin=Origin.TRIGGER, model=MODEL, action=ActionKind.RETRAIN)
        _, [created] = propose(connection, world.platform, proposal, RequestContext("trigger", {}))
    return created.id


def test_a_request_is_taken_back_by_whoever_asked_or_an_approver(deploying: Deploying) -> None:
    mine = deploying.ask("retraining.trigger", OTTO, model=MODEL, reason="I want it")["action_id"]
    told = deploying.ask("approvals.cancel", OTTO, action_id=mine, reason="changed my mind")
    assert (told["state"], told["outcome"]) == ("cancelled", "cancelled by otto: changed my mind")
    with pytest.raises(TrimtabError, match="nothing is left to cancel"):
        deploying.ask("approvals.cancel", OTTO, action_id=mine, reason="again")
    others = _asked_by_a_trigger(deploying.world)
    with pytest.raises(PermissionDeniedError, match="approver is needed to cancel what others asked for"):
        deploying.ask("approvals.cancel", OTTO, action_id=others, reason="no")
    deploying.ask("approvals.decide", action_id=others, approve=True)
    assert deploying.ask("approvals.cancel", action_id=others, reason="too early")["state"] == "cancelled"
    deploying.world.deliver()
    assert deploying.world.actions() == [("retrain", "cancelled"), ("retrain", "cancelled")]


def test_a_rollout_that_runs_is_taken_back_with_its_request(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.by_canary()
    deploying.register(2)
    started = deploying.ask("rollouts.start", model=MODEL, number=2)
    deploying.settle()
    assert deploying.weights() == {"v1": 80, "v2": 20}
    deploying.ask("approvals.cancel", action_id=started["action_id"], reason="wrong day")
    deploying.world.deliver()
    assert (deploying.weights(), deploying.running()) == ({"v1": 100}, None)
    assert deploying.world.unfinished() == []


def _waits(deploying: Deploying) -> str:
    deploying.register(1)
    know(deploying, DANA, EMIL, Actor("eve", Role.ADMIN), Actor("fay", Role.ADMIN))
    asked = deploying.ask("rollouts.start", model=MODEL, number=1)
    assert asked["waits"] is True
    return str(asked["action_id"])


def test_what_the_policy_refuses_by_now_is_not_agreed_to(deploying: Deploying) -> None:
    asked = _waits(deploying)
    policy(deploying, "rules: [{name: No release over Christmas, when: {action: deploy}, then: {tier: refuse}}]\n")
    answer = agree(deploying, asked, EMIL)
    assert answer["state"] == "cancelled"
    assert "the policy refuses it by now: No release over Christmas" in answer["note"]
    assert deploying.running() is None


def test_a_request_takes_as_many_people_as_the_policy_wants_by_now(deploying: Deploying) -> None:
    asked = _waits(deploying)
    policy(
        deploying,
        "rules: [{name: Two, when: {action: deploy}, then: {tier: approval, approval: {role: admin, approvers: 2}}}]\n",
    )
    with pytest.raises(PermissionDeniedError, match="admin is needed"):
        agree(deploying, asked, EMIL)
    first = agree(deploying, asked, Actor("eve", Role.ADMIN))
    assert (first["state"], first["role"], first["needed"]) == ("waiting_approval", "admin", 2)
    policy(deploying, "rules: [{name: One, when: {action: deploy}, then: {tier: approval}}]\n")
    assert deploying.ask("approvals.show", action_id=asked)["needed"] == 2, "a milder policy takes nothing back"
    assert agree(deploying, asked, Actor("fay", Role.ADMIN))["state"] == "approved"


@pytest.mark.parametrize("text", ["rules: [", "rules: []\n"])
def test_a_policy_that_says_nothing_of_a_request_leaves_it_as_it_was(deploying: Deploying, text: str) -> None:
    asked = _waits(deploying)
    policy(deploying, text)
    assert agree(deploying, asked, EMIL)["state"] == "approved"
