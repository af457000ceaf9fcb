from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.remediation.cases import BREACH, HOUR, OK, START, check

from trimtab.core.enums import Severity
from trimtab.monitoring.check import Check
from trimtab.remediation.incidents import Incident, fold
from trimtab.remediation.telling import Again, again, told

DAY = timedelta(days=1)


def opened(severity: Severity = Severity.MEDIUM) -> Incident:
    incident = fold(None, [check(BREACH, severity=severity)], now=START, new_id="i").incident
    assert incident is not None
    return told(incident, now=START)


def joined(incident: Incident, *checks: Check, hour: int = 1) -> Incident:
    after = fold(incident, checks, now=START + hour * HOUR, new_id="x").incident
    assert after is not None
    return after


@pytest.mark.parametrize(
    ("after", "said"), [(timedelta(hours=23), None), (DAY, Again.REPEATED), (9 * DAY, Again.REPEATED)]
)
def test_an_open_case_is_told_again_each_time_its_pause_is_over(after: timedelta, said: Again | None) -> None:
    assert again(opened(), now=START + after, repeat=DAY) is said
    assert again(told(opened(), now=START + after), now=START + after, repeat=DAY) is None, "told once"
    assert again(opened(), now=START + after, repeat=None) is None


@pytest.mark.parametrize(
    ("severity", "said"), [(Severity.LOW, None), (Severity.MEDIUM, None), (Severity.HIGH, Again.LOUDER)]
)
def test_what_joins_is_told_only_if_it_is_louder(severity: Severity, said: Again | None) -> None:
    louder = joined(opened(), check(BREACH, column="age", severity=severity, hour=1))
    assert again(louder, now=START + HOUR, repeat=DAY) is said
    assert again(told(louder, now=START + HOUR), now=START + HOUR, repeat=DAY) is None


def test_what_has_recovered_makes_a_case_no_louder() -> None:
    both = joined(opened(), check(BREACH, column="age", severity=Severity.HIGH, hour=1))
    quieter = joined(both, check(OK, column="age", hour=2), hour=2)
    assert again(quieter, now=START + HOUR, repeat=DAY) is None


def test_a_case_that_is_over_is_told_no_more() -> None:
    over = joined(opened(), check(OK, hour=1))
    assert again(over, now=START + 9 * DAY, repeat=DAY) is None


def test_a_case_that_nobody_was_told_of_is_told() -> None:
    before = replace(opened(), told_us=None, told_severity=None)
    assert again(before, now=START, repeat=DAY) is Again.REPEATED
