"""What a diagnosis rests on is gathered from what is stored; and a case that is not over is answered again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.core.enums import Severity, Verdict
from trimtab.loop.evidence import evidence_of, importance_of
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis import Evidence
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.kinds import DiagnosisKind, Family
from trimtab.remediation.store import list_incidents

_OK, _BREACH = Verdict.OK, Verdict.BREACH


def _case(world: World, family: Family = Family.MODEL) -> Incident:
    found = world.platform.database.read(lambda connection: list_incidents(connection))
    return next(one for one in found if one.family is family)


def _evidence(world: World, run_id: str | None, family: Family = Family.MODEL) -> Evidence:
    case, files = _case(world, family), world.platform.files(MODEL)
    return world.platform.database.read(
        lambda connection: evidence_of(
            connection, world.platform, files, case, (), run_id, importance_of(world.platform, files)
        )
    )


def _looked(world: World, *checks: Check) -> str:
    run_id = world.checked(*checks)
    world.deliver()
    world.clock.advance(timedelta(minutes=30))
    return run_id


def _quality(world: World, verdict: Verdict, value: float) -> Check:
    return world.check(verdict, kind="model_quality", value=value, detail={"metric": "accuracy", "baseline": 0.8})


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_the_windows_before_are_those_that_do_not_overlap(world: World) -> None:
    for value in (0.80, 0.79, 0.78, 0.77, 0.76):
        _looked(world, _quality(world, _OK, value), world.check(_OK))
    run_id = _looked(world, _quality(world, _BREACH, 0.5), world.check(_OK))
    found = _evidence(world, run_id)
    assert [check.value for check in found.checks if check.kind == "model_quality"] == [0.5]
    told = [(check.kind, check.value) for check in found.history]
    assert told == [("model_quality", 0.77), ("model_quality", 0.79)], "windows of an hour, each looked at twice"
    assert (found.primary, found.criticality) == ("accuracy", 1.0)
    assert found.begun_us == found.checks[0].window.start_us


def test_what_is_still_wrong_and_was_not_judged_again_is_part_of_it(world: World) -> None:
    _looked(world, world.check(_BREACH, column="age"))
    run_id = _looked(world, world.check(_OK, column="chol"))
    assert [(check.column, check.verdict) for check in _evidence(world, run_id).checks] == [
        ("chol", _OK),
        ("age", _BREACH),
    ]
    assert _evidence(world, None).checks == _evidence(world, run_id).checks, "without a run: as of the newest"


def test_what_is_over_is_remembered_while_what_is_wrong_reaches_back_to_it_and_other_families_are_heard(
    world: World,
) -> None:
    _looked(world, world.check(_BREACH, column="age"), world.check(_BREACH, kind="latency"))
    long = world.check(_BREACH, kind="model_quality", value=0.5)
    long = replace(long, window=replace(long.window, start_us=long.window.start_us - 2 * HOUR_US))
    _looked(world, world.check(_OK, column="age"), long)
    world.clock.advance(timedelta(hours=1))
    run_id = _looked(world, world.check(_OK, column="age"))
    found = _evidence(world, run_id)
    assert sorted(check.kind for check in found.seen) == ["data_drift", "latency"]


def test_releases_count_from_when_a_version_had_taken_all_traffic_and_its_features_are_read(world: World) -> None:
    deploying = Deploying.on(world)
    deploying.bring_in(1, 2)
    run_id = _looked(world, world.check(_BREACH, version=2))
    found = _evidence(world, run_id)
    [release] = found.rollouts
    assert (release.candidate, release.before, release.phase) == (2, 1, "promoted"), "the first replaced nothing"
    assert found.ledger is not None
    assert found.ledger.age_s is not None
    assert found.ledger.would_gain is None
    assert found.importance == {} or sum(found.importance.values()) == pytest.approx(1)


def test_a_release_is_held_against_the_last_look_at_another_version_though_its_window_overlaps(world: World) -> None:
    _looked(world, _quality(world, _OK, 0.8))
    later = replace(_quality(world, _BREACH, 0.5), model_version=2)
    run_id = _looked(world, replace(later, window=replace(later.window, start_us=later.window.start_us - 9 * HOUR_US)))
    assert [(check.model_version, check.value) for check in _evidence(world, run_id).history] == [(1, 0.8)]


# --- a case that is not over is answered again ------------------------------------------------------------------------


def _logged(world: World) -> int:
    return [kind for kind, _state in world.actions()].count("log")


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_case_that_is_opened_again_is_answered_again(world: World) -> None:
    for _ in range(2):
        _looked(world, world.check(_BREACH, column="age"))
    assert _case(world).diagnosis is not None
    assert _logged(world) == 1, "the same thing is answered once"
    world.clock.advance(timedelta(hours=1))
    _looked(world, world.check(_OK, column="age"))
    assert _case(world).state is IncidentState.RESOLVED
    _looked(world, world.check(_BREACH, column="age"))
    assert _case(world).state is IncidentState.OPEN
    assert _logged(world) == 2, "what was done before did not end it"


def test_a_case_that_got_worse_is_answered_again(world: World) -> None:
    quiet = replace(world.check(_BREACH, column="age", value=0.21), severity=Severity.LOW)
    _looked(world, quiet)
    before = _case(world).diagnosis
    loud = replace(world.check(_BREACH, column="age", value=2.0), severity=Severity.CRITICAL)
    _looked(world, loud)
    after = _case(world).diagnosis
    assert before is not None
    assert after is not None
    assert before.kind is after.kind is DiagnosisKind.UNKNOWN
    assert after.level.rank > before.level.rank
    assert _logged(world) == 2
