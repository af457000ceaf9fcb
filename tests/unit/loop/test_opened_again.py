"""A case that is opened again is about what breached since then, by the version that serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import HOUR_US, World

from trimtab.core.enums import Role, Verdict
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.reporting.incident import incident_data
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.diagnosis import FactName
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.kinds import DiagnosisKind
from trimtab.remediation.store import list_incidents

_VIEWER = Actor("eve", Role.VIEWER)


def case(world: World) -> Incident:
    [found] = world.platform.database.read(list_incidents)
    return found


def quality(world: World, verdict: Verdict, metric: str, value: float, version: int) -> Check:
    """A check of the six hours that end now, so that windows of both versions overlap."""
    detail = {"metric": metric, "labelled": 1500, "baseline": 0.8}
    found = world.check(verdict, kind="model_quality", version=version, value=value, detail=detail)
    end_us = world.platform.now_us()
    return replace(
        found,
        window=Window(end_us - 6 * HOUR_US, end_us),
        threshold=0.6,
        explanation=f"{metric} {value} of version {version}: {verdict}",
    )


def look(world: World, *checks: Check) -> None:
    still = (world.check(Verdict.OK, version=checks[0].model_version), world.check(Verdict.OK, column="age"))
    world.checked(*still, *checks)
    world.deliver()
    assert world.unfinished() == []
    world.clock.advance(timedelta(minutes=30))


def relapsed(world: World) -> Incident:
    """Return a case of version 1 that version 2 has ended, and in which another metric of version 2 then fell."""
    deploying = Deploying.on(world)
    deploying.bring_in(1)
    world.clock.advance(timedelta(hours=8))
    look(world, *(quality(world, Verdict.BREACH, name, 0.2, 1) for name in ("f1", "accuracy", "roc_auc")))
    first = case(world)
    assert first.diagnosis is not None
    assert "f1 0.2 of version 1" in str(first.diagnosis.facts)
    deploying.bring_in(2)
    sound = [quality(world, Verdict.OK, name, 0.8, 2) for name in ("f1", "accuracy", "roc_auc")]
    look(world, *sound)
    assert case(world).state is IncidentState.RESOLVED
    look(
        world,
        quality(world, Verdict.OK, "f1", 0.77, 2),
        quality(world, Verdict.OK, "accuracy", 0.7, 2),
        quality(world, Verdict.BREACH, "roc_auc", 0.55, 2),
    )
    again = case(world)
    assert (again.id, again.state.is_open) == (first.id, True)
    return again


def test_its_diagnosis_rests_on_the_version_that_serves(world: World) -> None:
    again = relapsed(world)
    assert again.diagnosis is not None
    fell = again.diagnosis.fact(FactName.QUALITY_FELL)
    assert fell is not None
    assert fell.why == "roc_auc 0.55 of version 2: breach"
    assert not any("of version 1" in line for line in (again.diagnosis.explanation, *again.diagnosis.evidence_for))
    released = again.diagnosis.fact(FactName.RELEASED_BEFORE)
    assert released is not None
    assert released.holds
    assert "version 2 was released" in released.why
    [impact] = [part for part in again.diagnosis.parts if part.name == "impact"]
    assert impact.why == "accuracy 0.7, 0.8 before", "that of version 2"


def test_what_is_shown_and_asked_is_about_the_version_that_serves(world: World) -> None:
    again = relapsed(world)
    shown = perform(world.platform, _VIEWER, "incidents.show", {"incident_id": again.id})
    assert shown["breaches"] == ["roc_auc 0.55 of version 2: breach"]
    actions = world.platform.database.read(lambda c: list_actions(c, incident_id=again.id))
    impacts = [one.predicted_impact for one in actions if one.created_us >= again.since_us]
    assert not any(impact is not None and "version 1" in impact.basis for impact in impacts)
    data = incident_data(world.platform, again.id)
    assert data.verification is None or data.verification.came_back_us == again.reopened_us
    assert data.summary.endswith("It came back, and is still open.")
    assert [chart.metric for chart in data.quality] == ["roc_auc"]


def test_a_release_may_be_what_brought_it_back(world: World) -> None:
    """What had troubled version 1 was well again when version 2 went out."""
    deploying = Deploying.on(world)
    deploying.bring_in(1)
    world.clock.advance(timedelta(hours=8))
    look(world, quality(world, Verdict.BREACH, "f1", 0.2, 1))
    look(world, quality(world, Verdict.OK, "f1", 0.8, 1))
    assert case(world).state is IncidentState.RESOLVED
    deploying.bring_in(2)
    look(world, quality(world, Verdict.BREACH, "f1", 0.4, 2))
    again = case(world)
    assert again.state.is_open
    assert again.diagnosis is not None
    assert again.diagnosis.kind is DiagnosisKind.BAD_RELEASE
