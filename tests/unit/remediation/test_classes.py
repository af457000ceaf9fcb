"""Each class of trouble is named from what bears it out, and not from what lies next to it."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.remediation.cases import BREACH, HOUR_US, NOW_US, OK, check, overall, quality, unit_change
from tests.unit.remediation.troubles import FELL, MOVED, NEAR_MISSES, POSITIVE, STILL, cause, gap, slow

from trimtab.core.enums import Severity
from trimtab.monitoring.cause import CauseKind
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import ConfigChange, Diagnosis, Evidence, FactName, diagnose
from trimtab.remediation.diagnosis.classes import CLASSES
from trimtab.remediation.diagnosis.trend import Course, course_of
from trimtab.remediation.kinds import DiagnosisKind, Family, Level


@pytest.mark.parametrize("name", POSITIVE)
def test_a_class_is_named_from_what_bears_it_out(name: str) -> None:
    found = diagnose(POSITIVE[name])
    assert found.kind == name.partition(":")[0], (found.explanation, found.evidence_against)
    assert found.explanation
    assert found.evidence_for


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_class_is_not_named_from_what_lies_next_to_it(name: str) -> None:
    assert diagnose(NEAR_MISSES[name]).kind != name.partition(":")[0]


def test_every_class_is_tried_both_ways() -> None:
    kinds = {rule.kind.value for rule in CLASSES}
    assert kinds == {kind.value for kind in DiagnosisKind} - {"unknown"}
    for cases, least in ((POSITIVE, 1), (NEAR_MISSES, 2)):
        named = [name.partition(":")[0] for name in cases]
        assert {kind for kind in kinds if named.count(kind) < least} == set()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*POSITIVE.values(), *NEAR_MISSES.values()]), st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_comes_says_nothing(evidence: Evidence, random: Random) -> None:
    def shuffled(values: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(random.sample(values, len(values)))

    mixed: dict[str, Any] = {
        name: shuffled(getattr(evidence, name)) for name in ("checks", "history", "alerts", "seen")
    }
    again = dataclasses.replace(evidence, **mixed)
    assert diagnose(again) == diagnose(evidence)
    assert Diagnosis.from_json(diagnose(evidence).to_json()) == diagnose(evidence)


def test_what_is_not_known_is_told_with_what_would_settle_it() -> None:
    found = diagnose(NEAR_MISSES["bad_release: nobody knows how the one before did"])
    assert found.kind is DiagnosisKind.UNKNOWN
    assert "it may be concept drift, or bad release" in found.explanation
    assert "how the version before did at the same is not known" in found.explanation


def test_two_things_at_once_are_never_one_silently() -> None:
    person = check(BREACH, kind="alert", column=None, severity=Severity.CRITICAL, detail={"family": "model"})
    both = diagnose(Evidence((*STILL, FELL, person)))
    assert both.kind is DiagnosisKind.UNKNOWN
    assert "more than one thing at once" in both.explanation
    quiet = dataclasses.replace(person, severity=Severity.LOW)
    one = diagnose(Evidence((*STILL, FELL, quiet)))
    assert (one.kind, one.unexplained) == (DiagnosisKind.CONCEPT_DRIFT, (quiet.explanation,))


def test_of_two_faults_of_the_data_the_wider_is_named_and_the_other_told() -> None:
    empty = check(BREACH, kind="data_quality", column="age", value=0.9, threshold=0.05, detail={"problem": "missing"})
    found = diagnose(Evidence((unit_change(), empty)))
    assert (found.kind, found.columns) == (DiagnosisKind.DATA_OUTAGE, ("age",))
    assert any(line.startswith("also unit change") for line in found.evidence_for)


@pytest.mark.parametrize(
    ("share", "usual", "kind"),
    [
        (0.11, 0.06, DiagnosisKind.UNKNOWN),
        (0.19, 0.06, DiagnosisKind.DATA_OUTAGE),
        (0.06, 0.0, DiagnosisKind.DATA_OUTAGE),
        (0.60, 0.41, DiagnosisKind.UNKNOWN),
        (0.61, 0.40, DiagnosisKind.DATA_OUTAGE),
    ],
)
def test_a_few_more_missing_values_than_ever_are_another_mixture_of_rows_and_no_outage(
    share: float, usual: float, kind: DiagnosisKind
) -> None:
    named = cause(CauseKind.NULLS, missing_share=share, reference_missing_share=usual)
    seen = check(
        BREACH, kind="data_quality", value=share - usual, threshold=0.05, detail={"problem": "missing", **named.detail}
    )
    found = diagnose(Evidence((seen,)))
    assert found.kind is kind
    assert diagnose(Evidence((named, overall(OK)))).kind is kind
    if kind is DiagnosisKind.UNKNOWN:
        assert seen.explanation in found.explanation
    others = [check(BREACH, column=column) for column in ("age", "sex")]
    assert diagnose(Evidence((seen, *others))).kind is DiagnosisKind.UNKNOWN, "most of what moved lacks no values"
    many = cause(CauseKind.NULLS, missing_share=usual + 0.51, reference_missing_share=usual)
    assert diagnose(Evidence((many, *others))).kind is DiagnosisKind.DATA_OUTAGE


def test_a_fault_in_a_column_that_the_model_hardly_uses_explains_no_fall_of_quality() -> None:
    stuck = dataclasses.replace(cause(CauseKind.STUCK), severity=Severity.LOW)
    importance = {"chol": 0.01, "age": 0.99}
    found = diagnose(Evidence((stuck, check(OK, column="age"), FELL), importance=importance))
    assert found.kind is DiagnosisKind.UNKNOWN
    assert diagnose(Evidence((stuck, check(OK, column="age"), FELL))).kind is DiagnosisKind.DATA_OUTAGE


def test_a_case_is_about_its_own_family() -> None:
    checks = (slow(), *MOVED, FELL)
    assert diagnose(Evidence(checks)).kind is DiagnosisKind.COVARIATE_DRIFT
    assert diagnose(Evidence(checks, family=Family.SERVICE)).kind is DiagnosisKind.LATENCY
    assert diagnose(Evidence(checks, family=Family.PIPELINE)).kind is DiagnosisKind.UNKNOWN


def test_quality_of_rows_that_came_while_data_were_broken_is_not_called_drift_once_they_are_mended() -> None:
    first = diagnose(Evidence((unit_change(), overall(OK))))
    late = quality(BREACH, hour=1)
    later = Evidence((check(OK, hour=1), overall(OK, hour=1), late))
    assert diagnose(later).kind is DiagnosisKind.CONCEPT_DRIFT
    on = diagnose(later, first)
    assert (on.kind, on.columns, on.explanation) == (DiagnosisKind.UNIT_CHANGE, ("chol",), first.explanation)
    much_later = Evidence((check(OK, hour=5), overall(OK, hour=5), quality(BREACH, hour=5)))
    assert diagnose(much_later, on).kind is DiagnosisKind.CONCEPT_DRIFT
    other = Evidence((check(BREACH, column="age", hour=1), overall(BREACH, hour=1), late))
    assert diagnose(other, first).kind is DiagnosisKind.COVARIATE_DRIFT, "another column has moved since"


def test_a_fault_of_the_data_goes_on_beside_another_column_but_not_beside_most() -> None:
    swapped = [cause(CauseKind.SWAPPED_COLUMNS, name) for name in ("chol", "age")]
    first = diagnose(Evidence((*swapped, overall(OK))))
    assert first.kind is DiagnosisKind.UPSTREAM_SCHEMA_CHANGE
    late, drifted = quality(BREACH, hour=1), [check(BREACH, column=name, hour=1) for name in ("chol", "age", "bmi")]
    on = diagnose(Evidence((*drifted, overall(BREACH, hour=1), late)), first)
    assert (on.kind, on.columns) == (first.kind, ("age", "chol"))
    assert on.unexplained == ("data_drift of bmi: breach",)
    more = [check(BREACH, column=name, hour=1) for name in ("sex", "cp")]
    assert diagnose(Evidence((*drifted, *more, overall(BREACH, hour=1), late)), first).kind is (
        DiagnosisKind.COVARIATE_DRIFT
    ), "most that is off is something else"


@pytest.mark.parametrize(
    ("refused", "kind"), [(1, "covariate_drift"), (4, "covariate_drift"), (40, "upstream_schema_change")]
)
def test_the_slip_of_one_sender_hides_no_drift(refused: int, kind: str) -> None:
    one = Alert(
        "al1",
        "k",
        "rows_quarantined",
        Severity.HIGH,
        "t",
        NOW_US,
        detail={"reasons": {"region: not an allowed value": refused}, "rows": refused},
    )
    assert diagnose(Evidence((*MOVED, FELL), alerts=(one,))).kind == kind


def test_what_the_configuration_did_is_told_as_a_doubt() -> None:
    changed = ConfigChange(NOW_US - HOUR_US, "a higher limit")
    found = diagnose(Evidence((*STILL, FELL), config_changes=(changed,)))
    assert any("the configuration was changed" in line for line in found.evidence_against)


def test_columns_are_those_that_the_class_blames_the_farthest_first() -> None:
    far = check(BREACH, column="age", value=0.9)
    assert diagnose(Evidence((check(BREACH, value=0.3), far, overall(BREACH), FELL))).columns == ("age", "chol")
    assert diagnose(Evidence((gap(), quality(OK, value=0.3)))).columns == ("sex",)


def test_diagnoses_of_before_facts_were_kept_are_read() -> None:
    content = diagnose(Evidence((*STILL, FELL))).to_json()
    for name in ("facts", "unexplained", "seen_us"):
        del content[name]
    old = Diagnosis.from_json(content)
    assert (old.kind, old.facts, old.unexplained) == (DiagnosisKind.CONCEPT_DRIFT, (), ())
    assert old.fact(FactName.QUALITY_FELL) is None


# --- severity ---------------------------------------------------------------------------------------------------------


def _severity(**changes: Any) -> float:
    base = Evidence((quality(BREACH, value=0.36, baseline=0.3),), affected_row_share=0.1)
    return diagnose(dataclasses.replace(base, **changes)).severity


def test_severity_grows_with_each_of_its_parts() -> None:
    least = _severity()
    worse = quality(BREACH, value=0.55, baseline=0.3)
    louder = dataclasses.replace(quality(BREACH, value=0.36, baseline=0.3), severity=Severity.CRITICAL)
    timed = {"now_us": NOW_US, "begun_us": NOW_US - HOUR_US}
    assert least < _severity(checks=(worse,))
    assert least < _severity(checks=(louder,))
    assert least < _severity(affected_row_share=0.8)
    assert _severity(**timed) < _severity(now_us=NOW_US, begun_us=NOW_US - 9 * HOUR_US)
    assert _severity(criticality=0.5) < least < _severity(criticality=1.5)


def test_without_a_known_impact_a_case_is_of_the_middle_third_at_most_unless_somebody_called_it_critical() -> None:
    far = [check(BREACH, value=50.0, severity=severity) for severity in (Severity.HIGH, Severity.CRITICAL)]
    levels = [diagnose(Evidence((one,), affected_row_share=1.0)).level for one in far]
    assert levels == [Level.MEDIUM, Level.HIGH]


def test_all_three_levels_occur_and_a_score_is_held_against_what_knowing_nothing_reaches() -> None:
    slight = dataclasses.replace(quality(BREACH, value=0.51, baseline=0.5), severity=Severity.LOW)
    assert diagnose(Evidence((slight,), affected_row_share=0.1)).level is Level.LOW
    assert diagnose(Evidence((quality(BREACH, value=0.7, baseline=0.5),))).level is Level.MEDIUM
    assert diagnose(Evidence((quality(BREACH, value=2.0, baseline=0.5),))).level is Level.HIGH
    impact = {
        metric: diagnose(
            Evidence(
                (
                    check(
                        BREACH,
                        kind="model_quality",
                        column=None,
                        value=0.6,
                        threshold=0.7,
                        detail={"metric": metric, "baseline": 0.8},
                    ),
                )
            )
        )
        .parts[0]
        .value
        for metric in ("roc_auc", "f1")
    }
    assert impact == {"roc_auc": pytest.approx(2 / 3), "f1": pytest.approx(0.25)}


@pytest.mark.parametrize(
    ("values", "course"),
    [
        ([0.9], Course.UNCLEAR),
        ([0.9, 0.9, 0.9, 0.5], Course.SUDDEN),
        ([0.9, 0.8, 0.7, 0.6], Course.SLOW),
        ([0.75, 0.5, 0.25], Course.UNCLEAR),
        ([0.5, 0.6, 0.7, 0.8], Course.UNCLEAR),
    ],
)
def test_a_slow_fall_needs_steady_steps_none_larger_than_half_of_it(values: list[float], course: Course) -> None:
    assert course_of(values, lower_is_worse=True) is course
