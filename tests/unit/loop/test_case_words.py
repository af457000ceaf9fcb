"""What people read at night: which case, how bad, what was seen, what is expected, until when, what to type."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.unit.loop.acting import Acting
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Role, Tier, Verdict
from trimtab.core.wording import shortened
from trimtab.db.tables import notification
from trimtab.loop.case_words import case_lines, ending_of, request_lines
from trimtab.loop.escalating import escalate
from trimtab.remediation.actions import ActionRequest, ActionState, PredictedImpact
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import list_incidents


@pytest.fixture
def acting(world: World) -> Acting:
    return Acting.on(world)


def _case(world: World) -> Incident:
    with world.platform.database.reading() as connection:
        [case] = list_incidents(connection)
    return case


def _told(world: World) -> dict[str, str]:
    query = select(notification.c.title, notification.c.body)
    rows = world.platform.database.read(lambda connection: connection.execute(query).all())
    return {row.title: row.body for row in rows}


def _request(**changed: object) -> ActionRequest:
    made = ActionRequest(
        id="01a2",
        dedup_key="k",
        kind=ActionKind.RETRAIN,
        model=MODEL,
        tier=Tier.APPROVAL,
        purpose="retrain tiny on the data up to now, and release it if better",
        requested_by="policy",
        created_us=0,
        state=ActionState.WAITING_APPROVAL,
        expires_us=1_893_542_400_000_000,
        predicted_impact=PredictedImpact("f1", 0.2028, 0.625, True, "version 1 reached 0.625 on its holdout"),
        reason="rule 2 allows it",
        role=Role.APPROVER,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def test_a_case_is_told_with_its_id_what_it_is_how_bad_and_what_was_seen(acting: Acting) -> None:
    world = acting.world
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    case = _case(world)
    [body] = [body for title, body in _told(world).items() if title.startswith("incident opened")]
    assert case.diagnosis is not None
    assert f"{case.diagnosis.level.value} severity ({case.diagnosis.severity:.2f})" in body
    assert "open since 2030-01-01 01:00 UTC" in body
    assert f"Seen: {case.unrecovered[0].explanation}" in body
    assert f"Diagnosis: {case.diagnosis.explanation}" in body
    assert body.endswith(f"More: trimtab incidents show {case.id}")


def test_a_case_that_is_over_says_how_long_it_was_open(acting: Acting) -> None:
    world = acting.world
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    world.clock.advance(timedelta(hours=2))
    world.checked(*world.drift(Verdict.OK, quality=0.9))
    world.deliver()
    [body] = [body for title, body in _told(world).items() if title.startswith("incident recovered")]
    assert "was open from 2030-01-01 01:00 UTC on, for 2 h" in body


def test_a_case_of_many_breaches_is_told_in_a_few_lines(world: World) -> None:
    world.checked(*[world.check(Verdict.BREACH, column=f"c{number}") for number in range(40)])
    world.deliver("incidents")
    case = _case(world)
    different = [replace(one, explanation=f"{one.column}: {'far out ' * 200}") for one in case.evidence]
    lines = case_lines(case, different)
    assert sum(line.startswith("Seen:") for line in lines) == 4
    assert "Seen: 37 more things in breach" in lines
    assert all(len(line) <= 520 for line in lines)
    assert re.search(r" (far|out) …$", lines[1]), "cut after a word, and it shows"


def test_a_request_says_why_what_is_expected_until_when_and_both_commands(world: World) -> None:
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver("incidents")
    text = "\n".join(request_lines(_request(), _case(world)))
    assert "f1 0.2028 now, 0.625 expected" in text
    assert "version 1 reached 0.625 on its holdout" in text
    assert "Waits for one approver, until 2030-01-02 00:00 UTC; then it expires" in text
    assert "trimtab approvals approve 01a2" in text
    assert "trimtab approvals reject 01a2 --reason 'why'" in text
    assert _case(world).title in text
    assert "2 people, admin each" in "\n".join(request_lines(_request(needed=2, role=Role.ADMIN), None))


def test_who_is_asked_to_take_over_is_told_which_case(world: World) -> None:
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver("incidents")
    case = _case(world)
    with world.platform.database.transaction() as connection:
        escalate(connection, world.platform, MODEL, "nobody agreed", about="a", incident_id=case.id)
        escalate(connection, world.platform, MODEL, "nobody agreed", about="b", incident_id=None)
    told = _told(world)
    body = told[f"{MODEL}: a person is wanted: {case.title}"]
    assert body.startswith("nobody agreed\n")
    assert f"trimtab incidents show {case.id}" in body
    assert told[f"{MODEL}: a person is wanted"] == "nobody agreed"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"state": ActionState.SUCCEEDED}, "trained, and not released"),
        ({"state": ActionState.SUCCEEDED, "effect": {"released": 2}}, "trained, and version 2 released"),
        ({"state": ActionState.FAILED}, "retrain failed"),
        ({"kind": ActionKind.ROLL_BACK, "state": ActionState.SUCCEEDED}, "roll back succeeded"),
    ],
)
def test_a_training_that_changed_nothing_is_not_called_a_success(changed: dict[str, object], said: str) -> None:
    assert ending_of(_request(**changed)) == said


def test_a_text_that_is_too_long_keeps_its_words() -> None:
    text = "one two three " * 50
    cut = shortened(text, 100)
    assert len(cut) <= 100
    assert text.startswith(cut.removesuffix(" …"))
    assert cut.removesuffix(" …").split()[-1] in {"one", "two", "three"}
