"""What is learnt of the time of a row: what recurs, and for trees the level that it has come to."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.training.test_job import BIKE_CONTRACT, BIKE_MODEL, bike_rows

from trimtab.bundle.encoder import Inputs
from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.training.calendar_parts import CalendarPart, calendar_columns
from trimtab.training.data import TrainingData, read_training_data, shell_manifest
from trimtab.training.estimators import Fitted, fit
from trimtab.training.export import check_parity, export
from trimtab.training.probes import probe_inputs
from trimtab.training.settings import Algorithm, TrainingConfig

SETTINGS = TrainingConfig.model_validate({"candidates": [{"type": "ridge"}], "split": {"type": "time"}})


def read(folder: Path, **model: Any) -> TrainingData:
    pq.write_table(bike_rows(24 * 28).drop(["hour"]), folder / "s.parquet")
    columns = {name: column for name, column in BIKE_CONTRACT["columns"].items() if name != "hour"}
    return read_training_data(
        folder / "s.parquet",
        ModelConfig.model_validate(BIKE_MODEL | model),
        ContractConfig.model_validate({"columns": columns}),
        SETTINGS,
    )


def fitted_on(data: TrainingData, algorithm: Algorithm, rows: slice) -> Fitted:
    chosen = np.arange(len(data))[rows]
    params = {} if algorithm is Algorithm.RIDGE else {"n_estimators": 60}
    inputs = data.inputs.take(chosen)
    return fit(algorithm, params, data.problem, data.features, inputs, data.target[chosen], seed=1)


def test_hour_of_the_day_is_learnt_only_where_it_is_asked_for(tmp_path: Path) -> None:
    with_time, without = read(tmp_path, time_features=True), read(tmp_path)
    assert [feature.name for feature in without.features] == ["temp", "weather"]
    assert [feature.name for feature in with_time.features if feature.is_event_time] == ["time"]
    errors = []
    for data in (with_time, without):
        late = np.arange(len(data))[-100:]
        answer = fitted_on(data, Algorithm.LIGHTGBM, slice(-100)).answer(data.inputs.take(late))
        errors.append(np.abs(answer.raw - data.target[late]).mean())
    assert errors[0] < 0.75 * errors[1]


@pytest.mark.parametrize("algorithm", [Algorithm.RIDGE, Algorithm.LIGHTGBM])
def test_graph_answers_as_the_estimator_for_moments_to_come(tmp_path: Path, algorithm: Algorithm) -> None:
    data = read(tmp_path, time_features=True)
    fitted = fitted_on(data, algorithm, slice(None))
    later = Inputs(data.inputs.numeric, data.inputs.codes + np.array([0, 400 * 86_400]))
    model = export(fitted)
    manifest = shell_manifest(data.problem, data.features, "m", "count")
    probes = probe_inputs(manifest, later.take(np.arange(50)), model, np.random.default_rng(0))
    assert check_parity(fitted, manifest, model, probes, 1e-2).rows > 100


def test_line_does_not_run_away_with_the_years(tmp_path: Path) -> None:
    data = read(tmp_path, time_features=True)
    ten_years = Inputs(data.inputs.numeric, data.inputs.codes + np.array([0, 3_640 * 86_400]))
    fitted = fitted_on(data, Algorithm.RIDGE, slice(None))
    np.testing.assert_allclose(fitted.answer(ten_years).raw, fitted.answer(data.inputs).raw)


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        (1, set()),
        (3, {"minute_of_day"}),
        (20, {"minute_of_day", "weekday"}),
        (400, {"minute_of_day", "weekday", "day"}),
        (800, {"minute_of_day", "weekday", "day", "month", "day_of_year"}),
    ],
)
def test_parts_are_taken_once_they_recur(days: int, kept: set[str]) -> None:
    codes = np.arange(0, days * 86_400, 5_400, dtype=np.int64).reshape(-1, 1)
    line = calendar_columns(codes, [0], event_place=0, extrapolates=True)
    assert {column.part.value for column in line} == kept
    trees = calendar_columns(codes, [0], event_place=0)
    assert {column.part for column in trees} - {column.part for column in line} == {CalendarPart.ELAPSED}


def test_time_features_need_a_time() -> None:
    for wrong in ({"time": None}, {"ignore": ["time"]}):
        with pytest.raises(ValueError, match="time_features needs time"):
            ModelConfig.model_validate(BIKE_MODEL | {"time_features": True} | wrong)


def test_time_of_another_type_is_no_event_time(tmp_path: Path) -> None:
    table = bike_rows(50)
    table = table.set_column(0, "time", table["time"].cast(pa.int64()))
    pq.write_table(table.append_column("@event_us", table["time"]), tmp_path / "s.parquet")
    contract = {"columns": BIKE_CONTRACT["columns"] | {"time": {"type": "integer"}}}
    model = ModelConfig.model_validate(BIKE_MODEL | {"time_features": True})
    data = read_training_data(tmp_path / "s.parquet", model, ContractConfig.model_validate(contract), SETTINGS)
    assert not any(feature.is_event_time for feature in data.features)
