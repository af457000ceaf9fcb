"""Files answered: each row once and in order, bad rows told by file, row and column, and no foreign folder touched."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError, ConflictError, DataContractError, NotFoundError
from trimtab.serving.batch.answering import check_columns
from trimtab.serving.batch.csv_rows import read_csv_part, scan_csv
from trimtab.serving.batch.inputs import RowRange, examine, find_files
from trimtab.serving.batch.parts import OutputFolder, OutputFormat, PartFacts, RunFacts
from trimtab.serving.batch.reading import batches
from trimtab.serving.batch.run import plan_tasks
from trimtab.serving.batch.worker import Setup, answer_part
from trimtab.testing.bundles import tiny_bundle

HEADER = "age,chol,sex\n"


class Desk:
    """A bundle, and files answered by it in this process."""

    def __init__(self, folder: Path, task: Task = Task.BINARY) -> None:
        self.folder = folder
        self.manifest = tiny_bundle(folder / "bundle", task=task)
        self.predictor = Predictor.load(folder / "bundle", expected_digest=None)
        self.facts: list[PartFacts] = []

    def answered(self, path: Path, *, nulls: bool = False, output: OutputFormat = OutputFormat.PARQUET) -> pa.Table:
        setup = Setup(str(self.folder / "bundle"), self.manifest.digest, "3", str(self.folder), output, nulls)
        self.facts = [
            answer_part(setup, self.predictor, task, lambda _: None) for task in plan_tasks([examine(path)], output)
        ]
        read = pq.read_table if output is OutputFormat.PARQUET else pa_csv.read_csv
        return pa.concat_tables([read(self.folder / facts.name) for facts in self.facts])

    def written(self, text: str, name: str = "rows.csv") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def patients(rows: int) -> pa.Table:
    rng = np.random.default_rng(7)
    return pa.table(
        {
            "id": np.arange(rows),
            "age": rng.normal(50, 10, rows),
            "chol": pa.array(rng.normal(240, 50, rows), mask=rng.random(rows) < 0.1),
            "sex": rng.choice(["male", "female", "other"], rows).tolist(),
        }
    )


def test_every_row_is_answered_once_in_order_beside_the_columns_it_came_with(desk: Desk) -> None:
    table = patients(60_000)
    pq.write_table(table, desk.folder / "rows.parquet", row_group_size=7_001)
    found = desk.answered(desk.folder / "rows.parquet")
    expected = desk.predictor.predict(desk.predictor.encoder.encode_table(table))
    assert expected.probabilities is not None
    assert len(desk.facts) == 2
    assert found.select(table.column_names).equals(table)
    assert found["prediction"].to_pylist() == expected.labels.tolist()
    np.testing.assert_array_equal(found["probability"].to_numpy(), expected.probability)
    np.testing.assert_array_equal(found["probability_no"].to_numpy(), expected.probabilities[:, 0])
    assert len(set(found["prediction_id"].to_pylist())) == 60_000
    assert set(found["model_version"].to_pylist()) == {"3"}
    assert "prediction_error" not in found.column_names


def test_csv_and_parquet_of_the_same_rows_have_the_same_answers(desk: Desk) -> None:
    table = patients(500)
    pa_csv.write_csv(table, desk.folder / "rows.csv")
    pq.write_table(table, desk.folder / "rows.parquet")
    names = ["prediction", "probability", "probability_no", "probability_yes"]
    from_csv, from_parquet = (desk.answered(desk.folder / name) for name in ("rows.csv", "rows.parquet"))
    assert from_csv.select(names).equals(from_parquet.select(names))
    into_csv = desk.answered(desk.folder / "rows.csv", output=OutputFormat.CSV)
    assert into_csv["prediction_id"].to_pylist() == from_csv["prediction_id"].to_pylist()
    assert into_csv["id"].to_pylist() == list(range(500))


def test_the_mark_that_begins_some_csv_files_is_no_part_of_a_name(desk: Desk) -> None:
    found = desk.answered(desk.written("\ufeff" + HEADER + "54,240,male\n"))
    assert found.column_names[0] == "age"
    path = desk.written("", "wide.csv")
    path.write_bytes((HEADER + "54,240,male\n").encode("utf-16"))
    with pytest.raises(DataContractError, match="is UTF-16"):
        desk.answered(path)


def test_a_number_is_answered_by_a_number(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Task.REGRESSION)
    found = desk.answered(desk.written(HEADER + "60,240,female\n"))
    assert found["prediction"].to_pylist() == pytest.approx([110.0])
    assert [name for name in found.column_names if name.startswith("probability")] == []


def test_a_file_without_rows_gives_a_part_without_rows(desk: Desk) -> None:
    for output in OutputFormat:
        found = desk.answered(desk.written(HEADER), output=output)
        assert (found.num_rows, found.column_names[:4]) == (0, ["age", "chol", "sex", "prediction"])


BAD = HEADER + "54,240,male\nold,1,male\n,2,female\n61,,female\n1e300,3,male\n45, 233 ,other\n"


def test_bad_rows_have_no_answer_and_say_why_where_that_is_wanted(desk: Desk) -> None:
    found = desk.answered(desk.written(BAD), nulls=True)
    errors = found["prediction_error"].to_pylist()
    assert [error is None for error in errors] == [True, False, False, True, False, True]
    assert "field 'age' is text 'old'" in errors[1]
    assert "field 'age' is null" in errors[2]
    assert "field 'age' is 1e+300" in errors[4]
    for name in ("prediction", "probability", "probability_yes", "prediction_id"):
        assert [value is None for value in found[name].to_pylist()] == [error is not None for error in errors]
    assert found["age"].to_pylist() == ["54", "old", None, "61", "1e300", "45"]
    assert [facts.refused for facts in desk.facts] == [3]
    good = desk.answered(desk.written(HEADER + "54,240,male\n", "good.csv"))
    assert good["probability"][0] == found["probability"][0]


def test_numbers_that_are_none_or_endless_are_told_in_parquet_too(desk: Desk) -> None:
    ages = [50.0, float("nan"), float("inf"), None]
    pq.write_table(
        pa.table({"age": ages, "sex": pa.array(["male"] * 4).dictionary_encode()}), desk.folder / "n.parquet"
    )
    errors = desk.answered(desk.folder / "n.parquet", nulls=True)["prediction_error"].to_pylist()
    assert errors[0] is None
    assert ["field 'age' is NaN" in errors[1], "is inf" in errors[2], "is null" in errors[3]] == [True, True, True]


def test_a_bad_row_stops_its_part_before_anything_is_written(desk: Desk) -> None:
    with pytest.raises(DataContractError, match=r"rows\.csv: row 2: field 'age' is text 'old'.*2 more"):
        desk.answered(desk.written(BAD))
    assert [path.name for path in desk.folder.iterdir() if "prediction" in path.name or "0000" in path.name] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("age,age,sex\n1,2,male\n", "two columns 'age'"),
        (HEADER + "1,2,male\n1,2\n", "row 2: has 2 fields, expected 3"),
        (HEADER + '1,2,ma"le\n1,2,female\n', "quotation mark"),
        (HEADER + '1,2,ma"le\n1,2,fe"male\n', "quotation marks"),
        (HEADER + '1,2,male\n1,2,"male\n1,2,male\n1,2,male\n', "row 2: a quotation mark is never closed"),
        (HEADER.replace("\n", "\r") + "1,2,male\r", "its header cannot be read"),
        ("a" * 200_000 + "\n1\n", "its header cannot be read"),
        ("height,weight\n1,2\n", "none is one that the model takes"),
    ],
)
def test_a_file_that_is_no_table_is_refused(desk: Desk, text: str, told: str) -> None:
    with pytest.raises(DataContractError, match=told):
        desk.answered(desk.written(text), nulls=True)


def test_a_column_of_another_type_is_told_with_its_file(desk: Desk) -> None:
    pq.write_table(pa.table({"age": [1.0], "chol": [2.0], "sex": [1]}), desk.folder / "rows.parquet")
    with pytest.raises(DataContractError, match=r"rows\.parquet: column 'sex': type int64"):
        desk.answered(desk.folder / "rows.parquet", nulls=True)


def test_columns_that_lack_or_are_taken_are_named(desk: Desk) -> None:
    with pytest.raises(DataContractError, match="no column 'age', 'sex'"):
        check_columns("a.csv", ("chol",), desk.manifest, nulls=False)
    with pytest.raises(DataContractError, match="column 'probability_yes' already"):
        check_columns("a.csv", ("age", "sex", "probability_yes"), desk.manifest, nulls=False)
    check_columns("a.csv", ("age", "sex", "prediction_error"), desk.manifest, nulls=False)


cells = st.text(st.sampled_from('a7 ,"\n\r;é'), max_size=6)


@given(
    rows=st.lists(st.tuples(cells, cells, st.just("end")), max_size=12),
    ending=st.sampled_from(["\n", "\r\n"]),
    blank=st.booleans(),
    closed=st.booleans(),
    rows_a_part=st.integers(1, 5),
    chunk_bytes=st.integers(1, 40),
)
def test_a_csv_file_is_cut_at_the_ends_of_rows_only(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    ending: str,
    blank: bool,
    closed: bool,
    rows_a_part: int,
    chunk_bytes: int,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=ending * (1 + blank))
    writer.writerows([("x", "y\n1", "z"), *rows])
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    path.write_bytes((text.getvalue() if closed else text.getvalue().rstrip("\r\n")).encode())
    scanned = scan_csv(path, rows_a_part=rows_a_part, chunk_bytes=chunk_bytes)
    assert scanned.columns == ("x", "y\n1", "z")
    found: list[tuple[str | None, ...]] = []
    for first, stop, offset, size in scanned.parts:
        assert (first, stop - first <= rows_a_part) == (len(found), True)
        table = read_csv_part(str(path), scanned.columns, offset, size, first, stop - first)
        found += zip(*(column.to_pylist() for column in table.columns), strict=True)
    assert found == [tuple(cell or None for cell in row) for row in rows]


def test_any_range_of_a_parquet_file_is_read_across_its_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": np.arange(1_000)}), tmp_path / "n.parquet", row_group_size=130)
    file = examine(tmp_path / "n.parquet")
    for first, stop in ((0, 1_000), (0, 130), (129, 131), (300, 777), (999, 1_000), (5, 5)):
        read = [n for table in batches(file, RowRange(first, stop)) for n in table["n"].to_pylist()]
        assert read == list(range(first, stop))


def test_files_folders_and_patterns_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.CSV", "_manifest.json", ".d.csv", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files([str(tmp_path)])] == ["a.parquet", "b.csv", "c.CSV"]
    assert [path.name for path in find_files([str(tmp_path / "*.csv"), str(tmp_path / "a.parquet")])] == [
        "b.csv",
        "a.parquet",
    ]
    with pytest.raises(NotFoundError, match="no such file"):
        find_files([str(tmp_path / "z*.csv")])
    with pytest.raises(ConfigError, match=r"neither .parquet nor .csv"):
        find_files([str(tmp_path / "notes.txt")])
    with pytest.raises(ConfigError, match="named twice"):
        find_files([str(tmp_path), str(tmp_path / "b.csv")])


def test_a_quotation_mark_in_the_last_line_may_be_meant(desk: Desk) -> None:
    for end in ("", "\n"):
        answers = desk.answered(desk.written(HEADER + '1,2,male\n1,2,5" tall' + end), nulls=True)
        assert answers.column("sex").to_pylist() == ["male", '5" tall']


def test_what_is_no_plain_file_or_has_no_sayable_name_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ConfigError, match=r"pipe\.csv: is no plain file"):
        find_files([str(tmp_path / "pipe.csv")])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / os.fsdecode(b"\xff.csv")).write_text(HEADER)
    with pytest.raises(ConfigError, match=r"\?\.csv: its name is no UTF-8"):
        find_files([str(tmp_path / "folder")])


def test_a_table_of_very_many_columns_is_examined_as_any_other(desk: Desk) -> None:
    columns = [*HEADER.strip().split(","), *(f"c{place}" for place in range(100_000))]
    # Compared with one another, they would take minutes.
    assert examine(desk.written(",".join(columns) + "\n")).columns == tuple(columns)


def test_the_same_rows_under_two_names_are_refused(desk: Desk) -> None:
    twice = [examine(desk.written(HEADER + "1,2,male\n", name)) for name in ("a.csv", "b.csv")]
    with pytest.raises(ConfigError, match=r"b\.csv: holds the same as .*a\.csv"):
        plan_tasks(twice, OutputFormat.CSV)


def run_facts(**changes: object) -> RunFacts:
    fields: dict[str, object] = {
        "model": "tiny",
        "model_version": "3",
        "bundle_digest": "b",
        "format": OutputFormat.CSV,
        "on_error": "refuse",
        "inputs": ("f",),
    }
    return RunFacts(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bundle_digest": "c"}, "another bundle"),
        ({"format": OutputFormat.PARQUET}, "another --format"),
        ({"on_error": "null"}, "another --on-error"),
        ({"inputs": ("f", "g")}, "other input files"),
        ({"rows_a_part": 7}, "another --rows-per-part"),
        ({"recorded": "clinic intake"}, "recorded elsewhere or not at all"),
    ],
)
def test_a_folder_of_another_run_is_refused(desk: Desk, change: dict[str, object], told: str) -> None:
    kept = OutputFolder(desk.folder / "out")
    with kept.held(run_facts(on_error="other")):
        pass  # stopped before its first part: the folder may be used for another run
    desk.answered(desk.written(HEADER + "1,2,male\n"))
    with kept.held(run_facts()):
        kept.enter(desk.facts[0])
    with pytest.raises(ConflictError, match=told), kept.held(run_facts(**change)):
        pass
    with kept.held(run_facts()), pytest.raises(ConflictError, match="another 'trimtab batch'"), kept.held(run_facts()):
        pass


def test_a_run_that_goes_on_is_as_old_as_its_first_start(tmp_path: Path) -> None:
    for started_us in (5, 9):
        with OutputFolder(tmp_path / "out").held(run_facts(started_us=started_us)) as run:
            assert run.started_us == 5


def test_a_folder_that_is_not_ours_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConflictError, match="is not empty"), OutputFolder(tmp_path).held(run_facts()):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_part_that_was_changed_is_told_and_one_that_is_gone_is_written_again(desk: Desk) -> None:
    desk.answered(desk.written(HEADER + "1,2,male\n"))
    facts, kept = desk.facts[0], OutputFolder(desk.folder)
    kept.enter(facts)
    assert kept.finished(facts.name) == facts
    (desk.folder / facts.name).write_bytes(b"else")
    with pytest.raises(ConflictError, match="was changed since"):
        kept.finished(facts.name)
    (desk.folder / facts.name).unlink()
    assert kept.finished(facts.name) is None
