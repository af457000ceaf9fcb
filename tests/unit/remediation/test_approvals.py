from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.remediation.cases import HOUR, HOUR_US, NOW_US, START, request

from trimtab.core.enums import Role, Tier
from trimtab.core.errors import ConflictError, IllegalTransitionError, PermissionDeniedError
from trimtab.remediation.actions import LEGAL, ActionRequest, ActionState, advance
from trimtab.remediation.approvals import (
    Approval,
    Person,
    approve,
    expire,
    granted_by_policy,
    is_due_to_expire,
    reject,
)
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.votes import SOMEBODY_HERE, Vote, Word

ANN = Person("ann", Role.APPROVER)
HERE = Person(SOMEBODY_HERE, Role.ADMIN)


def agree(
    asked: ActionRequest,
    by: Person = ANN,
    *,
    people: Collection[str] = ("ann", "bob"),
    votes: Sequence[Vote] = (),
    after: timedelta = timedelta(0),
) -> Approval:
    number = count(1)
    now = START + after
    return approve(asked, by, votes=votes, approvers=people, now=now, ids=lambda: f"id{next(number)}")


def test_an_approval_grants_the_action_and_what_the_request_covers() -> None:
    approval = agree(request())
    assert approval.grant is not None
    assert (approval.request.state, approval.request.decided_by) == (ActionState.APPROVED, "ann")
    assert approval.grant.covers == (ActionKind.RETRAIN, ActionKind.DEPLOY)
    assert approval.grant.allows(ActionKind.DEPLOY, NOW_US)
    assert not approval.grant.allows(ActionKind.ROLL_BACK, NOW_US)
    assert not approval.grant.allows(ActionKind.DEPLOY, NOW_US + 30 * 24 * HOUR_US)
    assert approval.note == ""


@pytest.mark.parametrize(
    ("automatic", "releases"),
    [((ActionKind.RETRAIN,), False), ((ActionKind.RETRAIN, ActionKind.DEPLOY), True)],
)
def test_a_policy_grants_a_release_only_where_it_lets_releases_run_by_themselves(
    automatic: tuple[ActionKind, ...], releases: bool
) -> None:
    grant = granted_by_policy(request(), PolicyConfig(allow_automatic=automatic), now=START, grant_id="g1")
    assert grant.granted_by == "policy"
    assert grant.allows(ActionKind.RETRAIN, NOW_US)
    assert grant.allows(ActionKind.DEPLOY, NOW_US) is releases


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.SERVICE])
def test_a_role_that_does_not_reach_cannot_decide(role: Role) -> None:
    with pytest.raises(PermissionDeniedError, match="approver is needed"):
        agree(request(), Person("bob", role))
    with pytest.raises(PermissionDeniedError, match="approver is needed"):
        reject(request(), Person("bob", role), now=START, reason="no")


def test_what_only_a_person_may_do_needs_an_admin() -> None:
    asked = request(tier=Tier.PERSON_ONLY)
    with pytest.raises(PermissionDeniedError, match="admin is needed"):
        agree(asked)
    assert agree(asked, Person("eve", Role.ADMIN)).request.state is ActionState.APPROVED


def test_nobody_approves_their_own_request_once_somebody_else_could() -> None:
    own = request(requested_by="ann")
    with pytest.raises(PermissionDeniedError, match="ann asked for it and cannot agree to it; ask bob"):
        agree(own)
    alone = agree(own, people=["ann"])
    assert "nobody else can" in alone.note
    assert reject(own, ANN, now=START, reason="changed my mind").state is ActionState.REJECTED


def test_another_key_of_the_same_person_is_no_other_person() -> None:
    own = request(requested_by="ann", owner="ann")
    phone = Person("ann-phone", Role.ADMIN, "ann")
    with pytest.raises(PermissionDeniedError, match="ann asked for it"):
        agree(own, phone)
    assert agree(own, Person("bob-phone", Role.APPROVER, "bob")).request.state is ActionState.APPROVED


def test_this_machines_key_may_be_anybodys_until_somebody_says_whose_it_is() -> None:
    own = request(requested_by="ann")
    with pytest.raises(PermissionDeniedError, match=r"may be ann, who asked for it.*ask bob.*keys owner local-admin"):
        agree(own, HERE)
    assert agree(own, Person(SOMEBODY_HERE, Role.ADMIN, "bob")).note == ""
    alone = agree(own, HERE, people=["ann", SOMEBODY_HERE])
    assert "nobody said whose local-admin is" in alone.note
    assert agree(own, ANN, people=["ann", SOMEBODY_HERE]).request.state is ActionState.APPROVED
    nobodys = request(requested_by="trigger")
    assert agree(nobodys, HERE).request.state is ActionState.APPROVED
    its_own = request(requested_by=SOMEBODY_HERE)
    with pytest.raises(PermissionDeniedError, match="ask ann, bob"):
        agree(its_own, HERE)
    assert agree(its_own, ANN).request.state is ActionState.APPROVED


def test_where_two_have_to_agree_one_is_not_enough_and_nobody_counts_twice() -> None:
    asked = request(needed=2)
    first = agree(asked, people=["ann", "bob", "eve"])
    assert (first.grant, first.request.state, first.note) == (None, asked.state, "1 of 2 people have agreed")
    with pytest.raises(ConflictError, match="ann has agreed already, 1 of 2"):
        agree(asked, Person("ann-phone", Role.ADMIN, "ann"), votes=[first.vote])
    here = agree(asked, HERE, votes=[first.vote])
    assert here.grant is None, "it may be ann"
    second = agree(asked, Person("bob", Role.APPROVER), votes=[first.vote])
    assert second.grant is not None
    assert (second.tally.agreed, second.grant.granted_by) == (("ann", "bob"), "bob")
    lonely = agree(asked, people=["ann"])
    assert lonely.note == "1 of 2 people have agreed, and 0 of 1 more could; 'trimtab keys create NAME --role approver'"


@given(
    needed=st.integers(1, 4),
    asker=st.sampled_from([None, "ann", "bob", SOMEBODY_HERE]),
    said=st.lists(st.tuples(st.sampled_from(["ann", "bob", "eve", SOMEBODY_HERE]), st.integers(0, 2)), max_size=8),
)
def test_a_grant_takes_as_many_people_as_are_needed(
    needed: int, asker: str | None, said: list[tuple[str, int]]
) -> None:
    """However many keys agree, in whatever order: without ``needed`` people who are known, and not the asker, none."""
    people = {"ann", "bob", "eve"}
    asked = request(needed=needed, requested_by=asker or "trigger", owner=asker)
    votes: list[Vote] = []
    granted = False
    for owner, key in said:
        try:
            approval = agree(asked, Person(f"{owner}-{key}", Role.ADMIN, owner), people=people, votes=votes)
        except (PermissionDeniedError, ConflictError):
            continue
        votes.append(approval.vote)
        if approval.grant is not None:
            granted = True
            break
    counted = {vote.owner for vote in votes} - {SOMEBODY_HERE}
    assert asker not in {vote.owner for vote in votes}
    assert granted == (len(counted) >= needed or (needed == 1 and bool(votes)))


def test_a_rule_may_ask_for_an_admin() -> None:
    asked = request(role=Role.ADMIN)
    with pytest.raises(PermissionDeniedError, match="admin is needed"):
        agree(asked)
    assert agree(asked, Person("eve", Role.ADMIN)).request.state is ActionState.APPROVED


def test_an_expired_request_cannot_be_approved() -> None:
    with pytest.raises(IllegalTransitionError, match="expired at 2030-01-01T01:00:00"):
        agree(request(), after=HOUR)
    assert is_due_to_expire(request(), START + HOUR)
    assert not is_due_to_expire(request(), START)
    assert expire(request(), START + HOUR).state is ActionState.EXPIRED


@pytest.mark.parametrize("state", [state for state in ActionState if state is not ActionState.WAITING_APPROVAL])
def test_only_what_waits_can_be_decided(state: ActionState) -> None:
    with pytest.raises(IllegalTransitionError, match="not waiting for approval"):
        agree(request(state=state))


@pytest.mark.parametrize("state", ActionState)
@pytest.mark.parametrize("to", ActionState)
def test_every_move_is_in_the_table_or_refused(state: ActionState, to: ActionState) -> None:
    asked = request(state=state)
    if to in LEGAL[state]:
        after = advance(asked, to, at_us=NOW_US, by="ann")
        assert (after.finished_us is None) is to.is_open
    else:
        with pytest.raises(IllegalTransitionError, match=f"no move from {state} to {to}"):
            advance(asked, to, at_us=NOW_US)


def test_the_word_of_who_may_agree_no_more_does_not_count_and_is_not_asked_for_twice() -> None:
    first = agree(request(needed=2), people=("ann", "bob", "eve")).vote
    bob, eve = Person("bob", Role.APPROVER), Person("eve", Role.ADMIN)
    second = agree(request(needed=2), bob, people=("bob", "eve"), votes=[first])
    assert (second.grant, second.tally.agreed, second.note) == (None, ("bob",), "1 of 2 people have agreed")
    third = agree(request(needed=2), eve, people=("bob", "eve"), votes=[first, second.vote])
    assert third.grant is not None
    with pytest.raises(ConflictError, match="ann has agreed already, 0 of 2"):
        agree(request(needed=2), people=("bob", "eve"), votes=[first])


def test_the_askers_own_word_counts_no_more_once_another_person_can_agree() -> None:
    asked = request(needed=2, owner="ann")
    own = agree(asked, people=("ann",)).vote
    bob = Person("bob", Role.APPROVER)
    assert agree(asked, bob, people=("ann", "bob"), votes=[own]).grant is None


@given(
    voters=st.lists(st.sampled_from(["ann", "bob", "cid", "dan"]), unique=True),
    able=st.frozensets(st.sampled_from(["ann", "bob", "cid", "dan"])),
    needed=st.integers(1, 4),
)
def test_no_grant_rests_on_fewer_people_than_are_needed_who_may_agree_now(
    voters: list[str], able: frozenset[str], needed: int
) -> None:
    before = [Vote(f"v-{name}", "a1", name, name, Word.APPROVE, NOW_US) for name in voters]
    approval = agree(request(needed=needed), Person("eve", Role.ADMIN), people=able | {"eve"}, votes=before)
    assert (approval.grant is not None) is (len(able & set(voters)) + 1 >= needed)
