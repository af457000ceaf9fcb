from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.lake.heart import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    workplace = Workplace.at(tmp_path)
    yield workplace
    workplace.database.close()
