from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from msgspec.structs import replace
from sqlalchemy import select
from tests.integration.office import platform_at
from tests.integration.small_project import MODEL
from tests.unit.records.frames import prediction

from trimtab.bootstrap import build_platform
from trimtab.cli.main import app
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import ColumnKind, Role, Task
from trimtab.core.errors import ConfigError
from trimtab.db.tables import audit_entry
from trimtab.lake.truth_counts import count_truths
from trimtab.loop.actor import CONDUCTOR, Actor
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.operation import perform
from trimtab.loop.platform import Platform
from trimtab.records.identity import event_micros
from trimtab.records.schema import SchemaFrame
from trimtab.records.segments import predictions_table, segment_id, write_segment

KNOWN = {"endpoint": MODEL, "truth": "yes", "labelled_at": "2020-01-05T00:00:00Z"}
ROW = {**KNOWN, "record_key": "c1", "event_time": "2020-01-01T00:00:00Z"}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_at(tmp_path) as built:
        yield built


def send(platform: Platform, *records: dict[str, Any]) -> int:
    accepted: int = perform(platform, CONDUCTOR, "truths.send", {"records": list(records)})["accepted"]
    return accepted


def show(platform: Platform) -> Any:
    ingestion = Ingestion(platform)
    while ingestion.run():
        pass
    return perform(platform, CONDUCTOR, "truths.show", {"endpoint": MODEL})["truths"]


def test_outcomes_sent_to_the_control_plane_reach_the_lake_once(platform: Platform) -> None:
    assert show(platform) is None
    assert send(platform, ROW, {**ROW, "record_key": "c2"}) == 2
    assert show(platform)["outcomes"] == 2
    assert send(platform, ROW, {**ROW, "record_key": "c2"}) == 2, "who got no answer sends again"
    assert show(platform) == {
        "outcomes": 2,
        "subjects": 2,
        "unmatched": 2,
        "corrected": 0,
        "conflicting": 0,
        "repeated": 0,
    }
    send(platform, {**ROW, "truth": "no", "labelled_at": "2020-01-06T00:00:00Z"})
    send(platform, {**ROW, "record_key": "c2", "truth": "no"})
    counts = show(platform)
    assert (counts["outcomes"], counts["corrected"], counts["conflicting"]) == (4, 1, 1)


def told_in_audit(platform: Platform) -> list[tuple[str, str, str, JsonObject]]:
    with platform.database.reading() as connection:
        rows = connection.execute(select(audit_entry).order_by(audit_entry.c.sequence)).all()
    entries = [(row.actor, row.action, row.subject, row.spec) for row in rows]
    return [one for one in entries if one[1] == "truths.sent"]


def test_each_request_of_outcomes_leaves_one_entry_that_says_who_sent_how_many_where(platform: Platform) -> None:
    olga = Actor("olga", Role.OPERATOR)
    perform(platform, olga, "truths.send", {"records": [ROW, {**ROW, "record_key": "c2"}]})
    perform(platform, olga, "truths.send", {"records": [ROW, {**ROW, "endpoint": "other"}]})
    with pytest.raises(ConfigError):
        perform(platform, olga, "truths.send", {"records": [ROW, {**ROW, "truth": ""}]})
    with pytest.raises(ConfigError, match="name 101 endpoints, expected 100"):
        perform(platform, olga, "truths.send", {"records": [{**ROW, "endpoint": f"e{at}"} for at in range(101)]})
    entries = told_in_audit(platform)
    assert [(actor, subject, spec["detail"]["rows"]) for actor, _action, subject, spec in entries] == [
        ("olga", f"endpoint:{MODEL}", 2),
        ("olga", "truths", 2),
    ]
    kept = {path.stem for path in platform.project.intake.glob("*") if path.is_file()}
    told = {segment for *_rest, spec in entries for segment in spec["detail"]["segments"].values()}
    assert told == {name.partition(".")[0] for name in kept}, "each file that came in is named by an entry"


def test_outcomes_of_which_one_is_wrong_are_refused_as_a_whole(platform: Platform) -> None:
    for wrong, word in (
        ({**ROW, "truth": ""}, "truth of 0 characters"),
        ({**ROW, "truth": float("nan")}, "nan"),
        ({**ROW, "truth": 10**40}, "bits"),
        ({**ROW, "record_key": None}, "prediction_id"),
        ({**ROW, "event_time": "yesterday"}, "event_time"),
        ({**KNOWN, "prediction_id": "1"}, "none of ours"),
        ({**ROW, "endpoint": "../secrets"}, "no endpoint's name"),
        ({**ROW, "truth": "\ud800"}, ""),
        (
            {**ROW, "labelled_at": "9999-12-31T00:00:00Z"},
            "labelled_at: '9999-12-31T00:00:00Z' lies more than a day",
        ),
    ):
        with pytest.raises(ConfigError) as refused:
            send(platform, ROW, wrong)
        assert word in str(refused.value)
        assert "records" in str(refused.value)
    with pytest.raises(ConfigError):
        send(platform, *[ROW] * 5_001)
    assert show(platform) is None


def trimtab(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    app(list(arguments), standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_a_file_of_outcomes_is_sent_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with platform_at(tmp_path) as built:
        root = built.project.root
    file = tmp_path / "outcomes.csv"
    file.write_text(
        "customer,at,known,churned\nc1,2020-01-01,2020-02-01,yes\nc2,2020-01-01,2020-02-01,\nc3,2020-01-02,2020-02-01,no\n"
    )
    where = ("--project", str(root), "--json")
    columns = ("--truth", "churned", "--key", "customer", "--time", "at", "--labelled-at", "known")
    for _ in range(2):
        told = trimtab(capsys, "truths", "send", MODEL, str(file), *columns, *where)
        assert told == {"endpoint": MODEL, "accepted": 2}
    again = build_platform(ProjectFolder.open(root))
    try:
        assert show(again)["outcomes"] == 2
        assert count_truths(again.lake, MODEL).subjects == 2
    finally:
        again.database.close()
    assert trimtab(capsys, "truths", "show", MODEL, *where)["truths"]["unmatched"] == 2
    for options, word in (
        (("--truth", "churned"), "--id"),
        (("--truth", "churned", "--key", "customer"), "--time"),
    ):
        with pytest.raises(ConfigError, match=word):
            app(["truths", "send", MODEL, str(file), *options, *where], standalone_mode=False)


def test_an_older_file_that_is_sent_again_replaces_no_correction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with platform_at(tmp_path) as built:
        root = built.project.root
    first, later = tmp_path / "first.csv", tmp_path / "later.csv"
    for file, truth, changed_s in ((first, "no", 1_000_000_000), (later, "yes", 1_000_000_060)):
        file.write_text(f"customer,at,churned\nc1,2000-01-01,{truth}\n")
        os.utime(file, (changed_s, changed_s))
    columns = ("--truth", "churned", "--key", "customer", "--time", "at")
    for file in (first, later, first):
        trimtab(capsys, "truths", "send", MODEL, str(file), *columns, "--project", str(root), "--json")
    again = build_platform(ProjectFolder.open(root))
    try:
        counts = show(again)
        files = again.lake.truth_files(MODEL, start_us=-(1 << 60), end_us=1 << 60, known_until_us=None)
        told = sorted(row for file in files for row in pl.read_parquet(file.path)["labelled_us", "truth"].rows())
    finally:
        again.database.close()
    assert (counts["outcomes"], counts["corrected"]) == (2, 1)
    assert told == [(1_000_000_000_000_000, "no"), (1_000_000_060_000_000, "yes")]


def answered(platform: Platform, *keys: str) -> None:
    """Have the lake take in answers to rows of these keys, at the moment that `ROW` says."""
    schema = SchemaFrame(
        schema_id=1,
        endpoint=MODEL,
        model=MODEL,
        model_version=1,
        variant="v1",
        bundle_digest="d" * 64,
        task=Task.BINARY,
        features=(("age", ColumnKind.INTEGER), ("spend", ColumnKind.NUMBER), ("plan", ColumnKind.CATEGORY)),
    )
    moment = event_micros(ROW["event_time"], "event_time")
    frames = [
        replace(prediction(place), event_us=moment, record_key=key, values=(30.0, 5.0, "basic"))
        for place, key in enumerate(keys)
    ]
    write_segment(platform.project.intake, predictions_table(schema, frames, segment_id("j", 0, len(keys), keys[0])))


def test_status_says_how_many_outcomes_have_no_row(platform: Platform) -> None:
    def status() -> tuple[Any, list[str]]:
        told = perform(platform, CONDUCTOR, "status.show", {})
        [model] = told["models"]
        return model["truths_unmatched"], [one["why"] for one in told["next"] if "belongs to" in one["why"]]

    assert status() == (None, [])
    send(platform, ROW, {**ROW, "record_key": "c2"})
    show(platform)
    assert status() == (2, []), "answers may be on their way"
    answered(platform, "another")
    show(platform)
    unmatched, [advice] = status()
    assert unmatched == 2
    assert "none of its 2 outcomes belongs to an answered row" in advice
    answered(platform, "c1")
    show(platform)
    assert status() == (1, [])
