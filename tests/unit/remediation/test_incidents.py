from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.remediation.cases import (
    BREACH,
    HOUR,
    HOUR_US,
    INCONCLUSIVE,
    NOW_US,
    OK,
    START,
    check,
    diagnosis,
    overall,
    quality,
)

from trimtab.core.enums import Severity
from trimtab.core.errors import IllegalTransitionError
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.alerts import Alert
from trimtab.remediation.incidents import (
    ChangeKind,
    Incident,
    IncidentChange,
    IncidentState,
    attach_alert,
    close,
    fold,
    mitigate,
    with_diagnosis,
)
from trimtab.remediation.kinds import DiagnosisKind


def take(incident: Incident | None, *checks: Check, hour: int = 0) -> IncidentChange:
    return fold(incident, checks, now=START + hour * HOUR, new_id=f"i{hour}")


def opened(*checks: Check) -> Incident:
    incident = take(None, *(checks or (check(BREACH),))).incident
    assert incident is not None
    return incident


def test_nothing_wrong_opens_no_case() -> None:
    assert take(None, check(OK), overall(INCONCLUSIVE)) == IncidentChange(ChangeKind.NONE, None)


def test_a_breach_opens_a_case_that_says_what_it_is() -> None:
    change = take(None, check(BREACH), check(OK, column="age"))
    assert change.kind is ChangeKind.OPENED
    assert change.incident is not None
    assert (change.incident.id, change.incident.title) == ("i0", "heart: data_drift of chol: breach")
    assert change.incident.timeline[0].what == "opened"


def test_folding_the_same_checks_again_changes_nothing() -> None:
    checks = (check(BREACH), check(OK, column="age"))
    assert take(opened(*checks), *checks, hour=1).kind is ChangeKind.NONE


def test_later_breaches_join_the_open_case() -> None:
    change = take(opened(), check(BREACH, hour=1), check(BREACH, column="age", hour=1), hour=1)
    assert change.kind is ChangeKind.UPDATED
    assert change.incident is not None
    assert [one.column for one in change.incident.evidence] == ["chol", "age"]
    assert "joined: data_drift of age" in [entry.what for entry in change.incident.timeline]


def test_a_case_recovers_only_when_everything_that_breached_is_ok_in_a_later_window() -> None:
    incident = opened(check(BREACH), check(BREACH, column="age"))
    partly = take(incident, check(OK, hour=1), check(BREACH, column="age", hour=1), hour=1)
    assert partly.kind is ChangeKind.UPDATED
    held = take(partly.incident, check(OK, hour=2), check(INCONCLUSIVE, column="age", hour=2), hour=2)
    assert held.kind is ChangeKind.NONE
    done = take(held.incident, check(OK, column="age", hour=3), hour=3)
    assert (done.kind, done.incident and done.incident.state) == (ChangeKind.RECOVERED, IncidentState.RESOLVED)
    assert done.incident is not None
    assert (len(done.incident.evidence), done.incident.unrecovered) == (2, ())
    assert done.incident.closed_us is not None


def test_an_ok_of_the_same_window_is_no_recovery() -> None:
    assert take(opened(), check(OK), hour=1).kind is ChangeKind.NONE


def test_one_variant_that_is_ok_does_not_hide_another_in_breach() -> None:
    change = take(opened(), check(OK, variant="v2", hour=1), check(BREACH, hour=1), hour=1)
    assert change.kind is ChangeKind.UPDATED
    assert change.incident is not None
    assert change.incident.unrecovered


def test_a_breach_soon_after_recovery_reopens_the_case() -> None:
    resolved = take(opened(), check(OK, hour=1), hour=1).incident
    again = take(resolved, check(BREACH, hour=2), hour=2)
    assert again.kind is ChangeKind.REOPENED
    assert again.incident is not None
    assert (again.incident.id, again.incident.state, again.incident.closed_us) == ("i0", IncidentState.OPEN, None)


def test_a_breach_long_after_recovery_or_of_something_else_is_a_new_case() -> None:
    resolved = take(opened(), check(OK, hour=1), hour=1).incident
    assert take(resolved, check(BREACH, hour=9), hour=9).kind is ChangeKind.OPENED
    assert take(resolved, check(BREACH, column="age", hour=2), hour=2).kind is ChangeKind.OPENED


def test_a_breach_of_a_window_from_before_the_recovery_opens_nothing() -> None:
    resolved = take(opened(), check(OK, hour=1), hour=1).incident
    assert take(resolved, check(BREACH, hour=1), hour=2).kind is ChangeKind.NONE


def test_a_case_that_a_person_closed_stays_closed() -> None:
    closed = close(opened(), now=START + HOUR, actor="ann", why="known")
    assert take(closed, check(OK, hour=2), hour=2).kind is ChangeKind.NONE
    assert take(closed, check(BREACH, hour=2), hour=2).kind is ChangeKind.OPENED
    with pytest.raises(IllegalTransitionError, match="closed already"):
        close(closed, now=START, actor="ann", why="")


def test_what_a_person_put_away_opens_no_case_by_the_rows_that_they_had_seen() -> None:
    """Windows of eight hours overlap: an hour after somebody closed the case, seven eighths of the rows are known."""

    def after(hours: int, column: str = "chol") -> Check:
        found = check(BREACH, column=column, hour=hours)
        return replace(found, window=Window(found.window.end_us - 8 * HOUR_US, found.window.end_us))

    closed = close(opened(), now=START + HOUR, actor="ann", why="the sender has mended it")
    kinds = [take(closed, after(hour), hour=hour).kind for hour in (2, 4, 5)]
    assert kinds == [ChangeKind.NONE, ChangeKind.NONE, ChangeKind.OPENED]
    assert take(closed, after(2, "age"), after(2), hour=2).kind is ChangeKind.OPENED, "something else is news"
    recovered = take(opened(), check(OK, hour=1), hour=1).incident
    assert recovered is not None
    put_away = close(recovered, now=START + 2 * HOUR, actor="ann", why="")
    assert take(put_away, after(3), hour=3).kind is ChangeKind.OPENED, "it was well in between"


def test_mitigating_cases_recover_too_and_resolved_ones_cannot_be_mitigated() -> None:
    mitigating = mitigate(opened(), now=START, actor="trimtab", what="feed quarantined")
    assert mitigating.state is IncidentState.MITIGATING
    resolved = take(mitigating, check(OK, hour=1), hour=1).incident
    assert resolved is not None
    with pytest.raises(IllegalTransitionError, match="resolved, not open"):
        mitigate(resolved, now=START, actor="trimtab", what="again")


def test_an_alert_is_attached_once() -> None:
    alert = Alert("al1", "k", "rows_quarantined", Severity.HIGH, "40 rows quarantined", NOW_US)
    attached = attach_alert(opened(), alert)
    assert attach_alert(attached, alert) is attached
    assert attached.timeline[-1].what == "alert: 40 rows quarantined"


def test_a_diagnosis_names_the_case_and_only_its_changes_are_noted() -> None:
    once = with_diagnosis(opened(), diagnosis(), now=START)
    same = with_diagnosis(once, diagnosis(), now=START + timedelta(minutes=1))
    other = with_diagnosis(same, diagnosis(DiagnosisKind.UNKNOWN), now=START)
    assert once.title == "heart: unit change (chol)"
    assert [len(one.timeline) for one in (once, same, other)] == [2, 2, 3]


def test_a_case_is_as_loud_as_its_loudest_breach() -> None:
    assert opened().loudest is Severity.HIGH


def test_a_column_opens_no_case_but_joins_the_one_of_its_monitors_alarm() -> None:
    named = replace(check(BREACH), opens=False)
    assert take(None, named, overall(OK)).kind is ChangeKind.NONE
    alarm = take(None, named, overall(BREACH)).incident
    assert alarm is not None
    assert [one.column for one in alarm.evidence] == ["chol", None]
    another = replace(check(BREACH, column="age", hour=1), opens=False)
    joined = take(alarm, another, check(OK, hour=1), hour=1)
    assert joined.incident is not None
    assert [one.column for one in joined.incident.unrecovered] == [None, "age"], "the alarm has not recovered yet"
    done = take(joined.incident, overall(OK, hour=2), check(OK, column="age", hour=2), hour=2)
    assert done.kind is ChangeKind.RECOVERED


def test_a_column_does_not_join_the_case_of_another_monitor() -> None:
    change = take(opened(quality(BREACH)), replace(check(BREACH, hour=1), opens=False), hour=1)
    assert change.kind is ChangeKind.NONE


def test_a_column_alone_opens_no_case_again_that_has_recovered() -> None:
    done = take(opened(overall(BREACH)), overall(OK, hour=1), hour=1).incident
    assert take(done, replace(check(BREACH, hour=2), opens=False), hour=2).kind is ChangeKind.NONE
