from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from tests.unit.remediation.cases import (
    BREACH,
    HOUR,
    HOUR_US,
    NOW_US,
    OK,
    START,
    check,
    diagnosis,
    quality,
    request,
    unit_change,
)

from trimtab.core.enums import Role, Severity
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import incident as incident_table
from trimtab.remediation.action_store import (
    PlannedVerification,
    create_action,
    finish_verification,
    grant_of,
    list_actions,
    load_action,
    past_actions,
    pending_verifications,
    plan_verification,
    save_action,
    save_grant,
    verification_of,
)
from trimtab.remediation.actions import ActionRequest, ActionState, PredictedImpact, advance
from trimtab.remediation.alerts import Alert
from trimtab.remediation.approvals import Approval, Person, approve
from trimtab.remediation.decision import PastAction
from trimtab.remediation.incidents import Incident, attach_alert, fold, with_diagnosis
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level
from trimtab.remediation.store import (
    attach_to_incident,
    create_incident,
    current_incident,
    list_alerts,
    list_incidents,
    load_incident,
    save_alert,
    save_incident,
)
from trimtab.remediation.verification import verify
from trimtab.remediation.vote_store import save_vote, votes_of
from trimtab.remediation.votes import Via, Vote, Word

ALERT = Alert(
    "al1", "d1", "rows_quarantined", Severity.HIGH, "40 rows", NOW_US, "heart", "heart", detail={"reasons": {"x: y": 4}}
)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.transaction() as opened:
        yield opened


def incident(incident_id: str = "i1", hour: int = 0) -> Incident:
    found = fold(None, [unit_change(hour=hour)], now=START + hour * HOUR, new_id=incident_id).incident
    assert found is not None
    return found


def test_an_alert_is_told_once(connection: Connection) -> None:
    assert save_alert(connection, ALERT)
    assert not save_alert(connection, dataclasses.replace(ALERT, id="al2"))
    assert list_alerts(connection, model="heart") == [ALERT]
    assert list_alerts(connection, since_us=NOW_US + 1) == []


def test_an_alert_knows_its_case(connection: Connection) -> None:
    save_alert(connection, ALERT)
    attach_to_incident(connection, "al1", "i1")
    assert [alert.id for alert in list_alerts(connection, incident_id="i1")] == ["al1"]
    with pytest.raises(NotFoundError, match="'al9'"):
        attach_to_incident(connection, "al9", "i1")


def test_a_case_comes_back_as_it_was_saved(connection: Connection) -> None:
    case = attach_alert(with_diagnosis(incident(), diagnosis(), now=START), ALERT)
    create_incident(connection, case)
    assert load_incident(connection, "i1") == case
    resolved = fold(case, [check(OK, hour=1)], now=START + HOUR, new_id="i2").incident
    assert resolved is not None
    saved = save_incident(connection, resolved)
    assert saved.version == 2
    assert current_incident(connection, "heart", "heart") == saved
    assert list_incidents(connection, open_only=True) == []
    with pytest.raises(ConflictError, match="changed since version 1"):
        save_incident(connection, case)


def test_one_case_is_open_for_an_endpoint_and_the_open_one_comes_first(connection: Connection) -> None:
    create_incident(connection, incident("i1"))
    with pytest.raises(ConflictError, match="open incident, i1"):
        create_incident(connection, incident("i2", hour=1))
    resolved = fold(incident("i1"), [check(OK, hour=1)], now=START + HOUR, new_id="x").incident
    assert resolved is not None
    save_incident(connection, resolved)
    create_incident(connection, incident("i2", hour=2))
    current = current_incident(connection, "heart", "heart")
    assert current is not None
    assert current.id == "i2"
    assert [one.id for one in list_incidents(connection, model="heart")] == ["i2", "i1"]
    with pytest.raises(NotFoundError, match="'i9'"):
        load_incident(connection, "i9")


def test_what_a_case_was_asked_about_is_kept_and_one_of_before_that_was_asked_as_it_is_called(
    connection: Connection,
) -> None:
    case = with_diagnosis(incident(), diagnosis(), now=START).asked_about(diagnosis())
    resolved = fold(case, [check(OK, hour=1)], now=START + HOUR, new_id="x").incident
    again = fold(resolved, [unit_change(hour=2)], now=START + 2 * HOUR, new_id="x").incident
    assert again is not None
    assert (again.asked, again.since_us) == ({}, NOW_US + 2 * HOUR_US)
    create_incident(connection, again.asked_about(diagnosis()))
    stored = load_incident(connection, "i1")
    assert (stored.asked, stored.reopened_us) == ({DiagnosisKind.UNIT_CHANGE: Level.MEDIUM}, again.reopened_us)
    spec = dict(connection.execute(select(incident_table.c.spec)).scalar_one())
    for name in ("asked", "reopened_us"):
        del spec[name]
    connection.execute(update(incident_table).values(spec=spec))
    assert load_incident(connection, "i1") == stored


def test_of_one_key_one_request_is_open_and_it_can_be_made_again_after(connection: Connection) -> None:
    first = create_action(connection, request())
    assert create_action(connection, request(request_id="a2")) == first
    rejected = advance(first, ActionState.REJECTED, at_us=NOW_US, by="ann")
    save_action(connection, rejected)
    assert create_action(connection, request(request_id="a2")).id == "a2"
    assert [one.id for one in list_actions(connection, state=ActionState.WAITING_APPROVAL)] == ["a2"]
    assert past_actions(connection, since_us=NOW_US) == [
        PastAction(ActionKind.RETRAIN, "heart", NOW_US, ActionState.REJECTED),
        PastAction(ActionKind.RETRAIN, "heart", NOW_US, ActionState.WAITING_APPROVAL),
    ]


def test_requests_are_found_by_kind_and_by_what_is_still_to_come(connection: Connection) -> None:
    create_action(connection, advance(request(request_id="a1"), ActionState.REJECTED, at_us=NOW_US, by="ann"))
    create_action(connection, request(request_id="a2"))
    create_action(connection, request(ActionKind.LOG, request_id="a3"))
    assert [one.id for one in list_actions(connection, kind=ActionKind.RETRAIN)] == ["a2", "a1"]
    assert [one.id for one in list_actions(connection, kind=ActionKind.RETRAIN, open_only=True)] == ["a2"]
    assert [one.id for one in list_actions(connection, open_only=True)] == ["a3", "a2"]


def _agreed(asked: ActionRequest) -> Approval:
    ids = iter(["v1", "g1"])
    return approve(asked, Person("ann", Role.APPROVER), votes=(), approvers=["ann"], now=START, ids=lambda: next(ids))


def test_of_one_person_the_last_word_counts_and_comments_stay(connection: Connection) -> None:
    create_action(connection, request())
    said = [
        Vote("v1", "a1", "ann", "ann-phone", Word.APPROVE, NOW_US, Via.LINK),
        Vote("v2", "a1", "bob", "bob", Word.COMMENT, NOW_US + 1, comment="not on a Friday"),
        Vote("v3", "a1", "ann", "ann", Word.COMMENT, NOW_US + 2, comment="right"),
        Vote("v4", "a1", "ann", "ann", Word.REJECT, NOW_US + 3, comment="on Monday"),
        Vote("v5", "a1", "bob", "bob", Word.APPROVE, NOW_US + 4),
    ]
    for vote in said:
        save_vote(connection, vote)
    assert votes_of(connection, "a1") == said[1:]
    assert votes_of(connection, "a2") == []


def test_a_request_comes_back_as_it_was_saved_and_is_decided_once(connection: Connection) -> None:
    asked = dataclasses.replace(
        request(), predicted_impact=PredictedImpact("mape", 0.9, 0.3, False, "b"), params={"feed": "b"}
    )
    create_action(connection, asked)
    approval = _agreed(asked)
    saved = save_action(connection, approval.request)
    assert load_action(connection, "a1") == saved
    with pytest.raises(ConflictError, match="changed since version 1"):
        save_action(connection, advance(asked, ActionState.REJECTED, at_us=NOW_US))
    with pytest.raises(NotFoundError, match="'a9'"):
        load_action(connection, "a9")


def test_a_grant_allows_what_it_covers_while_it_lasts(connection: Connection) -> None:
    asked = create_action(connection, request())
    assert grant_of(connection, "a1") is None
    grant = _agreed(asked).grant
    assert grant is not None
    save_grant(connection, grant)
    assert grant_of(connection, "a1") == grant
    assert grant.allows(ActionKind.DEPLOY, NOW_US)
    assert not grant.allows(ActionKind.ROLL_BACK, NOW_US)
    assert not grant.allows(ActionKind.DEPLOY, NOW_US + 1000 * HOUR_US)
    with pytest.raises(ConflictError, match="grant already"):
        save_grant(connection, dataclasses.replace(grant, id="g2"))


def test_a_verification_stays_pending_until_it_is_conclusive(connection: Connection) -> None:
    create_action(connection, request())
    planned = PlannedVerification("v1", "a1", NOW_US, {"window": 1})
    plan_verification(connection, planned)
    plan_verification(connection, dataclasses.replace(planned, id="v2"))
    assert pending_verifications(connection) == [planned]
    open_ = finish_verification(connection, planned, verify(None, [check(BREACH)], []), at_us=NOW_US)
    assert pending_verifications(connection) == [open_]
    done = finish_verification(connection, open_, verify(None, [check(BREACH)], [check(OK)]), at_us=NOW_US + 1)
    assert pending_verifications(connection) == []
    assert verification_of(connection, "a1") == done
    with pytest.raises(ConflictError, match="changed since version 1"):
        finish_verification(connection, planned, verify(None, [quality(BREACH)], []), at_us=NOW_US)
