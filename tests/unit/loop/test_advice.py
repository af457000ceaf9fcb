from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from trimtab.core.enums import Tier
from trimtab.loop.advice import STEPS, advice_about
from trimtab.loop.problems import PROBLEMS
from trimtab.loop.standing import Delivered, Gate, Standing, Training
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.diagnosis import Diagnosis
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.kinds import ActionKind, DiagnosisKind
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import RolloutSpec, RolloutState, VersionRef
from trimtab.rollout.store import Rollout, Unread

HOUR_US = 3_600_000_000
EMPTY = Standing(model="churn", endpoint="churn-live", now_us=HOUR_US, target="left", record_key="customer id")
DELIVERED = replace(EMPTY, delivered=Delivered(rows_passed=160, newest_source="rows.csv", newest_state="processed"))


def version(number: int, state: VersionState) -> ModelVersion:
    return ModelVersion(
        id=f"v{number}",
        model="churn",
        number=number,
        digest="0" * 64,
        bundle_path="/nowhere",
        state=state,
        algorithm="ridge",
        snapshot_id="s",
        job_id="j",
        run_id=None,
        created_us=0,
        decided_us=None,
        decided_by=None,
        metrics={"f1": 0.912, "accuracy": 0.9},
        spec={},
        version=1,
    )


def rollout(number: int, phase: Phase, why: str = "too few requests", *, held_in: Phase = Phase.CANARY) -> Rollout:
    spec = RolloutSpec(
        endpoint="churn-live",
        staging_endpoint="churn-staging",
        model="churn",
        candidate=VersionRef(number=number, bundle_path="/b", bundle_digest="0" * 64),
        stable=None,
    )
    resumes_to = held_in if phase.is_held else None
    state = RolloutState(phase=phase, since_us=0, weight_pct=Decimal(20), resumes_to=resumes_to)
    return Rollout(id=f"r{number}", spec=spec, state=state, started_us=0, last={"reason": why})


PENDING = replace(DELIVERED, newest=version(1, VersionState.PENDING), training=Training("j", "succeeded"))
APPROVED = replace(PENDING, newest=version(1, VersionState.APPROVED))
SERVING = replace(
    APPROVED, serves={1: "100 %"}, last_rollout=rollout(1, Phase.PROMOTED), example={"age": 54, "plan": "it's plus"}
)
ANSWERED = replace(SERVING, records=30, first_record_us=HOUR_US // 2)
LABELLED = replace(ANSWERED, truths=30)
WELL = replace(LABELLED, checked=True)

INCIDENT = Incident(
    id="i1", model="churn", endpoint="churn-live", state=IncidentState.OPEN, title="age moved", opened_us=0, signals=()
)
WAITING = ActionRequest(
    id="a1",
    dedup_key="k",
    kind=ActionKind.RETRAIN,
    model="churn",
    tier=Tier.APPROVAL,
    purpose="Retrain churn",
    requested_by="conductor",
    created_us=0,
    state=ActionState.WAITING_APPROVAL,
    incident_id="i1",
)

RETRAINING = replace(WAITING, state=ActionState.RUNNING, incident_id=None)

WAY: list[tuple[str, Standing, str, str | None]] = [
    ("nothing delivered", EMPTY, "no data was delivered", "trimtab ingest churn FILE"),
    (
        "being judged",
        replace(EMPTY, delivered=Delivered(not_judged=1)),
        "is being judged",
        "trimtab deliveries --model churn",
    ),
    ("delivered", DELIVERED, "160 rows are ready", "trimtab train churn"),
    (
        "training",
        replace(DELIVERED, training=Training("j7", "running", 0.25, "tuning")),
        "25% done, tuning",
        "trimtab jobs show j7",
    ),
    ("waits for approval", PENDING, "f1 0.912", "trimtab versions approve churn@1"),
    ("approved", APPROVED, "approved and does not serve", "trimtab deploy churn@1"),
    (
        "rejected, nothing serves",
        replace(PENDING, newest=version(1, VersionState.REJECTED)),
        "is rejected",
        "trimtab train churn",
    ),
    (
        "rolled out",
        replace(APPROVED, rollout=rollout(1, Phase.CANARY)),
        "canary at 20 %: too few requests",
        "trimtab status --watch",
    ),
    (
        "paused",
        replace(APPROVED, rollout=rollout(1, Phase.PAUSED)),
        "is paused at 20 %",
        "trimtab rollouts resume r1 --reason 'why'",
    ),
    (
        "waits for a person",
        replace(APPROVED, rollout=rollout(1, Phase.WAITING_FOR_PERSON)),
        "waits for your decision",
        "trimtab rollouts promote r1 --reason 'why'",
    ),
    (
        "waits for a person before it took traffic",
        replace(APPROVED, rollout=rollout(1, Phase.WAITING_FOR_PERSON, "no server answers", held_in=Phase.STAGING)),
        "(no server answers); resume or abort it",
        "trimtab rollouts resume r1 --reason 'why'",
    ),
    (
        "first rollout failed",
        replace(APPROVED, last_rollout=rollout(1, Phase.FAILED, "golden rows differ")),
        "failed: golden rows differ",
        "trimtab deploy churn@1",
    ),
    (
        "second went back",
        replace(WELL, newest=version(2, VersionState.APPROVED), last_rollout=rollout(2, Phase.ROLLED_BACK, "errors")),
        "was rolled back: errors",
        "trimtab compare churn",
    ),
    (
        "somebody went back to the version before",
        replace(
            SERVING,
            newest=version(2, VersionState.APPROVED),
            newest_has_served=True,
            last_rollout=rollout(1, Phase.PROMOTED),
        ),
        "nobody has asked",
        """trimtab predict churn-live '{"age": 54, "plan": "it'"'"'s plus"}'""",
    ),
    (
        "nobody asked",
        SERVING,
        "nobody has asked",
        """trimtab predict churn-live '{"age": 54, "plan": "it'"'"'s plus"}'""",
    ),
    (
        "a row too long to read",
        replace(SERVING, example={f"c{number}": "x" * 20 for number in range(50)}),
        "nobody has asked",
        "trimtab predict churn-live --example",
    ),
    (
        "labels not due",
        replace(ANSWERED, label_delay=timedelta(days=30)),
        "known after 30 d, the first at 1970-01-31 00:30",
        None,
    ),
    (
        "labels missing",
        ANSWERED,
        "no true outcome told",
        "trimtab replay churn-live FILE --key 'customer id' --truth left",
    ),
    (
        "labels overdue",
        replace(ANSWERED, label_delay=timedelta(minutes=10)),
        "no true outcome told",
        "trimtab replay churn-live FILE --key 'customer id' --truth left",
    ),
    ("not checked", LABELLED, "not checked yet", "trimtab monitor churn"),
    (
        "rows came after checks that had too few",
        replace(WELL, newer_rows=300),
        "300 rows answered since the last checks, which had too few to judge",
        "trimtab monitor churn",
    ),
    ("agreed to", replace(WELL, under_way=(RETRAINING,)), "under way: Retrain churn", "trimtab status --watch"),
    ("all well", WELL, "version 1 (100 %) serves; nothing to do", None),
]

PROBLEM: list[tuple[str, Standing, str, str]] = [
    (
        "approval that a trigger asks for",
        replace(WELL, waiting=(replace(WAITING, params={"trigger": "f1 0.4 is below 0.6"}),)),
        "Retrain churn? Asked for by conductor: f1 0.4 is below 0.6. It waits for you",
        "trimtab approvals approve a1",
    ),
    (
        "incident that was answered",
        replace(WELL, incidents=(replace(INCIDENT, state=IncidentState.MITIGATING),)),
        "age moved; it closes by itself when the checks are well again",
        "trimtab incidents show i1",
    ),
    ("approval", replace(WELL, waiting=(WAITING,)), "Retrain churn? It waits for you", "trimtab approvals approve a1"),
    ("incident", replace(WELL, incidents=(INCIDENT,)), "an incident is open: age moved", "trimtab incidents show i1"),
    (
        "retraining that the policy refuses",
        replace(WELL, refused_retraining=("f1 0.4 is below 0.6", "retrain: cools down for another 59m")),
        "a retraining is due (f1 0.4 is below 0.6), and the policy does not let it ask (retrain: cools down for",
        "trimtab retrain request churn --reason 'why'",
    ),
    (
        "breach",
        replace(WELL, breaches=("data_drift", "latency")),
        "breached: data_drift, latency",
        "trimtab checks churn --verdict breach",
    ),
    (
        "feed",
        replace(WELL, quarantined_feeds=("shop",)),
        "feed shop is quarantined",
        "trimtab feeds release churn shop --reason 'what was mended'",
    ),
    (
        "paused",
        replace(WELL, paused="wrong prices"),
        "churn-live is paused and answers nobody (wrong prices)",
        "trimtab endpoints resume churn-live --reason 'why'",
    ),
    (
        "server refuses",
        replace(WELL, refused="digest differs"),
        "cannot serve what it should: digest differs",
        "trimtab history churn-live",
    ),
    (
        "server is behind",
        replace(WELL, not_served="generation 6 is served, 7 is to be"),
        "not served yet: generation 6 is served, 7 is to be",
        "trimtab history churn-live",
    ),
    (
        "rollout that cannot be read",
        replace(WELL, rollout=replace(rollout(2, Phase.CANARY), unread=Unread("its spec cannot be read (limits)", {}))),
        "the rollout of version 2 is not looked at: its spec cannot be read (limits)",
        "trimtab rollouts abort r2 --reason 'it cannot be read'",
    ),
    (
        "file failed",
        replace(WELL, delivered=Delivered(160, newest_source="b.csv", newest_state="failed", newest_error="no header")),
        "b.csv could not be taken in: no header",
        "trimtab ingest churn FILE",
    ),
    (
        "rows quarantined",
        replace(WELL, delivered=Delivered(160, 0, "b.csv", "processed", 3)),
        "3 rows of b.csv do not fit",
        "trimtab deliveries --model churn",
    ),
    (
        "training failed",
        replace(WELL, training=Training("j", "failed", error="out of memory")),
        "the last training failed: out of memory",
        "trimtab train churn",
    ),
    (
        "gate failed",
        replace(WELL, training=Training("j", "succeeded", failed_gates=(Gate("f1", 0.71, "min 0.8"),))),
        "f1 is 0.71 (min 0.8, missed by 0.09)",
        "trimtab train churn",
    ),
]


@pytest.mark.parametrize(("model", "why", "command"), [case[1:] for case in WAY], ids=[case[0] for case in WAY])
def test_each_step_of_the_way_says_why_and_the_command_to_paste(model: Standing, why: str, command: str | None) -> None:
    (advice,) = advice_about(model)
    assert why in advice.why
    assert advice.command == command


@pytest.mark.parametrize(("model", "why", "command"), [case[1:] for case in PROBLEM], ids=[case[0] for case in PROBLEM])
def test_each_thing_that_is_wrong_is_told_and_nothing_is_called_well(model: Standing, why: str, command: str) -> None:
    (advice,) = advice_about(model)
    assert why in advice.why
    assert advice.command == command


def test_everything_that_is_wrong_is_told_before_the_next_step() -> None:
    model = replace(SERVING, breaches=("latency",), quarantined_feeds=("shop",))
    whys = [advice.why for advice in advice_about(model)]
    assert [("breached" in why, "quarantined" in why, "nobody has asked" in why) for why in whys] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_an_incident_that_an_approval_speaks_of_is_told_once() -> None:
    (advice,) = advice_about(replace(WELL, incidents=(INCIDENT,), waiting=(WAITING,)))
    assert advice.command == "trimtab approvals approve a1"


def test_a_candidate_that_failed_before_anything_was_registered_leads_to_one_command() -> None:
    failed = Training("j", "succeeded", failed_gates=(Gate("f1", None, "min 0.8"),))
    (advice,) = advice_about(replace(DELIVERED, training=failed))
    assert "f1 could not be computed" in advice.why


def test_nobody_is_advised_to_lower_a_gate_while_the_outcomes_are_in_doubt() -> None:
    found = Diagnosis(DiagnosisKind.LABEL_PROBLEM, 0.5, (), (), None, 0, (), (), "the outcomes say the opposite")
    doubted = replace(INCIDENT, diagnosis=found)
    failed = Training("j", "succeeded", failed_gates=(Gate("f1", 0.71, "min 0.8"),))
    told = [one for one in advice_about(replace(WELL, training=failed, incidents=(doubted,))) if "candidate" in one.why]
    assert [one.command for one in told] == [f"trimtab incidents show {doubted.id}"]
    assert "mend them first" in told[0].why
    assert "gate lower" not in told[0].why


def test_the_version_that_serves_is_named_for_comparison_before_the_next_is_approved() -> None:
    (advice,) = advice_about(replace(WELL, newest=version(2, VersionState.PENDING)))
    assert "trimtab compare churn" in advice.why


def test_a_version_that_people_went_back_from_is_not_pressed_upon_them() -> None:
    newest = version(2, VersionState.APPROVED)
    (advice,) = advice_about(replace(WELL, newest=newest, last_rollout=rollout(2, Phase.ROLLED_BACK)))
    assert "deploy churn@2" not in str(advice.command)


def test_every_rule_is_reached_by_an_example() -> None:
    seen = {rule.__name__ for _, model, *_ in [*WAY, *PROBLEM] for rule in PROBLEMS if rule(model)}
    seen |= {next(rule.__name__ for rule in STEPS if rule(model)) for _, model, *_ in [*WAY, *PROBLEM]}
    assert {rule.__name__ for rule in (*PROBLEMS, *STEPS)} == seen
