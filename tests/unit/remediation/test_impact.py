from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.remediation.cases import BREACH, INCONCLUSIVE, OK, check, quality

from trimtab.monitoring.check import Check
from trimtab.remediation.impact import impact_of_reinstating, impact_of_release, impacts
from trimtab.remediation.kinds import ActionKind


def _slow(value: float, threshold: float = 200.0) -> Check:
    found = check(BREACH)
    return replace(found, monitor="latency", kind="latency", column=None, value=value, threshold=threshold)


def test_each_kind_that_changes_anything_says_what_it_is_expected_to_do_and_why() -> None:
    earlier = [replace(quality(OK, value=0.2), model_version=1)]
    checks = [quality(BREACH), _slow(500.0)]
    found = impacts(checks, endpoint="prices", earlier=earlier, feeds=["shop"], feed_rows=40)
    told = {action: (impact.now, impact.expected, impact.higher_is_better) for action, impact in found.items()}
    assert told == {
        ActionKind.RETRAIN: (0.9, 0.3, False),
        ActionKind.ROLL_BACK: (0.9, 0.2, False),
        ActionKind.QUARANTINE_FEED: (40.0, 0.0, False),
        ActionKind.PAUSE_ENDPOINT: (1.0, 0.0, True),
        ActionKind.RESUME_ENDPOINT: (0.0, 1.0, True),
        ActionKind.OPEN_LABELLING: (0.0, 200.0, True),
        ActionKind.CHANGE_CONFIG: (2.0, 0.0, False),
        ActionKind.SCALE: (500.0, 200.0, False),
        ActionKind.CLEAR_CACHE: (500.0, 200.0, False),
    }
    assert all(impact.basis for impact in found.values())
    assert "version 1 had 0.2 when it served last" in found[ActionKind.ROLL_BACK].basis


def test_what_is_furthest_beyond_its_limit_is_what_the_service_promises() -> None:
    found = impacts([_slow(500.0), _slow(900.0, 800.0)], endpoint="prices")
    assert (found[ActionKind.SCALE].now, found[ActionKind.SCALE].expected) == (500.0, 200.0)


def test_nothing_is_promised_of_what_is_not_known() -> None:
    found = impacts([quality(INCONCLUSIVE, value=None)], endpoint="prices", feeds=["shop"])
    assert set(found) == {ActionKind.PAUSE_ENDPOINT, ActionKind.RESUME_ENDPOINT, ActionKind.OPEN_LABELLING}


@pytest.mark.parametrize(("metrics", "expected"), [({"mape": 0.2}, 0.2), ({"rmse": 1.0}, None), ({}, None)])
def test_a_release_promises_what_the_version_reached_on_its_holdout(
    metrics: dict[str, float], expected: float | None
) -> None:
    impact = impact_of_release([quality(BREACH)], 4, metrics)
    assert (None if impact is None else impact.expected) == expected


def test_a_return_promises_what_the_ledger_says() -> None:
    assert impact_of_reinstating(12.5, "two periods").expected == 12.5
