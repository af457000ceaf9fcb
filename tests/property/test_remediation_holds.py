"""Incidents recover for a reason only, and no policy can talk its way below a floor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.actions import ActionState
from trimtab.remediation.decision import PastAction, Proposal, Standing, decide
from trimtab.remediation.diagnosis import Evidence, diagnose
from trimtab.remediation.incidents import ChangeKind, Incident, fold
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin, Ruling
from trimtab.remediation.policy import FLOOR, PolicyConfig

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[Check, ...]]:
    """Checks of consecutive windows, of two columns and of quality."""
    found = []
    for hour in range(draw(st.integers(1, 8))):
        window = Window(to_micros(START) + hour * HOUR_US, to_micros(START) + (hour + 1) * HOUR_US)
        found.append(
            tuple(
                Check(
                    kind, kind, "m", "e", "v1", 1, column, window, draw(st.none() | st.floats(0, 2)), 0.5, None,
                    draw(st.sampled_from(Verdict)), draw(st.sampled_from(Severity)), "why",
                )
                for kind, column in (("data_drift", "a"), ("data_drift", "b"), ("model_quality", None))
            )
        )  # fmt: skip
    return found


@given(runs())
def test_a_case_is_open_exactly_while_something_is_not_known_to_be_right_again(runs: list[tuple[Check, ...]]) -> None:
    incident: Incident | None = None
    wrong: set[tuple[str, str | None]] = set()
    for hour, checks in enumerate(runs):
        change = fold(incident, checks, now=START + timedelta(hours=hour + 1), new_id=f"i{hour}")
        again = fold(change.incident, checks, now=START + timedelta(hours=hour + 1), new_id="again")
        assert (again.kind, again.incident) == (ChangeKind.NONE, change.incident)
        wrong |= {(check.kind, check.column) for check in checks if check.verdict is Verdict.BREACH}
        wrong -= {(check.kind, check.column) for check in checks if check.verdict is Verdict.OK}
        incident = change.incident
        assert (incident is not None and incident.state.is_open) is bool(wrong)
        assert incident is None or {(one.kind, one.column) for one in incident.unrecovered} == wrong


@given(runs(), st.none() | st.floats(0, 1))
def test_a_diagnosis_is_deterministic_and_its_severity_lies_in_0_to_1(
    runs: list[tuple[Check, ...]], share: float | None
) -> None:
    for checks in runs:
        found = diagnose(Evidence(checks, affected_row_share=share))
        assert found == diagnose(Evidence(checks, affected_row_share=share))
        assert 0 <= found.severity <= 1
        assert found.explanation
        quality = [check for check in checks if check.kind == "model_quality"]
        if all(check.verdict is not Verdict.BREACH for check in quality):
            assert found.kind is DiagnosisKind.UNKNOWN


actions = st.lists(st.sampled_from([kind.value for kind in ActionKind]), max_size=3, unique=True)
rules = st.fixed_dictionaries(
    {
        "when": st.fixed_dictionaries(
            {},
            optional={
                "origin": st.sampled_from(["incident", "trigger", "person"]),
                "diagnosis": st.sampled_from([kind.value for kind in DiagnosisKind]),
                "open_diagnosis": st.sampled_from([kind.value for kind in DiagnosisKind]),
                "action": actions,
                "min_severity": st.sampled_from([0.0, 0.5]),
            },
        ),
        "then": st.fixed_dictionaries(
            {"tier": st.sampled_from([ruling.value for ruling in Ruling])}, optional={"actions": actions}
        ),
    }
)
proposals = st.builds(
    Proposal,
    origin=st.sampled_from(Origin),
    model=st.just("m"),
    action=st.none() | st.sampled_from(ActionKind),
    diagnosis=st.none() | st.sampled_from(DiagnosisKind),
    severity=st.floats(0, 1),
    open_diagnoses=st.lists(st.sampled_from(DiagnosisKind), max_size=2).map(tuple),
)
histories = st.lists(
    st.builds(
        PastAction,
        kind=st.sampled_from(ActionKind),
        model=st.sampled_from(["m", "other"]),
        at_us=st.integers(to_micros(START) - 30 * HOUR_US, to_micros(START)),
        state=st.sampled_from(ActionState),
    ),
    max_size=6,
)


hours = st.sampled_from(["00:00", "06:00", "12:00", "23:00"])
limits = st.fixed_dictionaries(
    {"cooldown": st.just("1h"), "actions_per_day": st.just(3)},
    optional={
        "ask_again": st.sampled_from(["0s", "2h"]),
        "per_model": st.integers(0, 2),
        "max_traffic_share": st.sampled_from([0.0, 0.5, 1.0]),
        "endpoints_per_rule": st.integers(1, 2),
        "quiet_hours": st.fixed_dictionaries(
            {"from": hours, "to": hours, "days": st.just(["mon", "tue"]), "always": actions}
        ),
    },
)
standings = st.builds(
    Standing,
    paused=st.none() | st.just("dana paused autonomy"),
    endpoint=st.none() | st.just("e"),
    traffic_share=st.none() | st.floats(0, 1),
    impossible=st.dictionaries(st.sampled_from(ActionKind), st.just("cannot be done"), max_size=2),
)


@settings(max_examples=200)
@given(st.lists(rules, max_size=3), st.booleans(), limits, proposals, histories, standings)
def test_limits_make_an_answer_stricter_and_never_milder(
    rules: list[dict[str, object]],
    autonomy: bool,
    limits: dict[str, object],
    proposal: Proposal,
    history: list[PastAction],
    standing: Standing,
) -> None:
    named = [{"name": f"rule {position}", **rule} for position, rule in enumerate(rules)]
    free = {"cooldown": "0s", "ask_again": "0s", "actions_per_day": 1_000}
    try:
        policy = PolicyConfig.model_validate({"autonomy": autonomy, "rules": named, "limits": limits})
        unlimited = PolicyConfig.model_validate({"rules": named, "limits": free})
    except ValidationError:
        return
    held = decide(policy, proposal, history, START, standing)
    free_to = decide(unlimited, proposal, history, START)
    assert (held.rule, held.actions) == (free_to.rule, free_to.actions)
    assert [one.action for one in held.raised if one.action.only_tells] == []
    for action in held.actions:
        assert held.tiers[action].rank >= free_to.tiers[action].rank
        if action.only_tells or held.rule is None or proposal.is_own_way_back:
            assert held.tiers[action] is free_to.tiers[action]
        else:
            assert standing.paused is None or held.tiers[action] is not Ruling.AUTOMATIC
            assert action not in standing.impossible or held.tiers[action] is Ruling.REFUSE


@settings(max_examples=200)
@given(st.lists(rules, max_size=4), st.booleans(), proposals, histories)
def test_no_rule_goes_below_the_floors_and_every_decision_says_why(
    rules: list[dict[str, object]], autonomy: bool, proposal: Proposal, history: list[PastAction]
) -> None:
    named = [{"name": f"rule {position}", **rule} for position, rule in enumerate(rules)]
    try:
        policy = PolicyConfig.model_validate(
            {"autonomy": autonomy, "rules": named, "limits": {"cooldown": "1h", "actions_per_day": 3}}
        )
    except ValidationError:
        return
    decision = decide(policy, proposal, history, START)
    assert decision == decide(policy, proposal, history, START)
    assert decision.reason
    for action in decision.allowed:
        assert decision.tiers[action].rank >= FLOOR.get(action, Ruling.AUTOMATIC).rank
        by_itself = decision.tiers[action] is Ruling.AUTOMATIC and not action.only_tells
        # What a person wants, and no rule speaks of, is not the platform's own doing.
        assert autonomy or not by_itself or (decision.rule is None and proposal.origin is Origin.PERSON)
    matched = [asked.rule for asked in decision.asked if asked.matched]
    assert matched == ([] if decision.rule is None else [decision.rule])
    assert len(decision.asked) == (len(named) if decision.rule is None else int(decision.rule.split()[1]) + 1)
    assert proposal.action is None or set(decision.actions) <= {proposal.action}
