from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.remediation.cases import HOUR, HOUR_US, NOW_US, START, request

from trimtab.core.enums import Role, Tier
from trimtab.core.errors import IllegalTransitionError, PermissionDeniedError
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
from trimtab.remediation.policy import ActionKind, PolicyConfig

ANN = Person("ann", Role.APPROVER)


def agree(asked: ActionRequest, by: Person = ANN, *, others: int = 1, after: timedelta = timedelta(0)) -> Approval:
    return approve(asked, by, other_approvers=others, now=START + after, grant_id="g1")


def test_an_approval_grants_the_action_and_what_the_request_covers() -> None:
    approval = agree(request())
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
    with pytest.raises(PermissionDeniedError, match="ann requested it"):
        agree(own)
    alone = agree(own, others=0)
    assert "nobody else can" in alone.note
    assert reject(own, ANN, now=START, reason="changed my mind").state is ActionState.REJECTED


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
