from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import Running, variant, write_spec

from trimtab.core.enums import Task
from trimtab.serving.spec import EndpointSpec


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """The server's parts in this process."""
    bench = Bench(tmp_path)
    yield bench
    bench.shadows.close()
    bench.journal.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """A server of the endpoint ``heart``, for one test."""
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "stable", "100"),)))
    running = Running(tmp_path)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that the tests of a module only ask: ``heart`` (90:10), ``heart-staging`` and ``bike-staging``."""
    state = tmp_path_factory.mktemp("state")
    stable, canary = variant(state, "stable", "90"), variant(state, "canary", "10", version=2)
    write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=(stable, canary), sticky_key="record_key"))
    alone = variant(state, "stable", "100", version=3)
    write_spec(state, EndpointSpec(endpoint="heart-staging", generation=1, variants=(alone,), max_body_bytes=5_000))
    number = variant(state, "stable", "100", task=Task.REGRESSION)
    write_spec(state, EndpointSpec(endpoint="bike-staging", generation=1, variants=(number,), max_rows=3))
    running = Running(state)
    yield running
    running.stop()
