from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.errors import DataContractError
from trimtab.training.data import TrainingData, read_labelled, read_training_data
from trimtab.training.settings import TrainingConfig

COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"type": "category"},
    "x": {"type": "number"},
    "c": {"type": "category", "nullable": True},
    "y": {"type": "category"},
}
ROWS: dict[str, list[Any]] = {
    "id": ["1", "2", "3", "4"],
    "x": [1.0, 2.0, 3.0, 4.0],
    "c": ["b", "a", None, "b"],
    "y": ["no", "yes", "no", "yes"],
}
SETTINGS = TrainingConfig.model_validate({"candidates": [{"type": "xgboost"}]})


def read(
    folder: Path, rows: dict[str, Any], columns: dict[str, dict[str, Any]] | None = None, **model: Any
) -> TrainingData:
    pq.write_table(pa.table(rows), folder / "s.parquet")
    config = {"name": "m", "task": "binary", "target": "y", "positive_class": "yes", "key": "id"} | model
    return read_training_data(
        folder / "s.parquet",
        ModelConfig.model_validate(config),
        ContractConfig.model_validate({"columns": columns or COLUMNS}),
        SETTINGS,
    )


def test_features_are_the_contract_without_target_and_key(tmp_path: Path) -> None:
    data = read(tmp_path, ROWS)
    assert [feature.name for feature in data.features] == ["x", "c"]
    assert data.features[1].categories == ("a", "b")
    assert data.inputs.codes[:, 0].tolist() == [1, 0, -1, 1]
    assert data.problem.classes == ("no", "yes")
    assert data.target.tolist() == [0, 1, 0, 1]
    assert data.time_us is None


def test_rows_without_target_are_left_out_with_a_note(tmp_path: Path) -> None:
    rows = {name: [*values, values[0]] for name, values in ROWS.items()} | {"y": ["no", "yes", "no", "yes", None]}
    data = read(tmp_path, rows)
    assert len(data) == 4
    assert "1 rows without target" in data.notes[0]


def test_feature_that_is_always_null_is_dropped_with_a_note(tmp_path: Path) -> None:
    data = read(tmp_path, ROWS | {"c": pa.array([None] * 4, pa.string())})
    assert [feature.name for feature in data.features] == ["x"]
    assert "'c' was dropped" in data.notes[0]


@pytest.mark.parametrize("target", [[True, False, True, False], [1, 0, 1, 0], [1.0, 0.0, 1.0, 0.0]])
def test_classes_have_one_spelling(tmp_path: Path, target: list[Any]) -> None:
    positive = "true" if isinstance(target[0], bool) else "1"
    data = read(tmp_path, ROWS | {"y": target}, positive_class=positive)
    assert data.problem.truth(data.target).tolist()[0] == positive


def test_event_times_come_from_the_time_column(tmp_path: Path) -> None:
    times = pa.array([4, 3, 2, 1], pa.timestamp("s", tz="UTC"))
    columns = COLUMNS | {"t": {"type": "datetime"}}
    data = read(tmp_path, ROWS | {"t": times}, columns, time="t")
    assert data.time_us is not None
    assert data.time_us.tolist() == [4_000_000, 3_000_000, 2_000_000, 1_000_000]


@pytest.mark.parametrize(
    ("rows", "model", "words"),
    [
        ({"y": ["yes"] * 4}, {}, "only class 'yes' in 4 rows"),
        ({"y": pa.array([None] * 4, pa.string())}, {}, "missing in all 4 rows"),
        ({"y": ["a", "b", "a", "b"]}, {}, "positive_class 'yes'"),
        ({"y": ["yes", "no", "maybe", "no"]}, {}, "3 classes"),
        ({"y": ["yes", "no", "no", "no"]}, {}, "class 'yes' has one row"),
        ({}, {"target": "z"}, "no column 'z'"),
        ({"x": ["a", "b", "c", "d"]}, {}, "column 'x': type string"),
        ({"x": [1.0, None, 2.0, 3.0]}, {}, "row 1: field 'x' is null"),
        ({"y": [2.0] * 4}, {"task": "regression", "positive_class": None}, "always 2 in 4 rows"),
        ({"y": ["1"] * 4}, {"task": "regression", "positive_class": None}, "expected numbers"),
        ({"y": [1.0, 2.0, float("inf"), 3.0]}, {"task": "regression", "positive_class": None}, "inf in row 2"),
        ({}, {"ignore": ["x", "c"]}, "no feature is left"),
    ],
)
def test_rows_that_cannot_be_learnt_are_refused(
    tmp_path: Path, rows: dict[str, Any], model: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataContractError) as refused:
        read(tmp_path, ROWS | rows, **model)
    assert words in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.parquet").write_bytes(content)
    model = ModelConfig.model_validate({"name": "m", "task": "regression", "target": "y"})
    with pytest.raises(DataContractError, match="no readable Parquet file"):
        read_labelled(tmp_path / "s.parquet", model)


def test_no_file_and_no_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="has no row"):
        read(tmp_path, {name: pa.array([], pa.string()) for name in ROWS})
    model = ModelConfig.model_validate({"name": "m", "task": "regression", "target": "y"})
    with pytest.raises(DataContractError, match="no such file"):
        read_labelled(tmp_path / "nowhere.parquet", model)


def test_labelled_rows_come_in_order_of_time(tmp_path: Path) -> None:
    pq.write_table(pa.table({"y": [1.0, 2.0, None], "@event_us": [20, 10, 5]}), tmp_path / "r.parquet")
    model = ModelConfig.model_validate({"name": "m", "task": "regression", "target": "y"})
    table, truth = read_labelled(tmp_path / "r.parquet", model)
    assert table.num_rows == 2
    np.testing.assert_array_equal(truth, [2.0, 1.0])


def test_a_training_that_does_not_fit_into_memory_is_refused_with_what_it_needs_and_what_is_free(
    tmp_path: Path,
) -> None:
    pq.write_table(pa.table({name: values * 250 for name, values in ROWS.items()}), tmp_path / "s.parquet")
    config = {"name": "m", "task": "binary", "target": "y", "positive_class": "yes", "key": "id"}
    model, contract = ModelConfig.model_validate(config), ContractConfig.model_validate({"columns": COLUMNS})

    def read_with(free: int) -> TrainingData:
        return read_training_data(tmp_path / "s.parquet", model, contract, SETTINGS, available_bytes=free)

    told = r"1000 rows of 4 columns .* need about 0\.0 GB of memory, 0\.0 GB are free; lower max_categories"
    with pytest.raises(DataContractError, match=told) as caught:
        read_with(10_000)
    assert "\n" not in str(caught.value)
    assert len(read_with(10_000_000)) == 1_000
