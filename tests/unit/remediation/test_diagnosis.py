from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from tests.unit.remediation.cases import (
    BREACH,
    HOUR_US,
    INCONCLUSIVE,
    NOW_US,
    OK,
    check,
    overall,
    quality,
    unit_change,
)
from tests.unit.remediation.troubles import alert, errors, problem

from trimtab.core.enums import Severity
from trimtab.core.errors import DataContractError
from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import Diagnosis, Evidence, RecentRollout, diagnose
from trimtab.remediation.kinds import DiagnosisKind, Family

QUARANTINED = Alert(
    "al1", "k", "rows_quarantined", Severity.HIGH, "t", NOW_US, detail={"reasons": {"chol: 5.8 is below 100": 40}}
)
RELEASED = RecentRollout(at_us=NOW_US - HOUR_US // 2, candidate=2, phase="promoted")


def kind_of(*checks: Check) -> DiagnosisKind:
    return diagnose(Evidence(checks)).kind


def test_a_known_conversion_alone_is_a_unit_change_with_column_factor_and_moment() -> None:
    found = diagnose(Evidence((unit_change(), overall(OK), quality(INCONCLUSIVE, value=None))))
    assert (found.kind, found.columns, found.since_us) == (
        DiagnosisKind.UNIT_CHANGE,
        ("chol",),
        NOW_US - HOUR_US // 2,
    )
    assert found.factor == pytest.approx(1 / 38.67)
    assert "mmol/L" in found.explanation
    assert found.evidence_against


def test_an_unknown_factor_needs_somebody_else_to_blame_the_column() -> None:
    drift = unit_change(known=None)
    alone = diagnose(Evidence((drift,)))
    assert alone.kind is DiagnosisKind.UNKNOWN
    assert "constant factor" in alone.evidence_against[0]
    assert kind_of(drift, check(BREACH, kind="data_quality")) is DiagnosisKind.UNIT_CHANGE
    assert kind_of(drift, check(BREACH, kind="data_quality", column="age")) is DiagnosisKind.UNKNOWN
    quarantined = diagnose(Evidence((drift,), alerts=(QUARANTINED,)))
    assert quarantined.kind is DiagnosisKind.UNIT_CHANGE
    assert "the contract quarantined 40 rows for chol" in quarantined.evidence_for


def test_a_unit_change_outweighs_the_quality_that_it_ruins() -> None:
    found = diagnose(Evidence((unit_change(), check(BREACH, column="age"), overall(BREACH), quality(BREACH))))
    assert found.kind is DiagnosisKind.UNIT_CHANGE
    assert "other columns drifted too: age" in found.evidence_against


def test_a_column_that_two_monitors_watch_is_named_once() -> None:
    found = diagnose(
        Evidence((unit_change(), *(check(BREACH, kind=kind, column="age") for kind in ("data_drift", "plain_drift"))))
    )
    assert "other columns drifted too: age" in found.evidence_against


def refused(*columns: str) -> Check:
    """Return a breach of the share of refused requests, which names these columns."""
    found = errors("refused_share")
    return replace(found, detail=found.detail | ({"refused_columns": list(columns)} if columns else {}))


def test_refused_requests_name_their_columns_in_title_and_words() -> None:
    found = diagnose(Evidence((refused("spend", "calls"),), family=Family.SERVICE))
    assert (found.columns, found.title) == (("spend", "calls"), "upstream schema change (spend, calls)")
    words = "requests are not as was agreed, and are refused since 2029-12-31T23:00:00+00:00: errors of all"
    assert found.explanation.startswith(f"spend, calls: {words}")
    unnamed = diagnose(Evidence((refused(),), family=Family.SERVICE))
    assert (unnamed.columns, unnamed.title) == ((), "upstream schema change")
    assert unnamed.explanation.startswith(words)


def test_a_column_that_two_monitors_say_requests_are_refused_for_is_named_once() -> None:
    other = replace(refused("calls", "plan"), monitor="strict errors")
    found = diagnose(Evidence((refused("spend", "calls"), other), family=Family.SERVICE))
    assert found.columns == ("spend", "calls", "plan")


def test_rows_that_do_not_come_since_they_are_refused_are_told_with_the_column_and_explain_what_is_left() -> None:
    none = problem("volume", column=None, value=0.0)
    found = diagnose(Evidence((none,), seen=(refused("spend"),)))
    assert (found.kind, found.columns) == (DiagnosisKind.UPSTREAM_SCHEMA_CHANGE, ("spend",))
    # The callers whose rows still come are others: their rows differ in columns that nobody refused.
    moved = (check(BREACH, column="age", severity=Severity.CRITICAL), quality(BREACH))
    few = replace(none, value=9.0, detail=none.detail | {"rows": 9})
    found = diagnose(Evidence((few, *moved), seen=(refused("spend"),), importance={"spend": 0.01, "age": 0.99}))
    assert (found.kind, found.columns) == (DiagnosisKind.UPSTREAM_SCHEMA_CHANGE, ("spend",))
    assert found.unexplained == ()


def test_quality_lost_while_the_inputs_moved_is_covariate_drift() -> None:
    found = diagnose(Evidence((check(BREACH), overall(BREACH), quality(BREACH))))
    assert (found.kind, found.columns) == (DiagnosisKind.COVARIATE_DRIFT, ("chol",))
    assert kind_of(check(BREACH), check(OK, column="age"), quality(BREACH)) is DiagnosisKind.COVARIATE_DRIFT


def test_quality_lost_while_the_inputs_stood_is_concept_drift() -> None:
    assert kind_of(check(OK), overall(OK), quality(BREACH)) is DiagnosisKind.CONCEPT_DRIFT
    partly = diagnose(Evidence((check(BREACH), overall(OK), quality(BREACH))))
    assert partly.kind is DiagnosisKind.CONCEPT_DRIFT
    assert partly.evidence_against == ("drifted columns: chol",)


def test_a_release_within_the_window_leaves_the_cause_open() -> None:
    worse = dataclasses.replace(quality(BREACH), model_version=2)
    nobody_knows = (quality(INCONCLUSIVE, hour=-1),)
    found = diagnose(Evidence((check(OK), worse), rollouts=(RELEASED,), history=nobody_knows))
    assert found.kind is DiagnosisKind.UNKNOWN, "how version 1 did at the same is not known"
    assert "version 2 was released" in found.evidence_against[0]
    assert kind_of(check(OK), quality(BREACH)) is DiagnosisKind.CONCEPT_DRIFT
    of_the_old = diagnose(Evidence((check(OK), quality(BREACH)), rollouts=(RELEASED,)))
    assert of_the_old.kind is DiagnosisKind.CONCEPT_DRIFT, "what befalls the version before is not the release's doing"
    earlier = RecentRollout(at_us=NOW_US - 9 * HOUR_US, candidate=2, phase="promoted")
    assert diagnose(Evidence((check(OK), quality(BREACH)), rollouts=(earlier,))).kind is DiagnosisKind.CONCEPT_DRIFT


@pytest.mark.parametrize(
    "checks",
    [
        (check(INCONCLUSIVE), quality(BREACH)),
        (quality(BREACH),),
        (check(BREACH), overall(BREACH), quality(OK)),
        (check(BREACH), overall(BREACH)),
        (check(BREACH, kind="latency", column=None),),
        (),
        (check(BREACH, column="@prediction"), quality(BREACH)),
    ],
)
def test_it_says_unknown_rather_than_guess(checks: tuple[Check, ...]) -> None:
    found = diagnose(Evidence(checks))
    assert found.kind is DiagnosisKind.UNKNOWN
    assert found.explanation


def test_severity_grows_with_loudness_excess_and_reach_and_tells_its_parts() -> None:
    quiet = check(BREACH, severity=Severity.LOW, value=0.21)
    mild = diagnose(Evidence((quiet,), affected_row_share=0.05))
    grave = diagnose(Evidence((check(BREACH, severity=Severity.CRITICAL),), affected_row_share=0.9))
    assert 0 <= mild.severity < 0.2 < 0.8 < grave.severity <= 1
    assert [part.name for part in grave.parts] == ["excess", "loudness", "reach"]


def test_a_diagnosis_survives_json() -> None:
    found = diagnose(Evidence((unit_change(), quality(BREACH)), alerts=(QUARANTINED,)))
    assert Diagnosis.from_json(found.to_json()) == found
    with pytest.raises(DataContractError, match="expected the fields of a diagnosis"):
        Diagnosis.from_json({"kind": "gremlins"})


@pytest.mark.parametrize(
    ("family", "explanation"),
    [
        (Family.SERVICE, "what is wrong with the service fits none of the known classes: HighLoad"),
        (Family.PIPELINE, "what is wrong with the pipeline fits none of the known classes: HighLoad"),
        (Family.MODEL, "what was told fits none of the known classes: HighLoad"),
    ],
)
def test_what_nobody_understands_keeps_the_words_of_whoever_told_of_it(family: Family, explanation: str) -> None:
    told = alert("HighLoad", trimtab_family=family.value)
    found = diagnose(Evidence((told,), family=family))
    assert found.kind is DiagnosisKind.UNKNOWN
    assert found.title == "HighLoad; cause unknown"
    assert found.explanation == explanation
    louder = replace(alert("Odd", trimtab_family=family.value), severity=Severity.CRITICAL, explanation="x" * 300)
    assert diagnose(Evidence((told, louder), family=family)).title == f"{'x' * 99}…, and 1 more; cause unknown"
    assert Diagnosis.from_json(found.to_json()) == found


def test_what_answers_cost_that_nobody_judged_is_not_known() -> None:
    well = quality(OK, value=0.3)
    held = replace(well, verdict=INCONCLUSIVE, detail=well.detail | {"broke_contract": 800, "left_out_share": 0.57})
    [drift] = (unit_change(),)
    assert "impact" in {part.name for part in diagnose(Evidence((drift, well))).parts}
    assert "impact" not in {part.name for part in diagnose(Evidence((drift, held))).parts}
    fell = replace(quality(BREACH), detail=quality(BREACH).detail | {"metric": "f1", "broke_contract": 800})
    assert "impact" in {part.name for part in diagnose(Evidence((drift, held, fell))).parts}, (
        "it cost that much at least"
    )


def test_a_service_that_nobody_understands_is_not_explained_by_its_inputs() -> None:
    odd = alert("HighLoad", trimtab_family="service")
    found = diagnose(Evidence((odd, quality(BREACH)), family=Family.SERVICE))
    assert "inputs" not in found.explanation
    assert "HighLoad" in found.explanation
