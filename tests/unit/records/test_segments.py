from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.records.frames import SCHEMA, prediction, truth

from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import DataContractError
from trimtab.records.schema import SEGMENT_COLUMNS, TRUTH_COLUMNS, PredictionFrame, SchemaFrame
from trimtab.records.segments import predictions_table, read_segment, segment_id, truth_table, write_segment

SEGMENT = segment_id("a-000001.journal", 8, 99, "1")


def test_a_segment_comes_back_as_it_was_written(tmp_path: Path) -> None:
    table = predictions_table(SCHEMA, [prediction(place) for place in range(5)], SEGMENT)
    path = write_segment(tmp_path, table)
    assert path.name == f"{SEGMENT}.arrow"
    back = read_segment(path)
    assert back.equals(table, check_metadata=True)
    assert back.column_names == [*SEGMENT_COLUMNS, "f.age", "f.sick", "f.sex"]
    assert back.schema.metadata[b"model_version"] == b"3"
    assert [back.schema.field(name).type for name in ("f.age", "f.sick", "f.sex", "prediction")] == [
        pa.float64(),
        pa.bool_(),
        pa.string(),
        pa.string(),
    ]
    row = back.to_pylist()[3]
    assert (row["variant"], row["record_key"], row["f.age"], row["f.sick"], row["f.sex"]) == (
        "stable",
        "3",
        3.0,
        None,
        "male",
    )


def test_a_regression_predicts_numbers_and_whole_numbers_become_float() -> None:
    schema = SchemaFrame(1, "bike", "bike", 1, "v", "d", Task.REGRESSION, (("hour", ColumnKind.INTEGER),))
    frame = PredictionFrame(1, "p", "r", 0, 0, 1, 1.0, None, None, None, (7,), 12.5, None, 0.1)
    table = predictions_table(schema, [frame], SEGMENT)
    assert table.schema.field("prediction").type == pa.float64()
    assert table.column("f.hour").to_pylist() == [7.0]


def test_truth_has_its_columns(tmp_path: Path) -> None:
    back = read_segment(write_segment(tmp_path, truth_table([truth(1), truth(2)], SEGMENT)))
    assert back.column_names == list(TRUTH_COLUMNS)
    assert back.column("prediction_id").to_pylist() == ["p0000001", "p0000002"]
    assert back.column("event_us").to_pylist() == [None, None]


def test_what_is_no_segment_is_refused(tmp_path: Path) -> None:
    table = predictions_table(SCHEMA, [prediction(1)], SEGMENT)
    path = write_segment(tmp_path, table)
    path.rename(tmp_path / f"{'0' * 32}.arrow")
    with pytest.raises(DataContractError, match="expected the id in its name"):
        read_segment(tmp_path / f"{'0' * 32}.arrow")
    (tmp_path / "x.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(DataContractError, match="no readable segment"):
        read_segment(tmp_path / "x.arrow")


@pytest.mark.parametrize("broken", ["column", "type", "extra", "metadata"])
def test_columns_and_metadata_are_checked(tmp_path: Path, broken: str) -> None:
    table = predictions_table(SCHEMA, [prediction(1)], SEGMENT)
    metadata = table.schema.metadata
    if broken == "column":
        table = table.drop_columns(["source"])
    elif broken == "type":
        table = table.set_column(3, "received_us", pa.array(["x"]))
    elif broken == "extra":
        table = table.append_column("another", pa.array([1]))
    else:
        metadata = {key: value for key, value in metadata.items() if key != b"endpoint"}
    path = write_segment(tmp_path, table.replace_schema_metadata(metadata))
    with pytest.raises(DataContractError, match="expected"):
        read_segment(path)


def test_a_damaged_segment_is_refused(tmp_path: Path) -> None:
    path = write_segment(tmp_path, predictions_table(SCHEMA, [prediction(p) for p in range(50)], SEGMENT))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataContractError, match="no readable segment"):
        read_segment(path)
