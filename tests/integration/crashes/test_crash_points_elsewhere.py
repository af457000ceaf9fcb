"""The same story where the metadata are in PostgreSQL and the lake is a bucket: nothing lost, nothing doubled.

CI plays it with the deaths that leave something half done in one of the two; with ``TRIMTAB_CRASHES=postgres`` every
point has its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.integration.crashes import aftermath
from tests.integration.crashes.march import ACTS, ON_A_BUCKET, play
from tests.integration.crashes.stage import Launcher, Place, Stage
from tests.object_store import BUCKET, ObjectStore, object_store
from tests.postgres import PostgresServer

pytestmark = pytest.mark.timeout(1800)

_ALL = tuple(ACTS)
_WHOLE = os.environ.get("TRIMTAB_CRASHES") == "postgres"
_HALF_DONE = (
    *ON_A_BUCKET,
    "delivery.copied",
    "intake.moved",
    "ingest.files_written",
    "ingest.recorded",
    "snapshot.files_written",
    "snapshot.added",
    "adoption.bundle_copied",
    "registration.written",
)
_ACTS = _ALL if _WHOLE else ("deliver", "train")
_POINTS = [point for act in _ACTS for point in ACTS[act] if _WHOLE or point in _HALF_DONE]


def _elsewhere(objects: ObjectStore, database_url: str) -> Place:
    """Return the place that is a database server and a bucket, looked into past any cache."""

    def files_below(where: str) -> list[bytes]:
        return [objects.read(key) for key in objects.keys(f"{where}/") if key.endswith(".parquet")]

    settings = {"TRIMTAB_DATABASE_URL": database_url, "TRIMTAB_LAKE_URL": f"s3://{BUCKET}"}
    return Place({**objects.environment, **settings}, files_below)


@pytest.fixture(scope="module")
def survived(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, postgres_template: str
) -> Iterator[Stage]:
    """A project on a database server and a bucket, whose processes died once at each of the points."""
    with object_store() as objects, pytest.MonkeyPatch.context() as patch:
        place = _elsewhere(objects, postgres.url(postgres.create(postgres_template)))
        for name, value in place.settings.items():
            patch.setenv(name, value)
        launcher = Launcher(place)
        stage = Stage(tmp_path_factory.mktemp("elsewhere") / "project", launcher, place)
        try:
            died = play(stage, _POINTS, acts=_ACTS, after=lambda _: aftermath.chain_holds(stage))
            assert [each.point for each in died] == _POINTS
            yield stage
        finally:
            stage.close()
            launcher.close()


def test_every_row_and_every_answer_is_in_the_bucket_once(survived: Stage) -> None:
    aftermath.rows_are_in_one_zone_once(survived)
    aftermath.answers_are_in_the_lake_once(survived)
    assert not survived.project.lake.exists()
    assert not survived.project.database.exists()


def test_one_training_makes_one_version_that_mlflow_shows_once(survived: Stage) -> None:
    aftermath.one_version(survived, attempts=3 if _WHOLE else 1)
    aftermath.mlflow_agrees(survived, _ACTS)


def test_what_was_decided_is_done_and_told_once_and_nothing_is_left_to_do(survived: Stage) -> None:
    aftermath.decisions_are_executed_once(survived, _ACTS)
    aftermath.nothing_is_stuck(survived)
    aftermath.told_once(survived)
