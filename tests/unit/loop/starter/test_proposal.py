from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError, ConflictError, DataContractError
from trimtab.lake.contract import judge
from trimtab.lake.reading import read_table_file
from trimtab.loop.model_files import load_model_files
from trimtab.loop.starter.proposal import propose
from trimtab.loop.starter.training_file import training_file
from trimtab.loop.starter.wishes import Wishes
from trimtab.loop.starter.writing import write_project
from trimtab.loop.validation import validate_project
from trimtab.measures.metrics import evaluate

GERMAN = Path(__file__).parents[4] / "examples" / "tables" / "german-credit.csv"
ROWS = 120


def table(**changes: list[str]) -> pa.Table:
    draw = random.Random(1)
    columns: dict[str, list[str]] = {
        "id": [str(1000 + row) for row in range(ROWS)],
        "age": [str(draw.randint(18, 80)) for _ in range(ROWS)],
        "Ort/Straße: #1": [draw.choice(["a", "b"]) for _ in range(ROWS)],
        "day": [f"{1 + row % 28}.{1 + row // 28}.2020" for row in range(ROWS)],
        "out": [draw.choice(["yes", "no"]) for _ in range(ROWS)],
    }
    return pa.table({**columns, **changes})


def wishes(**changes: object) -> Wishes:
    return Wishes(**{"name": "model", "target": "out", **changes})  # type: ignore[arg-type]


def test_german_credit_becomes_a_valid_project_that_all_its_rows_fit(tmp_path: Path) -> None:
    rows = read_table_file(GERMAN)
    plan = propose(rows, wishes(name="german-credit", target="credit"), source=GERMAN.name)

    folder = write_project(tmp_path / "project", plan)

    assert validate_project(folder.root) == []
    files = load_model_files(folder, "german-credit")
    assert (files.model.task, files.model.positive_class) == (Task.BINARY, "2")
    assert len(files.features) == 20
    assert len(files.training.candidates) >= 3
    assert judge(rows, files.contract).broken.num_rows == 0


def test_unusual_names_and_a_form_of_dates_survive_into_the_files(tmp_path: Path) -> None:
    rows = table()
    plan = propose(rows, wishes(time="day", key="id"), source='odd "name": #1.csv')

    files = load_model_files(write_project(tmp_path / "p", plan), "model")

    assert files.contract.unique == ("id",)
    assert files.contract.columns["day"].format == "%d.%m.%Y"
    assert files.training.split.type == "time"
    assert set(files.features) == {"day", "age", "Ort/Straße: #1"}
    assert judge(rows, files.contract).broken.num_rows == 0


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ([str(row % 3) for row in range(ROWS)], Task.MULTICLASS),
        ([str(row % 60) for row in range(ROWS)], Task.REGRESSION),
        ([str(row / 7) for row in range(ROWS)], Task.REGRESSION),
        (["red" if row % 3 else "blue" for row in range(ROWS)], Task.BINARY),
    ],
)
def test_the_task_follows_from_the_targets_values(target: list[str], task: Task) -> None:
    assert propose(table(out=target), wishes(), source="rows.csv").task is task


@pytest.mark.parametrize("out", [["0", "1.5", "9"], ["-4000", "2", "3", "1", "2", "9000", "2", "2", "3", "1"]])
def test_the_gate_of_a_regression_refuses_every_constant_answer(out: list[str]) -> None:
    values = out * (ROWS // len(out))
    plan = propose(table(out=values), wishes(task=Task.REGRESSION), source="r.csv")
    baseline, truth = plan.baseline, np.array(values, dtype=np.float64)

    for constant in (np.median(truth), truth.mean(), 0.0):
        answers = np.full(len(truth), constant)
        found = evaluate(Task.REGRESSION, [baseline.metric], truth, answers, None, positive_class=None)
        assert found[baseline.metric] < baseline.bound
    assert baseline.is_floor
    assert baseline.metric in plan.metrics


def test_of_a_target_with_a_few_huge_values_in_both_directions_the_median_is_learnt() -> None:
    values = [str(row % 7) for row in range(ROWS)]
    values[3], values[60] = "-53594.36", "38970"
    wild = propose(table(out=values), wishes(task=Task.REGRESSION), source="r.csv")
    tame = propose(table(out=[str(row % 70 - 30) for row in range(ROWS)]), wishes(), source="r.csv")
    objective = "space: {objective: {choices: [regression_l1]}}"

    assert objective in training_file(wild)
    assert "r2" not in wild.metrics
    assert objective not in training_file(tame)
    assert "r2" in tame.metrics


@pytest.mark.parametrize(
    ("changes", "asked", "sentence"),
    [
        ({"out": ["yes"] * ROWS}, {}, "target 'out': always 'yes' in 120 rows"),
        ({}, {"target": "id"}, "target 'id': looks like an id"),
        ({"out": [f"{row + 5000}.0" for row in range(ROWS)]}, {}, "target 'out': looks like an id"),
        ({}, {"target": "day"}, "target 'day': holds dates, e.g. "),
        ({"out": [f"c{row % 110}" for row in range(ROWS)]}, {"task": Task.MULTICLASS}, "110 distinct classes; at most"),
        ({}, {"positive_class": "maybe"}, "positive class 'maybe': not in column 'out'"),
        ({}, {"key": "age"}, r"key age: rows .* rows repeat an earlier one"),
        (
            {"day": ["1/13/2020", "2.1.2020"] * (ROWS // 2)},
            {"time": "day"},
            r"in 2 forms \('%m/%d/%Y' from row 1, '%d.%m.%Y' from row 2\)",
        ),
        ({"@x": ["1"] * ROWS}, {}, "column '@x' begins with '@'"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused_with_the_reason(
    changes: dict[str, list[str]], asked: dict[str, object], sentence: str
) -> None:
    with pytest.raises(DataContractError, match=sentence) as caught:
        propose(table(**changes), wishes(**asked), source="rows.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["2024", "007", "true", "1e5", "null"])
def test_a_folder_and_a_model_whose_names_yaml_would_take_for_something_else_are_named_so(
    name: str, tmp_path: Path
) -> None:
    folder = write_project(tmp_path / name, propose(table(), wishes(name=name), source="rows.csv"))
    assert validate_project(folder.root) == []
    assert (folder.config.project, load_model_files(folder, name).model.name) == (name, name)


@pytest.mark.parametrize(
    ("wished", "sentence"),
    [
        ({"task": Task.REGRESSION}, "'out': holds boolean values, e.g. .*; task regression needs numbers"),
        ({"target": "age", "positive_class": "1"}, "--positive-class 1: target 'age' is a regression .*; leave it out"),
        ({"ignore": ("out",)}, "--ignore out: is the target, time or key as well; name it once"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(wished: dict[str, object], sentence: str) -> None:
    with pytest.raises((ConfigError, DataContractError), match=sentence):
        propose(table(), wishes(**wished), source="rows.csv")


def test_column_names_of_more_digits_than_python_counts_with_are_no_crash() -> None:
    with pytest.raises(DataContractError, match="its first line looks like a row"):
        propose(pa.table({"9" * 5000: ["1"] * ROWS, "out": ["a", "b"] * (ROWS // 2)}), wishes(), source="rows.csv")


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"--target outcome: rows.csv has no such column; it has id, age"):
        propose(table(), wishes(target="outcome"), source="rows.csv")


def test_a_key_that_repeats_now_and_then_is_told_and_not_declared_unique() -> None:
    ids = [str(1000 + row) for row in range(ROWS - 1)] + ["1000"]

    plan = propose(table(id=ids), wishes(key="id"), source="rows.csv")

    assert plan.unique == ()
    assert any("rows 1 and 120 are both '1000'" in note for note in plan.notes)


def test_what_is_there_already_is_never_overwritten(tmp_path: Path) -> None:
    plan = propose(table(), wishes(), source="rows.csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")

    with pytest.raises(ConflictError, match="is not empty and no project"):
        write_project(tmp_path / "full", plan)
    folder = write_project(tmp_path / "project", plan)
    with pytest.raises(ConflictError, match="model 'model': is in project"):
        write_project(tmp_path / "project", plan)
    second = propose(table(), wishes(name="second", target="age"), source="rows.csv")
    write_project(tmp_path / "project", second)

    assert ProjectFolder.open(folder.root).model_names == ("model", "second")
    assert validate_project(folder.root) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "project"]


def test_numbers_written_for_people_are_named_as_such_and_refused_as_a_target() -> None:
    prices = [f"{1000 + 7 * row:,}.50" for row in range(ROWS)]
    told = "looks like numbers with signs or separators ('1,000.50')"

    assert (
        f"price: {told}; write bare ones, e.g. 1234.5, to use them"
        in propose(table(price=prices), wishes(), source="rows.csv").notes
    )
    with pytest.raises(DataContractError) as refused:
        propose(table(out=prices), wishes(), source="rows.csv")
    assert told in str(refused.value)


def test_numbers_beyond_what_can_be_calculated_with_are_words_and_said_to_be() -> None:
    plan = propose(table(huge=[str(10**17 + row) for row in range(ROWS)]), wishes(), source="rows.csv")

    assert any(note.startswith("huge: numbers too large") for note in plan.notes)
    assert "huge" in plan.ignored


def test_dates_without_a_time_are_pointed_out() -> None:
    assert any("day: holds dates" in note for note in propose(table(), wishes(), source="rows.csv").notes)
    assert not any("holds dates" in note for note in propose(table(), wishes(time="day"), source="rows.csv").notes)
