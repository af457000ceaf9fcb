from __future__ import annotations

import stat
from pathlib import Path

from tests.integration.small_project import make_project

from trimtab.bootstrap import build_platform
from trimtab.config.project import ProjectFolder


def test_what_the_platform_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = ProjectFolder.open(make_project(tmp_path / "project"))
    build_platform(folder).database.close()
    assert stat.S_IMODE(folder.state.stat().st_mode) == 0o700
