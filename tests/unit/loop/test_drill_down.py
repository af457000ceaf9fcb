"""Evidently's report on what was answered and what was learnt; without Evidently, a sentence that says what to do."""

from __future__ import annotations

import importlib.util
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update
from tests.unit.loop.projects import MODEL, World
from tests.unit.loop.shipping import Asked, Shipping

from trimtab.core.clock import from_micros
from trimtab.core.errors import BackendError, ConfigError, DataContractError, NotFoundError
from trimtab.db.tables import report, snapshot
from trimtab.loop.drill_down import MOST_ROWS, _sampled, _sides, drill_down
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired

INSTALLED = importlib.util.find_spec("evidently") is not None


@pytest.fixture
def shipping(world: World) -> Shipping:
    """Version 1 serves and learnt 60 rows; 60 others were answered, much older."""
    world.version(1)
    learnt = {"age": [40.0 + n % 9 for n in range(60)], "sex": ["male", "female"] * 30, "disease": ["yes"] * 60}
    path = world.platform.lake.absolute("learnt.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(learnt), path)
    with world.platform.database.transaction() as connection:
        spec = {"recent_rows": 0, "rows_by_source": {}}
        connection.execute(update(snapshot).values(spec=spec, path="learnt.parquet"))
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    shipping = Shipping(world)
    shipping.rows(*(Asked(at_s=n, age=70.0 + n % 9) for n in range(60)))
    return shipping


def drilled(shipping: Shipping, *, variant: str | None = None, after_s: int = 60) -> dict[str, object]:
    platform = shipping.world.platform
    until = from_micros(shipping.start_us + after_s * 1_000_000)
    return drill_down(platform, platform.files(MODEL), window=timedelta(seconds=60), until=until, variant=variant)


@pytest.mark.skipif(INSTALLED, reason="Evidently is installed here")
def test_without_evidently_it_says_what_to_install_and_leaves_no_rows_behind(shipping: Shipping) -> None:
    with pytest.raises(ConfigError, match=r"pip install 'trimtab\[evidently\]'"):
        drilled(shipping)
    assert list((shipping.world.platform.project.reports / "evidently").iterdir()) == []


def test_a_process_that_cannot_be_started_is_told_and_leaves_no_rows_behind(
    shipping: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(BackendError, match=r"left no result .*No such file"):
        drilled(shipping)
    assert not list((shipping.world.platform.project.reports / "evidently").glob(".*"))


@pytest.mark.skipif(not INSTALLED, reason="the extra 'evidently' is not installed")
def test_evidently_compares_what_was_asked_with_what_was_learnt(shipping: Shipping) -> None:
    found = drilled(shipping)
    assert (found["rows"], found["quarantined"], found["reference_rows"], found["version"]) == (60, 0, 60, 1)
    assert found["by_column"].keys() == {"age", "sex"}  # type: ignore[attr-defined]
    assert "age" in (shipping.world.platform.project.reports / str(found["path"])).read_text("utf-8")
    stored = shipping.world.platform.database.read(lambda c: c.execute(report.select()).all())
    assert [(row.kind, row.path) for row in stored] == [("evidently", found["path"])]


def test_rows_in_quarantine_are_looked_at_too(shipping: Shipping) -> None:
    world = shipping.world
    shipping.rows(*(Asked(at_s=10, age=840.0 + n, place=1 + n) for n in range(40)))
    shipping.rows(Asked(at_s=90, age=840.0))
    files, until = world.platform.files(MODEL), from_micros(shipping.start_us + 60_000_000)
    _served, _learnt, asked, quarantined = _sides(world.platform, files, timedelta(seconds=60), until, None)
    assert (len(asked), quarantined) == (100, 40)
    assert asked["age"].type == pa.float64()
    ages = asked["age"].to_pylist()
    assert sorted(age for age in ages if age > 120) == [840.0 + n for n in range(40)]
    assert set(ages[:10] + ages[-10:]) == {70.0 + n for n in range(9)}, "all stand by their time"
    assert asked["sex"].to_pylist() == ["male"] * 100


def test_a_window_of_broken_rows_alone_can_be_looked_at(shipping: Shipping) -> None:
    shipping.rows(*(Asked(at_s=100 + n, age=840.0) for n in range(5)))
    files, until = shipping.world.platform.files(MODEL), from_micros(shipping.start_us + 110_000_000)
    _served, _learnt, asked, quarantined = _sides(shipping.world.platform, files, timedelta(seconds=10), until, None)
    assert (len(asked), quarantined) == (5, 5)


def test_a_window_without_rows_and_a_variant_that_does_not_serve_are_told(shipping: Shipping) -> None:
    with pytest.raises(DataContractError, match="0 rows in the window and 60 learnt"):
        drilled(shipping, after_s=5000)
    with pytest.raises(NotFoundError, match="no live variant 'v7'; it has: v1"):
        drilled(shipping, variant="v7")


def test_a_sample_sees_all_of_the_time_and_is_the_same_each_time() -> None:
    table = pa.table({"n": range(3 * MOST_ROWS + 1)})
    sample = _sampled(table)
    assert MOST_ROWS / 2 <= len(sample) <= MOST_ROWS
    assert sample["n"][0].as_py() == 0
    assert sample["n"][-1].as_py() > 3 * MOST_ROWS - 10
    assert sample.equals(_sampled(table))
