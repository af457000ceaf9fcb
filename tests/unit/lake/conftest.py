from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import url_of_both
from tests.unit.lake.heart import Workplace

from trimtab.db.engine import Database


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workplace]:
    url = url_of_both(request)
    workplace = Workplace.at(tmp_path, None if url is None else Database(url))
    yield workplace
    workplace.database.close()
