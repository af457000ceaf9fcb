from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.training.data import read_training_data
from trimtab.training.leakage import leakage_notes
from trimtab.training.settings import StratifiedSplit, TrainingConfig
from trimtab.training.split import split_rows

ROWS = 400
SETTINGS = TrainingConfig.model_validate({"candidates": [{"type": "xgboost"}]})


def notes_on(
    folder: Path, columns: dict[str, tuple[str, Any]], *, target: str = "y", task: str = "binary", **model: Any
) -> tuple[str, ...]:
    pq.write_table(pa.table({name: values for name, (_, values) in columns.items()}), folder / "s.parquet")
    positive = {"positive_class": "yes"} if task == "binary" else {}
    data = read_training_data(
        folder / "s.parquet",
        ModelConfig.model_validate({"name": "m", "task": task, "target": target} | positive | model),
        ContractConfig.model_validate(
            {"columns": {name: {"type": kind, "nullable": True} for name, (kind, _) in columns.items()}}
        ),
        SETTINGS,
    )
    rng = np.random.default_rng(0)
    classes = data.target if task != "regression" else None
    return leakage_notes(data, split_rows(StratifiedSplit(), classes, None, len(data), rng), rng)


def honest(seed: int = 0) -> tuple[np.random.Generator, dict[str, tuple[str, Any]]]:
    """Return a generator and a table in which nothing is suspicious, though its features tell much."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=ROWS)
    y = np.where(x + rng.normal(size=ROWS) * 0.5 > 0.3, "yes", "no")
    amount = rng.choice(10_000_000, ROWS, replace=False)
    return rng, {
        "x": ("number", x),
        "amount": ("integer", amount),
        "c": ("category", rng.choice(["a", "b", "c"], ROWS).tolist()),
        "flag": ("boolean", rng.random(ROWS) < 0.5),
        "y": ("category", y.tolist()),
    }


def test_honest_table_raises_no_suspicion(tmp_path: Path) -> None:
    _, columns = honest()
    assert notes_on(tmp_path, columns) == ()


def test_twin_of_the_target_is_named(tmp_path: Path) -> None:
    _, columns = honest()
    columns["renamed"] = ("category", ["1" if value == "yes" else "0" for value in columns["y"][1]])
    (note,) = notes_on(tmp_path, columns)
    assert "'renamed' alone tells the target (its values name the class in 100.0%" in note
    assert "name it under ignore in model.yaml" in note


def test_number_that_parts_the_classes_is_named_with_what_its_name_says(tmp_path: Path) -> None:
    rng, columns = honest()
    columns["final_score"] = ("number", np.where(np.array(columns["y"][1]) == "yes", 5.0, -5.0) + rng.normal(size=ROWS))
    (note,) = notes_on(tmp_path, columns)
    assert "'final_score' alone tells the target (ROC AUC" in note
    assert "its name, too" in note


def test_column_that_is_filled_in_for_one_class_only_is_named(tmp_path: Path) -> None:
    rng, columns = honest()
    reason = [float(rng.normal()) if value == "yes" else None for value in columns["y"][1]]
    columns["reason_code"] = ("number", pa.array(reason, pa.float64()))
    (note,) = notes_on(tmp_path, columns)
    assert "'reason_code' alone tells the target (whether it is missing" in note


@pytest.mark.parametrize("derived", ["log", "scaled"])
def test_number_derived_from_a_regression_target_is_named(tmp_path: Path, derived: str) -> None:
    rng = np.random.default_rng(3)
    price = rng.lognormal(3, 1.5, ROWS)
    twin = np.log(price) if derived == "log" else price * 1.21
    columns = {"size": ("number", rng.normal(size=ROWS)), "twin": ("number", twin), "y": ("number", price)}
    (note,) = notes_on(tmp_path, columns, task="regression")
    assert "'twin' alone tells the target (R² 1.000" in note


def test_category_that_explains_a_number_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    group = rng.integers(0, 5, ROWS)
    columns = {
        "tariff": ("category", [f"t{place}" for place in group]),
        "x": ("number", rng.normal(size=ROWS)),
        "y": ("number", group * 10 + rng.normal(size=ROWS) * 0.1),
    }
    (note,) = notes_on(tmp_path, columns, task="regression")
    assert "'tariff' alone tells the target" in note


def test_moment_after_the_event_is_named(tmp_path: Path) -> None:
    rng, columns = honest()
    moments = np.arange(ROWS) * 3_600_000_000
    zone = pa.timestamp("us", tz="UTC")
    columns["at"] = ("datetime", pa.array(moments, zone))
    columns["seen"] = ("datetime", pa.array(moments - rng.integers(1, 10**9, ROWS), zone))
    columns["closed"] = ("datetime", pa.array(moments + rng.integers(1, 10**9, ROWS), zone))
    (note,) = notes_on(tmp_path, columns, time="at")
    assert "'closed' lies after the event time in 100% of the rows" in note


@pytest.mark.parametrize("sort", ["text", "counter", "shuffled"])
def test_ids_are_named(tmp_path: Path, sort: str) -> None:
    rng, columns = honest()
    columns["customer"] = {
        "text": ("category", [f"c{place:05d}" for place in rng.permutation(ROWS)]),
        "counter": ("integer", 10_000 + 7 * np.arange(ROWS)),
        "shuffled": ("integer", rng.permutation(ROWS)),
    }[sort]
    (note,) = notes_on(tmp_path, columns)
    assert "'customer' looks like an id" in note


def test_constant_and_repeated_columns_are_named(tmp_path: Path) -> None:
    _, columns = honest()
    columns["country"] = ("category", ["CH"] * ROWS)
    columns["c_code"] = ("integer", [{"a": 3, "b": 1, "c": 2}[value] for value in columns["c"][1]])
    constant, repeated = notes_on(tmp_path, columns)
    assert "'country' is always 'CH'" in constant
    assert "'c_code' says the same as 'c'" in repeated


def test_rows_that_stand_in_both_parts_are_counted(tmp_path: Path) -> None:
    _, columns = honest()
    doubled = {name: (kind, [*list(values), *list(values)]) for name, (kind, values) in columns.items()}
    (note,) = notes_on(tmp_path, doubled)
    assert "of 160 held-out rows stand" in note
    assert "remove duplicates" in note


def test_texts_without_a_known_term_are_no_duplicates(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    said = rng.choice(["good", "bad"], ROWS)
    texts = [f"{word} w{place}a w{place}b" if place % 2 else f"x{place}" for place, word in enumerate(said)]
    columns = {"review": ("text", texts), "y": ("category", np.where(said == "good", "yes", "no").tolist())}
    assert notes_on(tmp_path, columns) == ()
    doubled = {name: (kind, values * 2) for name, (kind, values) in columns.items()}
    (note,) = notes_on(tmp_path, doubled)
    assert "of 160 held-out rows stand" in note


def test_many_suspicions_of_a_kind_are_bounded(tmp_path: Path) -> None:
    _, columns = honest()
    for place in range(9):
        columns[f"empty_{place}"] = ("integer", [place] * ROWS)
    notes = notes_on(tmp_path, columns)
    assert len(notes) == 6
    assert notes[-1] == "4 more columns are like the last one named"


def test_few_rows_raise_no_suspicion(tmp_path: Path) -> None:
    columns = {"x": ("integer", list(range(12))), "y": ("category", ["yes", "no"] * 6)}
    assert notes_on(tmp_path, columns) == ()
