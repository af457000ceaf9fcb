"""A database that an earlier revision wrote is upgraded, and all that lies in it is read as before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select
from tests.conftest import BOTH
from tests.data.databases.make import KEPT
from tests.postgres import PostgresServer
from tests.unit.loop.projects import MODEL, START, make_project

from trimtab.bootstrap import build_platform
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role
from trimtab.db.engine import Connection, Database
from trimtab.db.migrate import current_revision, newest_revision, revisions
from trimtab.db.tables import metadata
from trimtab.lake.profile_store import load_profiles
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.platform import Platform

_ADMIN = Actor("local-admin", Role.ADMIN)
_OF_MODEL = (
    "versions.list",
    "feeds.list",
    "monitoring.checks",
    "retraining.conditions",
    "data.deliveries",
    "training.jobs",
    "rollouts.list",
    "approvals.list",
)
_OF_ALL = ("audit.show", "keys.list", "reports.list", "events.dead", "status.show")


def test_of_each_revision_a_database_of_each_kind_is_kept() -> None:
    wanted = {f"{revision}{suffix}" for revision in revisions() for suffix in (".db", ".sql")}
    kept = {path.name for path in KEPT.iterdir() if path.suffix in {".db", ".sql"}}
    assert kept == wanted, "run: python -m tests.data.databases.make"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("revision", revisions())
def test_a_kept_database_is_upgraded_and_read_whole(
    revision: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    url = _restored(revision, kind, tmp_path, request)
    before = Database(url)
    assert current_revision(before) == revision
    held = before.read(_rows_by_table)
    before.close()
    assert [name for name, rows in held.items() if not rows] == [], "a row in every table"

    monkeypatch.setenv("TRIMTAB_DATABASE_URL", url)
    platform = build_platform(make_project(tmp_path / "project"))
    try:
        assert current_revision(platform.database) == newest_revision()
        now = platform.database.read(_rows_by_table)
        assert {name: now[name] for name in held} == held, "what came with later revisions is empty"
        with platform.database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        _tells_the_case(platform)
    finally:
        platform.database.close()


def _restored(revision: str, kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{shutil.copy(KEPT / f'{revision}.db', folder / 'kept.db')}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    server.load(name, KEPT / f"{revision}.sql")
    return server.url(name)


def _rows_by_table(connection: Connection) -> dict[str, int]:
    return {
        name: connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
        for name in inspect(connection).get_table_names()
        if name in metadata.tables
    }


def _tells_the_case(platform: Platform) -> None:
    told = {name: perform(platform, _ADMIN, name, {"model": MODEL}) for name in _OF_MODEL}
    told |= {name: perform(platform, _ADMIN, name, {}) for name in _OF_ALL}
    [listed] = perform(platform, _ADMIN, "incidents.list", {})["incidents"]
    incident = perform(platform, _ADMIN, "incidents.show", {"incident_id": listed["incident_id"]})
    assert (incident["state"], incident["diagnosis"]["kind"]) == ("resolved", "covariate_drift")
    assert [(action["kind"], action["state"]) for action in incident["actions"]] == [("retrain", "succeeded")]
    assert [version["number"] for version in told["versions.list"]["versions"]] == [2, 1]
    assert [rollout["phase"] for rollout in told["rollouts.list"]["rollouts"]] == ["promoted"] * 2
    [endpoint, *_] = perform(platform, _ADMIN, "endpoints.history", {"endpoint": MODEL})["generations"]
    assert endpoint["generation"] == 3
    assert told["events.dead"]["events"] == []
    with platform.database.reading() as connection:
        [seen] = load_profiles(connection, MODEL, start_us=to_micros(START), end_us=2**62)
    assert seen.profile.rows == 3
    assert perform(platform, _ADMIN, "audit.verify", {})["ok"]
