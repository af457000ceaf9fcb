from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.remediation.cases import NOW_US, START
from tests.unit.remediation.test_policy import POLICY, read, rule

from trimtab.remediation.actions import ActionState
from trimtab.remediation.decision import Decision, PastAction, Proposal, Standing, decide
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin, Ruling
from trimtab.remediation.limits import Limit, looked_back

UNIT_CHANGE = Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.UNIT_CHANGE, 0.6)
QUARANTINE = ActionKind.QUARANTINE_FEED
SLOW = Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.LATENCY, 0.6)
SCALES = "rules:\n" + rule("{diagnosis: latency}", "{actions: [scale], tier: automatic}", "more workers")


def ask(
    proposal: Proposal = UNIT_CHANGE,
    *history: PastAction,
    limits: str = "",
    rules: str = POLICY,
    standing: Standing | None = None,
) -> Decision:
    text = rules.replace("limits: {cooldown: 1h, actions_per_day: 3}", "")
    return decide(read(f"limits: {{{limits}}}\n{text}"), proposal, history, START, standing or Standing())


def past(
    kind: ActionKind = QUARANTINE,
    hours_ago: float = 0.5,
    state: str = "succeeded",
    *,
    diagnosis: DiagnosisKind | None = None,
    rule: str | None = None,
    endpoint: str | None = None,
    started: bool = False,
) -> PastAction:
    at_us = NOW_US - int(hours_ago * 3_600_000_000)
    return PastAction(kind, "heart", at_us, ActionState(state), diagnosis, rule, endpoint, started)


@pytest.mark.parametrize("state", ["approved", "running", "succeeded", "failed"])
def test_what_ran_cools_down(state: str) -> None:
    assert ask(UNIT_CHANGE, past(state=state)).tiers[QUARANTINE] is Ruling.REFUSE
    assert ask(UNIT_CHANGE, past(state=state, hours_ago=1)).tiers[QUARANTINE] is Ruling.AUTOMATIC


@pytest.mark.parametrize("state", ["waiting_approval", "rejected", "expired", "cancelled"])
def test_what_never_ran_needs_no_cooling_down(state: str) -> None:
    decision = ask(UNIT_CHANGE, past(state=state), limits="ask_again: 0s")
    assert decision.tiers[QUARANTINE] is Ruling.AUTOMATIC
    assert decision.raised == ()


def test_what_was_cancelled_while_it_ran_cools_down() -> None:
    assert ask(UNIT_CHANGE, past(state="cancelled", started=True)).tiers[QUARANTINE] is Ruling.REFUSE


@pytest.mark.parametrize("state", ["rejected", "expired"])
def test_nobody_is_asked_again_for_the_same_trouble_before_its_time(state: str) -> None:
    turned_down = past(state=state, hours_ago=5, diagnosis=DiagnosisKind.UNIT_CHANGE)
    decision = ask(UNIT_CHANGE, turned_down)
    assert decision.tiers[QUARANTINE] is Ruling.REFUSE
    assert [one.limit for one in decision.raised] == [Limit.ASK_AGAIN]
    assert "may be asked for again in 19h" in decision.reason
    assert ask(UNIT_CHANGE, turned_down, limits="ask_again: 4h").tiers[QUARANTINE] is Ruling.AUTOMATIC
    other = past(state=state, hours_ago=5, diagnosis=DiagnosisKind.CONCEPT_DRIFT)
    assert ask(UNIT_CHANGE, other).tiers[QUARANTINE] is Ruling.AUTOMATIC


def test_a_model_has_a_budget_of_its_own() -> None:
    spent = [past(ActionKind.RETRAIN, hours_ago=2), past(ActionKind.SCALE, hours_ago=3)]
    decision = ask(UNIT_CHANGE, *spent, limits="per_model: 2")
    assert [one.limit for one in decision.raised] == [Limit.MODEL_BUDGET]
    assert decision.tiers[QUARANTINE] is Ruling.PERSON_ONLY
    other = PastAction(ActionKind.RETRAIN, "bikes", NOW_US - 1)
    assert ask(UNIT_CHANGE, spent[0], other, limits="per_model: 2").tiers[QUARANTINE] is Ruling.AUTOMATIC


def test_the_history_reaches_as_far_back_as_the_longest_limit() -> None:
    assert looked_back(read("limits: {cooldown: 45d}").limits) == timedelta(days=45)
    assert looked_back(read("limits: {ask_again: 3d}").limits) == timedelta(days=3)
    assert looked_back(read("limits: {cooldown: 1h, ask_again: 0s}").limits) == timedelta(days=1)
    assert ask(UNIT_CHANGE, past(hours_ago=44 * 24), limits="cooldown: 45d").tiers[QUARANTINE] is Ruling.REFUSE


@pytest.mark.parametrize(
    ("share", "tier"), [(0.2, "automatic"), (0.5, "automatic"), (0.51, "approval"), (None, "approval")]
)
def test_what_touches_much_of_the_traffic_needs_one_tier_more(share: float | None, tier: str) -> None:
    standing = Standing(endpoint="heart", traffic_share=share)
    decision = ask(SLOW, limits="max_traffic_share: 0.5", rules=SCALES, standing=standing)
    assert decision.tiers[ActionKind.SCALE] is Ruling(tier)


def test_what_needs_approval_anyway_is_left_to_a_person_where_it_touches_much_of_the_traffic() -> None:
    back = Proposal(Origin.INCIDENT, "heart", ActionKind.ROLL_BACK)
    rules = "rules:\n" + rule("{action: roll_back}", "{tier: automatic}")
    decision = ask(back, limits="max_traffic_share: 0.5", rules=rules, standing=Standing(traffic_share=0.9))
    assert decision.tier is Ruling.PERSON_ONLY
    assert "touches 90% of the traffic, more than 50%" in decision.reason


def test_setting_a_feed_aside_touches_no_traffic() -> None:
    assert ask(limits="max_traffic_share: 0.0").tiers[QUARANTINE] is Ruling.AUTOMATIC


def test_one_rule_changes_so_many_endpoints_a_day_by_itself_and_no_more() -> None:
    limits, here = "endpoints_per_rule: 1, cooldown: 1m", Standing(endpoint="heart")
    other = past(ActionKind.SCALE, hours_ago=3, rule="more workers", endpoint="bikes")
    same = past(ActionKind.SCALE, hours_ago=3, rule="more workers", endpoint="heart")
    old = past(ActionKind.SCALE, hours_ago=25, rule="more workers", endpoint="bikes")
    by_another_rule = past(ActionKind.SCALE, hours_ago=3, rule="another", endpoint="bikes")
    assert ask(SLOW, other, limits=limits, rules=SCALES, standing=here).tier is Ruling.APPROVAL
    for harmless in (same, old, by_another_rule):
        assert ask(SLOW, harmless, limits=limits, rules=SCALES, standing=here).tier is Ruling.AUTOMATIC


def test_a_pause_has_all_but_notices_wait_and_says_who_paused() -> None:
    decision = ask(standing=Standing(paused="dana paused autonomy until 2030-01-01T04:00: moving house"))
    assert decision.tiers == {QUARANTINE: Ruling.APPROVAL, ActionKind.NOTIFY_OWNER: Ruling.AUTOMATIC}
    assert "dana paused autonomy" in decision.reason


def test_quiet_hours_have_what_would_run_by_itself_wait_but_for_what_they_name() -> None:
    night = "quiet_hours: {from: '22:00', to: '06:00'%s}"
    assert ask(limits=night % "").tiers[QUARANTINE] is Ruling.APPROVAL
    assert "quiet hours, 22:00 to 06:00 (UTC)" in ask(limits=night % "").reason
    assert ask(limits=night % ", always: quarantine_feed").tiers[QUARANTINE] is Ruling.AUTOMATIC
    assert ask(limits="quiet_hours: {from: '01:00', to: '06:00'}").tiers[QUARANTINE] is Ruling.AUTOMATIC


def test_a_person_is_awake_in_quiet_hours() -> None:
    person = Proposal(Origin.PERSON, "heart", ActionKind.SCALE)
    rules = "rules:\n" + rule("{action: scale}", "{tier: automatic}")
    night = "quiet_hours: {from: '22:00', to: '06:00'}, max_traffic_share: 0, per_model: 0"
    assert ask(person, limits=night, rules=rules).tier is Ruling.AUTOMATIC


def test_what_cannot_be_done_is_not_asked_for() -> None:
    rules = "rules:\n" + rule("{diagnosis: latency}", "{actions: [roll_back, log], tier: approval}")
    standing = Standing(impossible={ActionKind.ROLL_BACK: "no other version served before"})
    decision = ask(SLOW, rules=rules, standing=standing)
    assert decision.allowed == (ActionKind.LOG, ActionKind.NOTIFY_OWNER)
    assert "roll_back: no other version served before" in decision.reason


@pytest.mark.parametrize("rules", [POLICY, "rules: []", "rules:\n" + rule("{}", "{tier: refuse}")])
def test_trouble_of_level_high_is_escalated_whatever_the_rules_say(rules: str) -> None:
    high = Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.UNIT_CHANGE, 0.7)
    decision = ask(high, rules=rules, standing=Standing(paused="a pause"))
    assert decision.actions[-1] is ActionKind.ESCALATE
    assert decision.tiers[ActionKind.ESCALATE] is Ruling.AUTOMATIC
    assert "severity 0.7 is high" in decision.reason
    assert ActionKind.ESCALATE not in ask(UNIT_CHANGE, rules=rules).actions


def test_a_rule_that_escalates_itself_does_so_once_and_waits_for_nobody() -> None:
    rules = "rules:\n" + rule("{level: high}", "{actions: [escalate, roll_back], tier: approval}")
    high = Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.BAD_RELEASE, 0.9)
    assert ask(high, rules=rules).tiers == {
        ActionKind.ESCALATE: Ruling.AUTOMATIC,
        ActionKind.ROLL_BACK: Ruling.APPROVAL,
    }
    assert ask(Proposal(Origin.INCIDENT, "heart", None, DiagnosisKind.BAD_RELEASE, 0.5), rules=rules).rule is None


def test_what_was_paused_is_resumed_by_no_rule_unless_the_policy_names_that() -> None:
    rules = "rules:\n" + rule("{action: resume_endpoint}", "{tier: automatic}")
    resumes = Proposal(Origin.INCIDENT, "heart", ActionKind.RESUME_ENDPOINT)
    decision = ask(resumes, rules=rules)
    assert (decision.tier, [one.limit for one in decision.raised]) == (Ruling.APPROVAL, [Limit.FLOOR])
    assert ask(resumes, rules=f"allow_automatic: [resume_endpoint]\n{rules}").tier is Ruling.AUTOMATIC


@pytest.mark.parametrize(("may_approve", "tier"), [(True, Ruling.AUTOMATIC), (False, Ruling.APPROVAL)])
def test_an_approver_lets_an_endpoint_answer_again_at_once(may_approve: bool, tier: Ruling) -> None:
    resumes = Proposal(Origin.PERSON, "heart", ActionKind.RESUME_ENDPOINT, may_approve=may_approve)
    assert ask(resumes, rules="rules: []").tier is tier
