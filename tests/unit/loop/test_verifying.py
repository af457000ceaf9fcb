from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.core.enums import Verdict
from trimtab.lake import feeds
from trimtab.loop.decision_periods import micros
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.outside_alerts import OutsideAlert, files_named, take_alerts
from trimtab.loop.verifying import give_up_late
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.action_store import PlannedVerification, list_actions, plan_verification, verification_of
from trimtab.remediation.actions import ActionRequest, PredictedImpact
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.promises import Measure, Promise
from trimtab.remediation.signals import key_of
from trimtab.remediation.store import list_incidents
from trimtab.retraining.ledger import PeriodLoss
from trimtab.retraining.loss_store import Entry, save_entries

_AUTOSCALED = """
strategy: {type: recreate}
autoscaling: {min_workers: 1, max_workers: 2}
"""
_PROMISE = PredictedImpact("accuracy", 0.7, 0.8, True, "its holdout")


@pytest.fixture
def acting(world: World) -> Acting:
    acting = Acting.on(world)
    config = world.platform.project.root / "models" / MODEL / "deployment_config.yaml"
    config.write_text(_AUTOSCALED)
    Deploying(world).bring_in(2)
    world.deliver()
    serving = world.platform.project.config.serving.model_copy(update={"workers": 4})
    object.__setattr__(
        world.platform.project, "config", world.platform.project.config.model_copy(update={"serving": serving})
    )
    return acting


def _slow(world: World, verdict: Verdict, *, version: int = 2, hours: int = 1) -> Check:
    now_us = world.platform.now_us()
    found = world.check(verdict, kind="latency", version=version, detail={"percentile": "p95"})
    return _within(found, Window(now_us - hours * HOUR_US, now_us))


def _within(check: Check, window: Window) -> Check:
    return Check.from_json({**check.to_json(), "window": {"start_us": window.start_us, "end_us": window.end_us}})


def _quality(world: World, verdict: Verdict, value: float, version: int) -> Check:
    detail = {"metric": "accuracy", "labelled": 120, "baseline": 0.8}
    return world.check(verdict, kind="model_quality", version=version, value=value, detail=detail)


def _case(world: World, *checks: Check) -> str:
    """Have a case opened, and return its id."""
    world.checked(*checks)
    world.deliver("incidents")
    [incident] = world.platform.database.read(lambda c: list_incidents(c, model=MODEL, open_only=True))
    return incident.id


def _later(acting: Acting, *checks: Check) -> None:
    acting.world.checked(*checks)
    acting.world.deliver("verification")


def _judged(acting: Acting, action_id: str) -> PlannedVerification:
    found = acting.world.platform.database.read(lambda c: verification_of(c, action_id))
    assert found is not None
    return found


def _actions(acting: Acting, kind: ActionKind) -> list[ActionRequest]:
    return acting.world.platform.database.read(lambda c: list_actions(c, model=MODEL, kind=kind))


def test_more_workers_that_did_not_help_are_taken_back_once(acting: Acting) -> None:
    incident = _case(acting.world, _slow(acting.world, Verdict.BREACH))
    scaled = acting.done(ActionKind.SCALE, incident_id=incident)
    planned = _judged(acting, scaled.id)
    assert (planned.due_us, planned.finished_us) == (scaled.finished_us + 7 * 24 * HOUR_US, None)  # type: ignore[operator]
    acting.world.clock.advance(timedelta(hours=1))
    _later(acting, _slow(acting.world, Verdict.BREACH, hours=2))
    assert _judged(acting, scaled.id).finished_us is None, "that window began before the action ended"
    acting.world.clock.advance(timedelta(hours=3))
    _later(acting, _slow(acting.world, Verdict.BREACH))
    acting.settle()
    result = _judged(acting, scaled.id).result
    assert result is not None
    assert (result.verdict, result.explanation[:40]) == (Verdict.BREACH, "still in breach: latency of p95; breache")
    undo, _ = _actions(acting, ActionKind.SCALE)
    assert (undo.undoes, undo.state.value, undo.decided_by) == (scaled.id, "succeeded", "dana")
    assert acting.spec().scaled_to is None
    [told] = acting.asked_for_people()
    assert "it is taken back by scale" in told
    assert acting.world.platform.database.read(lambda c: verification_of(c, undo.id)) is None


def test_an_action_that_helped_stays(acting: Acting) -> None:
    incident = _case(acting.world, _slow(acting.world, Verdict.BREACH))
    scaled = acting.done(ActionKind.SCALE, incident_id=incident)
    acting.world.clock.advance(timedelta(hours=1))
    _later(acting, _slow(acting.world, Verdict.OK))
    assert _judged(acting, scaled.id).result.verdict is Verdict.OK  # type: ignore[union-attr]
    assert acting.spec().scaled_to == 2


def test_what_cannot_be_verified_in_time_is_given_up_and_told_once(acting: Acting) -> None:
    incident = _case(acting.world, _slow(acting.world, Verdict.BREACH))
    scaled = acting.done(ActionKind.SCALE, incident_id=incident)
    acting.world.clock.advance(timedelta(days=27))
    assert not give_up_late(acting.world.platform)
    acting.world.clock.advance(timedelta(days=2))
    assert give_up_late(acting.world.platform)
    assert not give_up_late(acting.world.platform)
    assert _judged(acting, scaled.id).finished_us is not None
    [told] = acting.asked_for_people()
    assert "could not be verified by 2030-01-" in told


def test_what_promises_nothing_that_is_measured_is_not_verified(acting: Acting) -> None:
    incident = _case(acting.world, _slow(acting.world, Verdict.BREACH))
    done = [acting.done(kind, incident_id=incident) for kind in (ActionKind.PAUSE_ENDPOINT, ActionKind.LOG)]
    with acting.world.platform.database.reading() as connection:
        assert [verification_of(connection, one.id) for one in done] == [None, None]


@pytest.mark.parametrize(
    ("lost", "before", "after", "verdict", "reverts"),
    [
        ((9.0, 5.0), Verdict.BREACH, 0.72, Verdict.BREACH, False),
        ((9.0, 5.0), Verdict.BREACH, 0.6, Verdict.BREACH, True),
        ((5.0, 9.0), Verdict.BREACH, 0.6, Verdict.BREACH, False),
        (None, Verdict.BREACH, 0.6, Verdict.BREACH, False),
        (None, Verdict.OK, 0.6, Verdict.BREACH, True),
        (None, None, 0.6, Verdict.BREACH, False),
        (None, Verdict.OK, 0.69, Verdict.OK, False),
        (None, Verdict.OK, 0.6, Verdict.INCONCLUSIVE, False),
    ],
)
def test_a_fresh_release_is_left_only_for_a_version_that_would_do_better(
    acting: Acting,
    lost: tuple[float, float] | None,
    before: Verdict | None,
    after: float,
    verdict: Verdict,
    reverts: bool,
) -> None:
    """``lost``: by the new version and by the old one, on the same labelled rows since the release.

    ``before``: what was last said of the old one's quality, None where nobody measured it.
    """
    world = acting.world
    incident = _case(world, _slow(world, Verdict.BREACH))
    if before is not None:
        world.checked(_quality(world, before, 0.7, 2))
    Deploying(world).register(3)
    action_id = acting.agreed(ActionKind.DEPLOY, {"number": 3}, incident_id=incident, impact=_PROMISE)
    world.deliver()
    Deploying(world).settle()
    acting.settle()
    assert acting.action(action_id).effect == {"instead_of": 2}
    world.clock.advance(timedelta(hours=2))
    if lost is not None:
        _judge_periods(world, dict(zip((3, 2), lost, strict=True)))
    _later(acting, _quality(world, verdict, after, 3))
    assert [one.undoes for one in _actions(acting, ActionKind.ROLL_BACK)] == ([None] if reverts else [])
    found = _judged(acting, action_id)
    did_not_help = found.result is not None and found.result.verdict is Verdict.BREACH
    assert len(acting.asked_for_people()) == did_not_help


def _judge_periods(world: World, lost: dict[int, float]) -> None:
    files = world.platform.files(MODEL)
    length = micros(files.retrain.decision_period(files.model.label_delay))
    start_us = world.platform.now_us()
    entries = [
        Entry(version, 1, PeriodLoss(start_us, start_us + length, 100, (each, each * 1.1)), {})
        for version, each in lost.items()
    ]
    with world.platform.database.transaction() as connection:
        save_entries(connection, MODEL, files.endpoint, entries)


@pytest.mark.parametrize("released", [False, True])
def test_a_quarantine_is_held_against_the_rows_that_would_be_learnt_from(acting: Acting, released: bool) -> None:
    world = acting.world
    path = world.platform.project.root / "rows.csv"
    rows = [f"r{n},{40 + n % 30},{200 + n},male,{'yes' if n % 3 else 'no'}" for n in range(60)]
    path.write_text("\n".join(["row_id,age,chol,sex,disease", *rows]) + "\n")
    Deploying(world).ask("data.ingest", DANA, model=MODEL, path=str(path), feed="clinic")
    assert Ingestion(world.platform).run()
    params = {"feeds": ["clinic"], "since_us": 0, "reason": "units"}
    action_id = acting.agreed(ActionKind.QUARANTINE_FEED, params)
    world.deliver("actions")
    if released:
        with world.platform.database.transaction() as connection:
            feeds.release_feed(connection, MODEL, "clinic", until_us=0, at_us=world.platform.now_us())
    acting.settle()
    found = _judged(acting, action_id)
    assert found.result is not None
    assert found.result.verdict is (Verdict.BREACH if released else Verdict.OK)
    assert found.result.after == {"rows to learn from": 60.0 if released else 0.0}
    assert len(acting.asked_for_people()) == released


def test_going_back_is_not_judged_by_what_that_version_answered_before(acting: Acting) -> None:
    world = acting.world
    incident = _case(world, _slow(world, Verdict.BREACH))
    action_id = acting.agreed(ActionKind.ROLL_BACK, incident_id=incident)
    world.deliver()
    Deploying(world).settle()
    acting.settle()
    assert acting.action(action_id).state == "succeeded"
    for verdict in (Verdict.OK, Verdict.BREACH):
        world.clock.advance(timedelta(hours=1))
        _later(acting, _slow(world, verdict, version=1, hours=6))
        assert _judged(acting, action_id).finished_us is None, "most of that was answered before it served again"
    world.clock.advance(timedelta(hours=2))
    _later(acting, _slow(world, Verdict.OK, version=1, hours=6))
    assert _judged(acting, action_id).result.verdict is Verdict.OK  # type: ignore[union-attr]


def test_a_fresh_version_is_judged_by_all_that_it_answered(acting: Acting) -> None:
    world = acting.world
    incident = _case(world, _slow(world, Verdict.BREACH))
    Deploying(world).register(3)
    action_id = acting.agreed(ActionKind.DEPLOY, {"number": 3}, incident_id=incident, impact=_PROMISE)
    world.deliver()
    Deploying(world).settle()
    acting.settle()
    now_us = world.platform.now_us()
    _later(acting, _within(_quality(world, Verdict.OK, 0.79, 3), Window(now_us - 99 * HOUR_US, now_us)))
    assert _judged(acting, action_id).result.verdict is Verdict.OK  # type: ignore[union-attr]


@pytest.mark.parametrize(("ends_after", "verdict"), [(False, Verdict.INCONCLUSIVE), (True, Verdict.OK)])
def test_an_outside_alert_that_ended_before_the_action_did_says_nothing_of_it(
    acting: Acting, ends_after: bool, verdict: Verdict
) -> None:
    world, platform = acting.world, acting.world.platform
    began_us = platform.now_us()
    fires = OutsideAlert(
        "Slow", "f1", firing=True, starts_us=began_us, ends_us=None, labels={"trimtab_family": "service"}, model=MODEL
    )

    def told(alert: OutsideAlert) -> None:
        files = files_named(platform, [alert])
        with platform.database.transaction() as connection:
            take_alerts(connection, platform, "am", [alert], files)
        world.deliver("incidents", "verification")

    told(fires)
    [case] = platform.database.read(lambda c: list_incidents(c, model=MODEL, open_only=True))
    world.clock.advance(timedelta(hours=2))
    [before] = case.evidence
    request = replace(acting.done(ActionKind.LOG, incident_id=case.id), finished_us=platform.now_us())
    with platform.database.transaction() as connection:
        promise = Promise(Measure.SIGNALS, timedelta(hours=1), timedelta(hours=9), "", (key_of(before),))
        params = {
            "version": None,
            "before": [before.to_json()],
            "promise": promise.to_json(),
            "since_us": request.finished_us,
        }
        plan_verification(connection, PlannedVerification("p1", request.id, platform.now_us(), params))
    told(replace(fires, firing=False, ends_us=began_us + (3 if ends_after else 1) * HOUR_US))
    found = _judged(acting, request.id)
    assert found.finished_us is not None
    assert found.result is not None
    assert found.result.verdict is verdict
    assert acting.asked_for_people() == []


def test_an_action_on_a_model_that_is_gone_is_planned_and_given_up_all_the_same(acting: Acting) -> None:
    world = acting.world
    incident = _case(world, _slow(world, Verdict.BREACH))
    action_id = acting.agreed(ActionKind.SCALE, incident_id=incident)
    world.deliver("actions")
    acting.world.platform.project.model_folder(MODEL).rename(world.platform.project.root / "gone")
    acting.settle()
    assert acting.action(action_id).state == "succeeded"
    assert not [one for one in world.unfinished() if one[0] == "verification"]
    world.clock.advance(timedelta(days=60))
    assert give_up_late(world.platform)
