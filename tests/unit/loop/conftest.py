from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import url_of_both
from tests.unit.loop.projects import World, make_world


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A platform on a fresh project."""
    url = url_of_both(request)
    if url is not None:
        monkeypatch.setenv("TRIMTAB_DATABASE_URL", url)
    world = make_world(tmp_path / "project")
    yield world
    world.platform.database.close()
