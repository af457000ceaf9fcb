"""What others found becomes a check, and the check makes a case of its family."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.remediation.cases import BREACH, HOUR, HOUR_US, NOW_US, OK, START, check, quality

from trimtab.monitoring.check import Check
from trimtab.remediation.external import OutsideAlert, check_of, family_named
from trimtab.remediation.family import by_family, family_of
from trimtab.remediation.incidents import ChangeKind, IncidentState, fold
from trimtab.remediation.kinds import Family
from trimtab.remediation.signals import key_of

ALERT = OutsideAlert(
    name="TrimtabSlow",
    fingerprint="f1",
    firing=True,
    starts_us=NOW_US,
    ends_us=None,
    labels={"severity": "medium"},
    annotations={"summary": "heart/v1: one request\nin a hundred takes 2 s"},
    endpoint="heart",
)


def told(alert: OutsideAlert) -> Check:
    return check_of(alert, model="heart", endpoint="heart")


def test_an_alert_that_fires_is_a_breach_and_its_end_is_not_read() -> None:
    firing = told(ALERT)
    assert firing.verdict is BREACH
    assert firing == told(replace(ALERT, ends_us=-62_135_596_800_000_000)), "Alertmanager writes the year 1 there"
    assert firing.explanation == "TrimtabSlow: heart/v1: one request in a hundred takes 2 s"
    assert family_of(firing) is Family.SERVICE


def test_a_repeat_folds_to_nothing_the_end_recovers_and_a_new_beginning_opens_again() -> None:
    opened = fold(None, [told(ALERT)], now=START, new_id="i1", family=Family.SERVICE).incident
    assert opened is not None
    assert fold(opened, [told(ALERT)], now=START + HOUR, new_id="x").kind is ChangeKind.NONE
    over = replace(ALERT, firing=False, ends_us=NOW_US)
    recovered = fold(opened, [told(over)], now=START, new_id="x")
    assert recovered.kind is ChangeKind.RECOVERED, "also one that ends with the microsecond it began"
    again = replace(ALERT, starts_us=NOW_US + HOUR_US // 2)
    reopened = fold(recovered.incident, [told(again)], now=START + HOUR, new_id="x")
    assert reopened.kind is ChangeKind.REOPENED
    assert fold(recovered.incident, [told(ALERT)], now=START, new_id="x").kind is ChangeKind.NONE


def test_two_alerts_of_one_rule_are_two_things() -> None:
    other = told(replace(ALERT, fingerprint="f2"))
    assert key_of(other) != key_of(told(ALERT))
    assert key_of(other).label == "TrimtabSlow"
    case = fold(None, [told(ALERT), other], now=START, new_id="i1", family=Family.SERVICE).incident
    over = told(replace(ALERT, firing=False, ends_us=NOW_US + 1))
    change = fold(case, [over], now=START, new_id="x")
    assert change.kind is ChangeKind.UPDATED
    assert change.incident is not None
    assert change.incident.state is IncidentState.OPEN


def test_an_alert_that_began_before_our_last_window_ended_is_no_old_news() -> None:
    slow = check(BREACH, kind="latency", column=None)
    well = check(OK, kind="latency", column=None, hour=1)
    case = fold(None, [slow], now=START, new_id="i1", family=Family.SERVICE).incident
    over = fold(case, [well], now=START + HOUR, new_id="x").incident
    late = told(replace(ALERT, starts_us=NOW_US + HOUR_US // 2))
    assert fold(over, [late], now=START + HOUR, new_id="i2", family=Family.SERVICE).kind is ChangeKind.OPENED


@pytest.mark.parametrize(
    ("labels", "has_endpoint", "family"),
    [
        ({}, True, Family.SERVICE),
        ({"job": "trimtab-serving"}, False, Family.SERVICE),
        ({"job": "nightly-export"}, False, Family.PIPELINE),
        ({"source": "lab"}, True, Family.MODEL),
        ({"source": ""}, True, Family.SERVICE),
        ({"monitor": "drift"}, True, Family.PIPELINE),
        ({"trimtab_family": "model"}, False, Family.MODEL),
        ({"trimtab_family": "gremlins"}, False, Family.PIPELINE),
    ],
)
def test_labels_say_what_an_alert_is_about(labels: dict[str, str], has_endpoint: bool, family: Family) -> None:
    assert family_named(labels, has_endpoint=has_endpoint) is family


def test_checks_go_to_the_case_of_their_family_or_to_the_one_that_is_about_them_already() -> None:
    slow, drifted, worse = check(BREACH, kind="latency", column=None), check(BREACH), quality(BREACH)
    found = by_family([slow, drifted, worse], {})
    assert found == {Family.SERVICE: [slow], Family.MODEL: [drifted, worse]}
    assert by_family([slow], {key_of(slow): Family.MODEL}) == {Family.MODEL: [slow]}
