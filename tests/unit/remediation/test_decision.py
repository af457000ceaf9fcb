from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.remediation.cases import HOUR, NOW_US, START
from tests.unit.remediation.test_policy import POLICY, read, rule

from trimtab.core.enums import Tier
from trimtab.remediation.actions import ActionState, PredictedImpact
from trimtab.remediation.decision import Decision, PastAction, Proposal, Standing, decide
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin, Ruling
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.requests import RequestContext, requests_of

UNIT_CHANGE = Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.UNIT_CHANGE, 0.6)
DRIFT = Proposal(Origin.INCIDENT, "bikes", None, DiagnosisKind.CONCEPT_DRIFT, 0.6)
TRIGGERED = Proposal(Origin.TRIGGER, "heart", ActionKind.RETRAIN)


def ask(proposal: Proposal, *history: PastAction, policy: PolicyConfig | None = None) -> Decision:
    return decide(policy or read(POLICY), proposal, history, START)


def past(kind: ActionKind, *, model: str = "heart", hours_ago: float = 0.5, state: str = "succeeded") -> PastAction:
    return PastAction(kind, model, NOW_US - int(hours_ago * 3_600_000_000), ActionState(state))


def test_the_first_rule_that_matches_decides_and_all_asked_say_why() -> None:
    decision = ask(UNIT_CHANGE)
    assert decision.actions == (ActionKind.QUARANTINE_FEED, ActionKind.NOTIFY_OWNER)
    assert decision.tier is Ruling.AUTOMATIC
    assert [asked.matched for asked in decision.asked] == [False, True]
    assert decision.asked[0].why == "it is for proposals of trigger; the origin is incident"


def test_an_approval_covers_what_the_rule_says_and_waits_as_long() -> None:
    decision = ask(DRIFT)
    assert (decision.tier, decision.covers) == (Ruling.APPROVAL, (ActionKind.DEPLOY,))
    assert decision.expires == 12 * HOUR


def test_a_triggers_retraining_is_refused_while_a_feed_is_broken() -> None:
    broken = Proposal(Origin.TRIGGER, "heart", ActionKind.RETRAIN, open_diagnoses=(DiagnosisKind.UNIT_CHANGE,))
    decision = ask(broken)
    assert (decision.tier, decision.allowed, decision.rule) == (
        Ruling.REFUSE,
        (),
        "what a broken feed sends is not learnt",
    )
    assert ask(TRIGGERED).tier is Ruling.APPROVAL


def test_without_a_rule_a_person_decides() -> None:
    decision = ask(Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.UNKNOWN, 0.6))
    assert (decision.rule, decision.tier, decision.actions) == (None, Ruling.PERSON_ONLY, ())
    assert len(decision.asked) == 5
    assert "none of 5 rules" in decision.reason


def test_severity_out_of_range_is_told() -> None:
    mild = Proposal(Origin.INCIDENT, "bikes", None, DiagnosisKind.CONCEPT_DRIFT, 0.1)
    assert "severity 0.1 not in 0.2..1" in ask(mild).asked[2].why


@pytest.mark.parametrize("action", ["retrain", "deploy", "roll_back"])
def test_floors_hold_whatever_a_rule_says(action: str) -> None:
    text = "rules:\n" + rule("{}", f"{{actions: [{action}], tier: automatic}}")
    proposal = Proposal(Origin.INCIDENT, "heart")
    assert ask(proposal, policy=read(text)).tier is Ruling.APPROVAL
    assert "needs approval at least" in ask(proposal, policy=read(text)).reason
    allowed = read(f"allow_automatic: [{action}]\n{text}")
    assert ask(proposal, policy=allowed).tier is Ruling.AUTOMATIC


def test_with_autonomy_off_only_telling_people_stays_automatic() -> None:
    decision = ask(UNIT_CHANGE, policy=read(POLICY.replace("autonomy: on", "autonomy: off")))
    assert decision.tiers == {
        ActionKind.QUARANTINE_FEED: Ruling.APPROVAL,
        ActionKind.NOTIFY_OWNER: Ruling.AUTOMATIC,
    }
    assert decision.tier is Ruling.APPROVAL


def test_an_action_cools_down_on_its_model_alone() -> None:
    decision = ask(UNIT_CHANGE, past(ActionKind.QUARANTINE_FEED))
    assert decision.allowed == (ActionKind.NOTIFY_OWNER,)
    assert "cools down for another 30m" in decision.reason
    assert len(ask(UNIT_CHANGE, past(ActionKind.QUARANTINE_FEED, model="bikes")).allowed) == 2
    assert len(ask(UNIT_CHANGE, past(ActionKind.QUARANTINE_FEED, hours_ago=1)).allowed) == 2


def test_a_used_up_budget_leaves_it_to_a_person() -> None:
    spent = [past(ActionKind.RETRAIN, model="m", hours_ago=hours) for hours in (2, 3, 4)]
    assert ask(UNIT_CHANGE, *spent).tiers[ActionKind.QUARANTINE_FEED] is Ruling.PERSON_ONLY
    rejected = [past(ActionKind.RETRAIN, model="m", hours_ago=hours, state="rejected") for hours in (2, 3, 4)]
    assert ask(UNIT_CHANGE, *rejected).tier is Ruling.AUTOMATIC
    told = [past(ActionKind.NOTIFY_OWNER, hours_ago=hours) for hours in (2, 3, 4)]
    assert ask(UNIT_CHANGE, *told).tier is Ruling.AUTOMATIC


def test_a_person_is_held_back_by_neither_cooldown_nor_budget() -> None:
    asked = Proposal(Origin.PERSON, "heart", ActionKind.RETRAIN)
    history = [past(ActionKind.RETRAIN, hours_ago=hours) for hours in (0.1, 0.2, 0.3, 0.4)]
    assert ask(asked, *history).tier is Ruling.APPROVAL


def test_a_persons_proposal_is_not_answered_by_a_notice() -> None:
    policy = read(
        "rules:\n"
        + rule("{}", "{actions: [notify_owner], tier: automatic}")
        + rule("{action: deploy}", "{tier: approval}", "deploy")
    )
    decision = ask(Proposal(Origin.PERSON, "heart", ActionKind.DEPLOY), policy=policy)
    assert (decision.rule, decision.actions) == ("deploy", (ActionKind.DEPLOY,))


def test_a_decision_survives_json() -> None:
    decision = ask(UNIT_CHANGE, past(ActionKind.QUARANTINE_FEED))
    assert Decision.from_json(decision.to_json()) == decision


def test_requests_follow_from_a_decision() -> None:
    impact = PredictedImpact("mape", 0.9, 0.3, False, "holdout")
    context = RequestContext(
        "incident:i1",
        {ActionKind.RETRAIN: "retrain, and release if better"},
        endpoint="bikes",
        incident_id="i1",
        impact={ActionKind.RETRAIN: impact},
    )
    (request,) = requests_of(ask(DRIFT), DRIFT, context, now=START, ids=lambda: "a1")
    assert (request.state, request.tier, request.dedup_key) == (
        ActionState.WAITING_APPROVAL,
        Tier.APPROVAL,
        "retrain:bikes",
    )
    assert request.expires_us == NOW_US + int(timedelta(hours=12) / timedelta(microseconds=1))
    assert request.predicted_impact == impact
    assert request.policy["rule"] == "retraining against drift needs approval, which covers the release"


def test_automatic_requests_are_approved_by_the_policy() -> None:
    context = RequestContext("incident:i1", {}, about="clinic-b", params={ActionKind.QUARANTINE_FEED: {"feed": "b"}})
    ids = iter("ab")
    requests = requests_of(ask(UNIT_CHANGE), UNIT_CHANGE, context, now=START, ids=lambda: next(ids))
    assert [(one.id, one.state, one.decided_by) for one in requests] == [
        ("a", ActionState.APPROVED, "policy"),
        ("b", ActionState.APPROVED, "policy"),
    ]
    assert requests[0].dedup_key == "quarantine_feed:heart:clinic-b"


@pytest.mark.parametrize(
    ("actions", "severity", "told"),
    [
        ("[scale]", 0.4, {ActionKind.NOTIFY_OWNER}),
        ("[scale]", 0.9, {ActionKind.NOTIFY_OWNER, ActionKind.ESCALATE}),
        ("[scale, log]", 0.4, {ActionKind.LOG, ActionKind.NOTIFY_OWNER}),
    ],
)
def test_a_case_about_which_nothing_can_be_done_now_is_told_to_people(
    actions: str, severity: float, told: set[ActionKind]
) -> None:
    then = f"{{actions: {actions}, tier: automatic}}"
    policy = read("rules:\n" + rule("{origin: incident, diagnosis: latency}", then))
    slow = Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.LATENCY, severity)
    standing = Standing(impossible={ActionKind.SCALE: "all workers are there already"})
    decision = decide(policy, slow, (), START, standing)
    assert set(decision.allowed) == told
    assert {decision.tiers[one] for one in told} == {Ruling.AUTOMATIC}
    assert "scale: all workers are there already; none of that can be done now" in decision.reason
    person = Proposal(Origin.PERSON, "heart", ActionKind.SCALE)
    assert decide(policy, person, (), START, standing).actions == (ActionKind.SCALE,), "whoever asks is told already"


@pytest.mark.parametrize(("tier", "telling"), [("approval", "automatic"), ("person_only", "person_only")])
def test_what_only_tells_people_waits_for_no_approval_of_the_rest(tier: str, telling: str) -> None:
    policy = read("rules:\n" + rule("{origin: incident}", f"{{actions: [retrain, notify_owner, log], tier: {tier}}}"))
    decision = ask(DRIFT, policy=policy)
    assert decision.tier is Ruling(tier)
    assert decision.tiers == {
        ActionKind.RETRAIN: Ruling(tier),
        ActionKind.NOTIFY_OWNER: Ruling(telling),
        ActionKind.LOG: Ruling(telling),
    }
