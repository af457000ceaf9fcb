from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.remediation.cases import HOUR_US, NOW_US, START
from tests.unit.remediation.test_policy import read, rule

from trimtab.remediation.actions import ActionState
from trimtab.remediation.covering import Given, why_not_covered
from trimtab.remediation.decision import decide
from trimtab.remediation.kinds import ActionKind, Origin, Ruling
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.proposal import PastAction, Proposal, Standing

RELEASE = Proposal(Origin.TRIGGER, "heart", ActionKind.DEPLOY)
HERE = Standing(endpoint="heart", traffic_share=0.4)
AGREED = Given(NOW_US - HOUR_US, Ruling.APPROVAL, "trains", approvers=1)


def ask(policy: PolicyConfig, given: Given = AGREED, *past: PastAction, standing: Standing = HERE) -> str | None:
    return why_not_covered(policy, RELEASE, given, past, standing, START)


def test_how_often_was_agreed_to_with_the_training() -> None:
    spent = PastAction(ActionKind.DEPLOY, "heart", NOW_US - 1)
    policy = read("limits: {actions_per_day: 0, per_model: 0, cooldown: 9d, ask_again: 9d}")
    assert ask(policy, AGREED, spent, replace(spent, state=ActionState.REJECTED)) is None


def test_each_release_of_a_training_counts_among_the_endpoints_of_its_rule() -> None:
    policy = read("limits: {endpoints_per_rule: 1}")
    trained = PastAction(ActionKind.RETRAIN, "bikes", NOW_US - HOUR_US, rule="trains", endpoint="bikes")
    assert ask(policy, AGREED, trained) is None
    told = ask(policy, AGREED, replace(trained, released=True))
    assert told == "the rule has changed 1 other endpoints within a day, 1 may be"
    assert ask(policy, AGREED, replace(trained, released=True, rule="another")) is None


def test_what_a_person_wanted_themselves_may_reach_far() -> None:
    policy = read("limits: {max_traffic_share: 0.1}")
    assert ask(policy) == "touches 40% of the traffic, more than 10%"
    wish = replace(RELEASE, origin=Origin.PERSON)
    assert why_not_covered(policy, wish, AGREED, (), HERE, START) is None


@given(
    hours_ago=st.integers(0, 200),
    given=st.sampled_from(
        [Given(0, Ruling.APPROVAL, "r", 1), Given(0, Ruling.AUTOMATIC, "r"), Given(0, Ruling.PERSON_ONLY, "r", 3, 3)]
    ),
    limits=st.sampled_from(["", "max_traffic_share: 0.3", "quiet_hours: {from: '22:00', to: '06:00'}"]),
    answer=st.sampled_from(["refuse", "person_only", "approval", "automatic"]),
    automatic=st.booleans(),
    share=st.sampled_from([None, 0.1, 0.9]),
    paused=st.sampled_from([None, "dana paused autonomy"]),
)
def test_an_agreement_never_covers_what_a_rule_for_releases_would_ask_more_for(
    hours_ago: int,
    given: Given,
    limits: str,
    answer: str,
    *,
    automatic: bool,
    share: float | None,
    paused: str | None,
) -> None:
    top = "allow_automatic: [deploy]\n" if automatic else ""
    policy = read(f"{top}limits: {{{limits}}}\nrules:\n" + rule("{action: deploy}", f"{{tier: {answer}}}"))
    given = replace(given, at_us=NOW_US - hours_ago * HOUR_US)
    standing = Standing(endpoint="heart", traffic_share=share, paused=paused)
    asked = decide(policy, RELEASE, (), START, standing).tier
    told = why_not_covered(policy, RELEASE, given, (), standing, START)
    enough = {Ruling.AUTOMATIC: True, Ruling.APPROVAL: given.approvers > 0, Ruling.PERSON_ONLY: given.admins > 0}
    if not enough.get(asked, False):
        assert told is not None
    if told is None:
        assert paused is None


@pytest.mark.parametrize(("hours", "covered"), [(1, True), (3, False)])
def test_who_agreed_at_night_is_awake_that_night(hours: int, covered: bool) -> None:
    policy = read("limits: {quiet_hours: {from: '22:00', to: '06:00'}}")
    given = replace(AGREED, at_us=NOW_US - hours * HOUR_US)
    assert (ask(policy, given) is None) is covered
    assert why_not_covered(policy, RELEASE, given, (), HERE, START + timedelta(hours=6)) is None
