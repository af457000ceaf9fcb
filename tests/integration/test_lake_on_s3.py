"""A whole project whose lake is a bucket: a control plane, commands, and no file that only this disk has."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.processes import ControlPlane, Ended, control_plane, eventually, trimtab
from tests.integration.small_project import MODEL, make_project, write_rows
from tests.object_store import BUCKET, ObjectStore, object_store

from trimtab.bootstrap import prepare_project
from trimtab.config.project import ProjectFolder
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import TrimtabError
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, segment_id, truth_table, write_segment

PREFIX = "teams/risk"
LAST_YEAR_US = 1_735_689_600_000_000


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@dataclass(frozen=True)
class Lakeside:
    """A project whose lake is a bucket, its control plane running."""

    plane: ControlPlane
    objects: ObjectStore
    env: dict[str, str]

    @property
    def cache(self) -> Path:
        return self.plane.project / ".trimtab" / "lake-cache"

    def ask(self, *arguments: str | Path) -> Any:
        """Return what a command answered."""
        ended = trimtab(*arguments, "--json", project=self.plane.project, env=self.env)
        assert ended.code == 0, ended.err
        return ended.json


@pytest.fixture(scope="module")
def lakeside(tmp_path_factory: pytest.TempPathFactory, objects: ObjectStore) -> Iterator[Lakeside]:
    project = make_project(tmp_path_factory.mktemp("lake") / "small")
    env = {**objects.environment, "TRIMTAB_LAKE_URL": f"s3://{BUCKET}/{PREFIX}"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        with control_plane(project, env=env) as plane:
            yield Lakeside(plane, objects, env)


def answered(count: int) -> tuple[SchemaFrame, list[PredictionFrame]]:
    """Return what an endpoint recorded of ``count`` requests."""
    schema = SchemaFrame(
        schema_id=1,
        endpoint=MODEL,
        model=MODEL,
        model_version=1,
        variant="v1",
        bundle_digest="b" * 64,
        task=Task.BINARY,
        features=(("age", ColumnKind.INTEGER), ("spend", ColumnKind.NUMBER), ("plan", ColumnKind.CATEGORY)),
    )
    frames = [
        PredictionFrame(
            schema_id=1,
            prediction_id=f"prediction-{number}",
            request_id=f"request-{number}",
            event_us=LAST_YEAR_US + number,
            received_us=LAST_YEAR_US + number,
            generation=1,
            assignment_probability=1.0,
            record_key=f"new-{number}",
            source=None,
            sticky_hash=None,
            values=(30.0 + number, 20.5, "plus"),
            prediction="yes",
            probability=0.75,
            latency_ms=1.0,
        )
        for number in range(count)
    ]
    return schema, frames


def outcome(number: int) -> TruthFrame:
    return TruthFrame(
        endpoint=MODEL,
        prediction_id=f"prediction-{number}",
        record_key=None,
        event_us=None,
        truth="no",
        labelled_us=LAST_YEAR_US + 1_000,
        received_us=LAST_YEAR_US + 1_000,
    )


def test_the_loop_runs_on_a_bucket_and_its_cache_may_be_removed(lakeside: Lakeside, tmp_path: Path) -> None:
    delivered = lakeside.ask("ingest", MODEL, write_rows(tmp_path / "rows.csv"))
    assert delivered["state"] == "processed"
    schema, frames = answered(20)
    intake = lakeside.plane.project / ".trimtab" / "intake"
    write_segment(intake, predictions_table(schema, frames, segment_id("journal", 0, 20, "1")))
    write_segment(intake, truth_table([outcome(number) for number in range(10)], segment_id("journal", 0, 10, "truth")))
    with lakeside.plane.client() as client:
        eventually(
            lambda: client.get(f"/api/endpoints/{MODEL}/records").json()["records"] == 20, within_s=60, wanted="records"
        )
    eventually(lambda: lakeside.objects.keys(f"{PREFIX}/processed/truth"), within_s=20, wanted="outcomes")
    frozen = lakeside.ask("snapshot", MODEL)
    assert frozen["rows"] == 170

    shutil.rmtree(lakeside.cache)
    trained = lakeside.ask("train", MODEL)

    assert trained["state"] == "succeeded", trained
    assert lakeside.ask("snapshot", MODEL)["dataset_hash"] == frozen["dataset_hash"]
    zones = {key.removeprefix(f"{PREFIX}/").split("/")[0] for key in lakeside.objects.keys(PREFIX)}
    assert zones >= {"raw", "processed", "snapshots", ".dvc"}
    assert not (lakeside.plane.project / ".trimtab" / "lake").exists()


def test_a_delivery_while_the_store_is_down_is_refused_and_accepted_afterwards(
    lakeside: Lakeside, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "more.csv", count=20, first=5_000)
    with lakeside.objects.down():
        refused = trimtab("ingest", MODEL, rows, project=lakeside.plane.project, env=lakeside.env)
    assert refused.code != 0
    assert "the endpoint cannot be reached" in refused.sentence

    assert lakeside.ask("ingest", MODEL, rows)["state"] == "processed"
    log = (lakeside.plane.project / "control-plane.log").read_text()
    assert lakeside.env["AWS_SECRET_ACCESS_KEY"] not in log


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"TRIMTAB_LAKE_URL": "s3://key:secret@bucket/x"}, "credentials and endpoint belong into AWS_ACCESS_KEY_ID"),
        ({"TRIMTAB_LAKE_URL": "ftp://bucket"}, "expected s3://bucket/prefix"),
        ({"TRIMTAB_LAKE_CACHE_MB": "much"}, "expected megabytes as a whole number"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no whole credentials; set AWS_ACCESS_KEY_ID"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "the endpoint cannot be reached"),
    ],
    ids=["credentials in the address", "scheme", "cache", "no credentials", "endpoint"],
)
def test_a_lake_that_cannot_be_used_is_told_before_anything_starts(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], told: str
) -> None:
    folder = ProjectFolder.open(make_project(tmp_path / "small"))
    for name, value in {**objects.environment, "TRIMTAB_LAKE_URL": f"s3://{BUCKET}/other", **change}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(TrimtabError, match=re.escape(told)) as refused:
        prepare_project(folder)

    assert "secret@" not in str(refused.value)
    assert not (folder.state / "credentials.json").exists()


def test_up_on_a_bucket_that_is_not_there_says_so_in_one_sentence(objects: ObjectStore, tmp_path: Path) -> None:
    env = {**objects.environment, "TRIMTAB_LAKE_URL": "s3://nobodys-bucket"}

    refused: Ended = trimtab("up", project=make_project(tmp_path / "small"), env=env)

    assert refused.code != 0
    assert "there is no bucket 'nobodys-bucket'; create it, or correct TRIMTAB_LAKE_URL" in refused.sentence
