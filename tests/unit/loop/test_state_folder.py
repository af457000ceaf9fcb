"""One state folder works with a database: another is refused, told where, and may take over only when asked to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.small_project import make_project

from trimtab.bootstrap import build_conductor, build_platform, prepare_project
from trimtab.cli.in_process import InProcessClient
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import ConflictError
from trimtab.core.ids import IdFactory
from trimtab.db.engine import Database
from trimtab.loop.state_folder import claim, works_elsewhere


def test_the_first_folder_keeps_the_database_and_another_is_told_where_it_is(
    database: Database, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    new_id = IdFactory()
    assert not database.read(lambda c: works_elsewhere(c, here))
    for _ in range(2):
        with database.transaction() as connection:
            claim(connection, here, new_id)

    with (
        pytest.raises(ConflictError, match=rf"{here}; run 'trimtab up' there, .*--replace-state-folder"),
        database.transaction() as connection,
    ):
        claim(connection, there, new_id)
    assert not database.read(lambda c: works_elsewhere(c, here))
    assert database.read(lambda c: works_elsewhere(c, there))
    assert not there.exists(), "a folder that is refused is left as it was"


def test_a_folder_that_replaces_a_lost_one_shuts_the_old_one_out(database: Database, tmp_path: Path) -> None:
    lost, found = tmp_path / "lost", tmp_path / "found" / ("deep" * 40)
    for folder, replace in ((lost, False), (found, True), (found, False)):
        with database.transaction() as connection:
            claim(connection, folder, IdFactory(), replace=replace)

    with pytest.raises(ConflictError, match=r"….*deepdeep;"), database.transaction() as connection:
        claim(connection, lost, IdFactory())


def test_who_is_refused_leaves_the_first_machines_key_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    here = ProjectFolder.open(make_project(tmp_path / "here"))
    there = ProjectFolder.open(make_project(tmp_path / "there"))
    prepare_project(here)

    with pytest.raises(ConflictError, match="another state folder"):
        prepare_project(there)

    assert not (there.state / "credentials.json").exists()
    platform = build_platform(there)
    with pytest.raises(ConflictError, match="another state folder"):
        build_conductor(platform)
    platform.database.close()
    client = InProcessClient(there)
    assert client.wait(lambda: True, timeout_s=1.0)
    assert not client.wait(lambda: False, timeout_s=0.0), "what is not done elsewhere is not done here"
    client.close()
    prepare_project(here)
    prepare_project(there, replace_state_folder=True)
    with pytest.raises(ConflictError, match="another state folder"):
        prepare_project(here)
