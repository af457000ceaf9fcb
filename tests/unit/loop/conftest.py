from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.loop.projects import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform on a fresh project."""
    world = make_world(tmp_path / "project")
    yield world
    world.platform.database.close()
