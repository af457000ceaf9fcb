"""Which keys were delivered before: the same answer whatever is remembered, and no file read twice."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.config.columns import ContractConfig
from trimtab.core.errors import BackendError
from trimtab.core.ids import new_id
from trimtab.lake.known_keys import KnownKeys
from trimtab.lake.outcome import write_rows
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake

MODEL = "parking"
CONTRACT = ContractConfig.model_validate(
    {"columns": {"zone": {"type": "category"}, "hour": {"type": "integer"}}, "unique": ["zone", "hour"]}
)

Rows = list[tuple[str | None, int | None]]
ROWS: st.SearchStrategy[Rows] = st.lists(
    st.tuples(st.sampled_from(["a", "b", "1", None]), st.one_of(st.none(), st.integers(0, 3))), max_size=6
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderStorage(tmp_path))


def processed(lake: Lake, digest: str, rows: Rows) -> Path:
    path = lake.processed_table(MODEL, digest)
    columns = {"zone": pa.array([row[0] for row in rows], pa.string()), "hour": pa.array([row[1] for row in rows])}
    write_rows(lake, path, pa.table({"zone": columns["zone"], "hour": columns["hour"].cast(pa.int64())}))
    return path


def delivered(rows: Rows) -> pa.Table:
    """Return rows as a CSV file delivers them."""
    hours = [None if row[1] is None else str(row[1]) for row in rows]
    return pa.table({"zone": pa.array([row[0] for row in rows], pa.string()), "hour": pa.array(hours, pa.string())})


@given(files=st.lists(ROWS, max_size=4), asked=ROWS, limit_bytes=st.sampled_from([0, 40, 1 << 20]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_key_is_known_if_an_earlier_file_has_it_whatever_there_is_room_for(
    lake: Lake, files: list[Rows], asked: Rows, limit_bytes: int
) -> None:
    digests = [new_id() for _ in files]
    for digest, rows in zip(digests, files, strict=True):
        processed(lake, digest, rows)
    keys = KnownKeys(lake, limit_bytes=limit_bytes)
    for upto in (len(digests) // 2, len(digests), len(digests)):
        among = keys.among(delivered(asked), model=MODEL, digests=digests[:upto], contract=CONTRACT)
        known = {row for rows in files[:upto] for row in rows if None not in row}
        assert len(among) == len(known & set(asked))


def test_a_file_is_read_once_and_again_when_the_key_is_declared_anew(lake: Lake) -> None:
    path = processed(lake, "one", [("a", 1), ("b", 2)])
    keys = KnownKeys(lake)
    asked = delivered([("b", 2), ("c", 3)])
    first = keys.among(asked, model=MODEL, digests=["one"], contract=CONTRACT)
    assert len(first) == 1

    path.unlink()
    assert keys.among(asked, model=MODEL, digests=["one"], contract=CONTRACT) == first
    by_zone = CONTRACT.model_copy(update={"unique": ("zone",)})
    with pytest.raises(BackendError, match="is missing"):
        keys.among(asked, model=MODEL, digests=["one"], contract=by_zone)


def test_a_file_without_a_column_of_the_key_and_a_delivery_without_one_have_no_keys(lake: Lake) -> None:
    write_rows(lake, lake.processed_table(MODEL, "old"), pa.table({"zone": ["a"]}))
    keys = KnownKeys(lake)
    assert keys.among(delivered([("a", 1)]), model=MODEL, digests=["old"], contract=CONTRACT) == frozenset()
    processed(lake, "new", [("a", 1)])
    lacking = pa.table({"zone": ["a"]})
    assert keys.among(lacking, model=MODEL, digests=["old", "new"], contract=CONTRACT) == frozenset()
