"""Where an answer comes from, whatever is missing, and what other programs are told of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError
from sqlalchemy import delete, update
from tests.data.databases.make import play
from tests.unit.loop.projects import MODEL, World, make_world
from tests.unit.notify.receivers import http_receiver
from tests.unit.records.frames import SCHEMA, prediction

from trimtab.config.lineage import LineageConfig
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role
from trimtab.core.errors import DataContractError, NotFoundError
from trimtab.core.ids import IdFactory
from trimtab.db.tables import delivery, model_version
from trimtab.lake.found_prediction import find_prediction
from trimtab.lake.intake import take_in
from trimtab.loop.actor import Actor
from trimtab.loop.lineage.tracing import trace_prediction, trace_version
from trimtab.loop.operation import perform
from trimtab.records.segments import predictions_table, write_segment
from trimtab.registry import store as registry
from trimtab.reports.lineage_plot import draw_lineage

_NEVER_MADE = "00000000-0000-7000-8000-000000000000"

_ANYBODY = Actor("vera", Role.VIEWER)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A project in which drift had a version retrained, agreed to and released."""
    world = make_world(tmp_path_factory.mktemp("lineage") / "project")
    play(world)
    return world


def _recorded(world: World, ids: Sequence[str], *, version: int, digest: str, generation: int) -> None:
    """Have the shipper bring one segment of answers with these ids."""
    rows = [_changed(prediction(number), prediction_id=one, generation=generation) for number, one in enumerate(ids)]
    schema = _changed(SCHEMA, endpoint=MODEL, model=MODEL, model_version=version, bundle_digest=digest)
    table = predictions_table(schema, rows, uuid4().hex)
    platform = world.platform
    intake = platform.project.intake
    intake.mkdir(parents=True, exist_ok=True)
    write_segment(intake, table)
    take_in(platform.database, platform.lake, platform.queue, intake, now=world.clock.now())


def _changed(frame: Any, **changes: object) -> Any:
    fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
    return type(frame)(**{**fields, **changes})


def _ids(world: World, number: int) -> list[str]:
    made = IdFactory(now_ms=lambda: to_micros(world.clock.now()) // 1_000)
    return [made() for _ in range(number)]


def test_a_version_is_followed_to_its_rows_its_training_and_all_who_agreed(played: World) -> None:
    found = trace_version(played.platform, MODEL, 2)
    assert found["version"]["bundle_verified"] is True
    assert found["training"]["asked_for"]["kind"] == "retrain"
    assert found["training"]["asked_for"]["granted_by"] == "dana"
    assert found["training"]["asked_for"]["incident"]["diagnosis"] is not None
    assert found["agreement"]["decided_by"] is not None
    assert found["data"]["rows"] == 60
    assert [(one["kind"], one["name"], one["rows_passed"]) for one in found["sources"]] == [
        ("delivery", "rows.csv", 60)
    ]
    assert {one["name"] for one in found["features"]} >= {"age", "chol"}


def test_an_answer_is_followed_to_its_generation_and_version(played: World) -> None:
    version = played.platform.database.read(lambda connection: registry.get(connection, MODEL, 2))
    wanted, *_ = ids = _ids(played, 3)
    for one in ids:
        _recorded(played, [one], version=2, digest=version.digest, generation=2)
    found = perform(played.platform, _ANYBODY, "lineage.prediction", {"prediction_id": wanted})
    assert (found["prediction"]["prediction_id"], found["prediction"]["endpoint"]) == (wanted, MODEL)
    assert found["prediction"]["features"] == {"age": 0.0, "sick": None, "sex": "male"}
    assert found["served"]["generation"] == 2
    assert found["version"]["number"] == 2
    assert found["missing"] == trace_version(played.platform, MODEL, 2)["missing"]


def test_what_is_missing_is_named_and_the_rest_is_told(played: World, tmp_path: Path) -> None:
    made = trace_version(played.platform, MODEL, 2)
    version = played.platform.database.read(lambda connection: registry.get(connection, MODEL, 2))
    away = shutil.move(version.bundle_path, tmp_path / "bundle")
    try:
        without = trace_version(played.platform, MODEL, 2)
    finally:
        shutil.move(away, version.bundle_path)
    assert without["version"]["bundle_verified"] is False
    assert next(one for one in without["missing"] if one not in made["missing"]).startswith("bundle ")
    assert without["data"] == made["data"]

    with played.platform.database.transaction() as connection:
        connection.execute(update(model_version).where(model_version.c.number == 2).values(run_id=None, spec={}))
    try:
        told = trace_version(played.platform, MODEL, 2)["missing"]
    finally:
        with played.platform.database.transaction() as connection:
            values = {"run_id": version.run_id, "spec": version.spec}
            connection.execute(update(model_version).where(model_version.c.number == 2).values(**values))
    for name in ("config_hash", "git_commit", "MLflow run"):
        assert any(one.startswith(f"{name} of version {MODEL}@2") for one in told), name


def test_an_answer_of_a_version_that_is_not_known_here_is_told_as_far_as_it_goes(played: World) -> None:
    stranger, changed = _ids(played, 2)
    _recorded(played, [stranger], version=77, digest="e" * 64, generation=99)
    found = trace_prediction(played.platform, stranger)
    assert found["version"] is None
    assert any("version 77" in one for one in found["missing"])
    assert any("generation 99" in one for one in found["missing"])
    _recorded(played, [changed], version=2, digest="e" * 64, generation=2)
    assert any("another project's server" in one for one in trace_prediction(played.platform, changed)["missing"])


@pytest.mark.parametrize(
    ("prediction_id", "wrong", "sentence"),
    [
        ("nonsense", DataContractError, "is no UUIDv7"),
        ("00000000-0000-4000-8000-000000000000", DataContractError, "is no UUIDv7"),
        (_NEVER_MADE, NotFoundError, "in none of"),
        ("ffffffff-ffff-7fff-bfff-ffffffffffff", NotFoundError, "in none of 0 segments"),
    ],
)
def test_ids_that_never_were_are_refused_with_what_was_looked_into(
    played: World, prediction_id: str, wrong: type[Exception], sentence: str
) -> None:
    with pytest.raises(wrong, match=sentence):
        trace_prediction(played.platform, prediction_id)


def test_a_look_that_takes_too_long_ends_and_says_how_far_it_came(played: World) -> None:
    with pytest.raises(NotFoundError, match=r"in none of the first 0 of [1-9]\d* segments .*, which took -1 s"):
        find_prediction(played.platform.database, played.platform.lake, _NEVER_MADE, longest_s=-1)


def test_a_segment_that_was_removed_is_told(played: World) -> None:
    [gone] = _ids(played, 1)
    _recorded(played, [gone], version=2, digest="e" * 64, generation=2)
    with played.platform.database.reading() as connection:
        paths = connection.execute(delivery.select().where(delivery.c.kind == "records")).all()
    played.platform.lake.absolute(paths[-1].raw_path).unlink()
    with pytest.raises(NotFoundError, match="1 of which cannot be read any more"):
        trace_prediction(played.platform, gone)
    with played.platform.database.transaction() as connection:
        connection.execute(delete(delivery).where(delivery.c.id == paths[-1].id))


def test_the_picture_is_xml_that_names_each_step_and_escapes_what_others_wrote(played: World) -> None:
    found = trace_version(played.platform, MODEL, 2)
    found["sources"][0]["name"] = "<script>&"
    drawn = draw_lineage(found)
    texts = [one.text for one in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "<script>&"
    assert {"snapshot", "training", f"{MODEL}@2", "agreed"} <= set(texts)


def _configured(world: World, **lineage: str) -> None:
    project = world.platform.project
    config = project.config.model_copy(update={"lineage": LineageConfig(**lineage)})
    # The platform keeps the project that it was opened with.
    object.__setattr__(project, "config", config)


def _check_event(event: dict[str, Any]) -> None:
    """Hold an event against what OpenLineage 2-0-2 requires of one."""
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= event.keys()
    assert event["eventType"] in {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}
    assert event["eventTime"].endswith("+00:00")
    assert str(UUID(event["run"]["runId"])) == event["run"]["runId"]
    assert urlparse(event["producer"]).scheme == "https"
    facets = [event["run"]["facets"], event["job"]["facets"]]
    for dataset in (*event["inputs"], *event["outputs"]):
        assert dataset["namespace"]
        assert dataset["name"]
        facets += [dataset.get("facets", {}), dataset.get("inputFacets", {})]
    for facet in [one for several in facets for one in several.values()]:
        assert urlparse(facet["_producer"]).scheme == urlparse(facet["_schemaURL"]).scheme == "https"


def test_trainings_and_rollouts_are_told_as_openlineage_events_and_the_same_twice_is_one(tmp_path: Path) -> None:
    world = make_world(tmp_path / "project")
    _configured(world, file="out/lineage.jsonl")
    play(world)
    path = world.platform.project.root / "out" / "lineage.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        _check_event(event)
    kinds = [(event["job"]["name"], event["eventType"]) for event in events]
    train, release = f"train.{MODEL}", f"release.{MODEL}"
    assert kinds == [(release, "COMPLETE"), (train, "START"), (train, "COMPLETE"), (release, "COMPLETE")]
    started, trained, released = events[1:]
    assert started["run"]["runId"] == trained["run"]["runId"]
    assert trained["outputs"][0]["name"] == released["inputs"][0]["name"]
    assert [one["name"].partition("/")[0] for one in trained["inputs"]] == ["snapshots", "deliveries"]
    assert trained["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"] == 60


def test_an_address_gets_each_event_once_it_can_and_with_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", "t0k\n")
    world = make_world(tmp_path / "project")
    with http_receiver() as server:
        _configured(world, url=f"http://{server.address}/api/v1/lineage", token="${LINEAGE_TOKEN}")
        server.answers = 503
        perform(world.platform, Actor("ada", Role.OPERATOR), "training.start", {"model": MODEL})
        world.deliver("lineage")
        assert server.got == []
        [(subscriber, state, error)] = [one for one in world.unfinished() if one[0] == "lineage"]
        assert (state, "answered 503" in str(error)) == ("pending", True)
        assert "t0k" not in str(error)
        server.answers = 200
        until = time.monotonic() + 60
        while not server.got and time.monotonic() < until:
            world.deliver("lineage")
            time.sleep(0.1)
    [got] = server.got
    assert (got.path, got.headers["authorization"]) == ("/api/v1/lineage", "Bearer t0k")
    assert got.content["eventType"] == "START"
    assert subscriber == "lineage"


@pytest.mark.parametrize(
    "fields",
    [
        {"file": "a", "url": "https://x/y"},
        {"token": "${T}"},
        {"url": "ftp://x"},
        {"url": "https://x", "token": "plain"},
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        LineageConfig(**fields)
