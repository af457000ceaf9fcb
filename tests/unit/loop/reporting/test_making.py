"""Each kind of report is made of what is stored: of much, of little, of what is broken, and of what is not there."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select, update
from tests.unit.loop.projects import MODEL, World

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import ConfigError, DataContractError, NotFoundError, PermissionDeniedError, TrimtabError
from trimtab.db.tables import (
    action_request,
    audit_entry,
    incident,
    model_version,
    report,
    snapshot,
)
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.reporting.making import MADE, make_report, page_of
from trimtab.remediation.decision_store import decisions_about
from trimtab.remediation.vote_store import save_vote
from trimtab.remediation.votes import Via, Vote, Word
from trimtab.reports.store import ReportKind

_VIEWER, _OPERATOR = Actor("eve", Role.VIEWER), Actor("otto", Role.OPERATOR)


def made(world: World, kind: str, subject: str) -> str:
    """Make the report over the operation and return its page."""
    told = perform(world.platform, _OPERATOR, "reports.make", {"kind": kind, "subject": subject})
    path = world.platform.project.reports / told["path"]
    assert told["formats"] == ["html"]
    return str(path.read_text("utf-8"))


def fails(world: World, kind: str, subject: str, error: type[TrimtabError], match: str) -> None:
    before = world.platform.database.read(lambda connection: connection.execute(select(report)).all())
    with pytest.raises(error, match=match):
        make_report(world.platform, ReportKind(kind), subject)
    assert world.platform.database.read(lambda connection: connection.execute(select(report)).all()) == before


def served(world: World) -> str:
    """Have version 1 serve and a breach become a case; return the case's id."""
    world.version(1)
    world.version(2)
    path = world.platform.lake.absolute("learnt.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"age": [40.0, 41.0], "sex": ["male", "female"], "disease": ["yes", "no"]}), path)
    with world.platform.database.transaction() as connection:
        connection.execute(update(snapshot).values(spec={"recent_rows": 0}, path="learnt.parquet", rows=2))
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    world.checked(world.check(Verdict.BREACH, column="age"), *world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    [case] = perform(world.platform, _VIEWER, "incidents.list", {"model": MODEL})["incidents"]
    return str(case["incident_id"])


def test_of_a_running_project_every_kind_can_be_made(world: World) -> None:
    case = served(world)
    [rollout] = perform(world.platform, _VIEWER, "rollouts.list", {})["rollouts"]
    subjects = {
        "incident": case,
        "deployment": rollout["rollout_id"],
        "comparison": f"{MODEL}@1..2",
        "drift": MODEL,
        "weekly": f"{world.clock.now() + timedelta(days=1):%Y-%m-%d}",
        "model-card": f"{MODEL}@1",
        "technical-documentation": MODEL,
    }
    assert subjects.keys() == {kind.value for kind in MADE}
    pages = {kind: made(world, kind, subject) for kind, subject in subjects.items()}
    for kind, told in {
        "incident": "What was done",
        "deployment": "version 1",
        "comparison": "version 2 against version 1",
        "drift": "1 of 1 column lies outside",
        "weekly": "1 case, of which 1 still open",
        "model-card": f"{MODEL}, version 1",
        "technical-documentation": "entries are filled from records",
    }.items():
        assert told in pages[kind], kind
    stored = perform(world.platform, _VIEWER, "reports.list", {"kind": "model-card"})["reports"]
    assert [(one["subject"], one["path"]) for one in stored] == [
        (f"{MODEL}@1", re.sub(r"^.*/(?=model-card/)", "", stored[0]["path"]))
    ]
    shown = perform(world.platform, _VIEWER, "reports.show", {"report_id": stored[0]["report_id"]})
    assert shown == stored[0]
    file = perform(world.platform, _VIEWER, "reports.file", {"report_id": shown["report_id"]})
    assert Path(file["path"]).read_text("utf-8") == pages["model-card"]
    actions = world.platform.database.read(
        lambda connection: (
            connection.execute(select(audit_entry.c.actor).where(audit_entry.c.action == "report.made")).scalars().all()
        )
    )
    assert actions == ["otto"] * len(pages)


def test_a_case_tells_what_was_decided_and_who_voted(world: World) -> None:
    case = served(world)
    with world.platform.database.transaction() as connection:
        asked_for = select(action_request.c.id).where(action_request.c.incident_id == case).limit(1)
        action_id = connection.execute(asked_for).scalar_one()
        for at_us, (owner, word) in enumerate([("ada", Word.REJECT), ("dana", Word.COMMENT)]):
            said = Vote(world.platform.new_id(), action_id, owner, f"{owner}-laptop", word, 9 - at_us, Via.LINK)
            save_vote(connection, said)
    page = made(world, "incident", case)
    [told] = world.platform.database.read(lambda connection: decisions_about(connection, case))
    for text in ("What the policy said", str(told.decision.rule), told.policy_hash[:12], "ada-laptop", "rejected"):
        assert text in page, text
    assert page.index("dana-laptop") < page.index("ada-laptop")


def test_a_case_with_nothing_in_it_has_a_report(world: World) -> None:
    case = served(world)
    with world.platform.database.transaction() as connection:
        spec: JsonObject = connection.execute(select(incident.c.spec)).scalar_one()
        bare = {**spec, "timeline": [], "diagnosis": None, "alerts": []}
        connection.execute(update(incident).values(spec=bare, diagnosis=None, severity=None))
    page = made(world, "incident", case)
    assert "No diagnosis was made." in page


def test_a_project_without_versions_says_so(world: World) -> None:
    fails(world, "model-card", MODEL, NotFoundError, "has no version to tell of")
    fails(world, "comparison", MODEL, ConfigError, "two are needed")
    assert "No check of drift was made" in made(world, "drift", MODEL)
    assert "Nothing does." in made(world, "weekly", "2030-01-07")


@pytest.mark.parametrize(
    ("kind", "subject", "match"),
    [
        ("incident", "../../etc/passwd", "expected INCIDENT_ID"),
        ("deployment", "x" * 300, "expected ROLLOUT_ID"),
        ("drift", f"{MODEL}@1", "expected MODEL"),
        ("drift", "../x", "expected MODEL"),
        ("model-card", f"{MODEL}@1..2", "expected MODEL or MODEL@VERSION"),
        ("comparison", f"{MODEL}@1", "expected MODEL or MODEL@OLD..NEW"),
        ("comparison", f"{MODEL}@1..1", "cannot be compared with itself"),
        ("weekly", "2030-02-30", "expected a day"),
        ("weekly", "\x00", "expected a day"),
        ("evidently", MODEL, "is not made of what is stored"),
    ],
)
def test_a_subject_that_is_none_is_refused_in_a_sentence(world: World, kind: str, subject: str, match: str) -> None:
    fails(world, kind, subject, ConfigError, match)
    assert not list(world.platform.project.root.rglob("passwd*"))


def test_what_is_not_there_and_who_may_not_ask(world: World) -> None:
    gone = "019c1f2e-7d10-7a31-9c43-0a1b2c3d4e5f"
    fails(world, "incident", gone, NotFoundError, "not known")
    fails(world, "deployment", gone, NotFoundError, "rollout")
    fails(world, "drift", "nosuch", NotFoundError, "not in project")
    with pytest.raises(PermissionDeniedError):
        perform(world.platform, _VIEWER, "reports.make", {"kind": "drift", "subject": MODEL})
    with pytest.raises(NotFoundError, match="reports list"):
        perform(world.platform, _VIEWER, "reports.file", {"report_id": gone})


def test_what_people_wrote_stands_in_card_and_documentation_and_a_wrong_file_is_named(world: World) -> None:
    world.version(1)
    path = world.platform.project.model_folder(MODEL) / "documentation.yaml"
    assert "OPEN: write it in documentation.yaml, limitations" in made(world, "technical-documentation", MODEL)
    path.write_text("limitations: Knows nothing of children.\npurpose: {intended: A second opinion.}\n")
    for kind in ("model-card", "technical-documentation"):
        page = made(world, kind, MODEL)
        assert "Knows nothing of children." in page
        assert "A second opinion." in page
    path.write_text("limitation: typo\n")
    fails(world, "model-card", MODEL, ConfigError, "documentation.yaml:1.*limitations")


def test_a_bundle_that_was_changed_is_named_and_not_believed(world: World) -> None:
    version = world.version(1)
    (Path(version.bundle_path) / "bundle.json").write_text("{}")
    page = made(world, "model-card", MODEL)
    assert "Missing: bundle" in page
    assert "Its bundle cannot be read." in page
    assert "OPEN: " in made(world, "technical-documentation", MODEL)


def test_a_record_that_no_template_fits_is_a_sentence_and_the_loop_goes_on(world: World) -> None:
    world.version(1)
    with world.platform.database.transaction() as connection:
        connection.execute(update(model_version).values(created_us=10**18))
    with pytest.raises(DataContractError, match=r"model-card report of 'tiny': cannot be written \(.*Error"):
        page_of(world.platform, ReportKind.MODEL_CARD, MODEL)
    with world.platform.database.transaction() as connection:
        payload = {"rollout_id": "019c1f2e-7d10-7a31-9c43-0a1b2c3d4e5f", "model": MODEL}
        world.platform.publish(connection, "rollout.finished", "rollout:x", payload)
    case_before = world.platform.database.read(lambda connection: connection.execute(select(incident)).all())
    world.deliver("evidence")
    assert [(name, state) for name, state, _ in world.unfinished() if name == "evidence"] == [("evidence", "pending")]
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver()
    assert len(world.platform.database.read(lambda c: c.execute(select(incident)).all())) == len(case_before) + 1
