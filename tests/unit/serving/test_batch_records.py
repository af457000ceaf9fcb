"""Answers of a batch as records: what a server would have recorded of the same rows, and each of them once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import BackendError, ConfigError, DataContractError
from trimtab.records.schema import KIND_KEY, SEGMENT_COLUMNS
from trimtab.records.segments import read_segment
from trimtab.serving.batch.asked import asked_about
from trimtab.serving.batch.parts import OutputFormat
from trimtab.serving.batch.recording import Recording, hand_over
from trimtab.serving.batch.run import ServedBundle, plan_tasks, run_batch
from trimtab.serving.batch.worker import Setup, answer_part
from trimtab.testing.bundles import tiny_bundle
from trimtab.testing.image_bundles import png, tiny_image_bundle

NOW_US = 1_900_000_000_000_000
ROWS = """\
id,at,age,chol,sex
c1,2030-01-02T03:04:05Z,54,,male
,,61.5,200,female
7,2030-01-02T03:04:06+01:00,40,180,other
"""


class Clerk:
    """A bundle whose answers go to an intake as well."""

    def __init__(self, folder: Path, *, images: bool = False, task: Task = Task.BINARY) -> None:
        self.folder = folder
        self.intake = folder / "intake"
        make = tiny_image_bundle if images else None
        bundle = folder / "bundle"
        self.manifest = make(bundle) if make else tiny_bundle(bundle, task=task, key="id", time="at")
        self.predictor = Predictor.load(bundle, expected_digest=None)

    def answered(
        self, named: Path, *, output: str = "out", nulls: bool = False, now_us: int = NOW_US, rows_a_part: int = 100
    ) -> pa.Table:
        folder = self.folder / output
        folder.mkdir(exist_ok=True)
        recording = Recording(str(self.intake), "clinic", 4)
        setup = Setup(
            str(self.folder / "bundle"),
            self.manifest.digest,
            "4",
            str(folder),
            OutputFormat.PARQUET,
            nulls,
            recording,
            now_us,
        )
        tasks = plan_tasks(asked_about([str(named)], self.manifest, rows_a_part), OutputFormat.PARQUET)
        for task in tasks:
            answer_part(setup, self.predictor, task, lambda _: None)
        return pa.concat_tables([pq.read_table(folder / task.name) for task in tasks])

    def written(self, text: str) -> Path:
        path = self.folder / "rows.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def segments(self) -> list[pa.Table]:
        return [read_segment(path) for path in sorted(self.intake.glob("*.arrow"))]

    def ids(self) -> list[str]:
        return [one for table in self.segments() for one in table["prediction_id"].to_pylist()]


@pytest.fixture
def clerk(tmp_path: Path) -> Clerk:
    return Clerk(tmp_path)


def test_a_row_is_recorded_with_its_answer_key_and_time(clerk: Clerk) -> None:
    answers = clerk.answered(clerk.written(ROWS))
    (found,) = clerk.segments()
    assert tuple(found.column_names) == (*SEGMENT_COLUMNS, "f.age", "f.chol", "f.sex")
    said = found.schema.metadata
    assert (said[b"endpoint"], said[b"model"], said[b"model_version"]) == (b"clinic", b"tiny", b"4")
    assert said[b"bundle_digest"] == clerk.manifest.digest.encode()
    for name in ("prediction_id", "prediction", "probability"):
        assert found[name].to_pylist() == answers[name].to_pylist()
    assert found["record_key"].to_pylist() == ["c1", None, "7"]
    assert found["event_us"].to_pylist() == [1_893_553_445_000_000, NOW_US, 1_893_549_846_000_000]
    assert found["f.age"].to_pylist() == [54.0, 61.5, 40.0]
    assert found["f.chol"].to_pylist() == [None, 200.0, 180.0]
    assert found["f.sex"].to_pylist() == ["male", "female", "other"]
    assert {*found["variant"].to_pylist(), *found["source"].to_pylist()} == {"batch"}
    for name in ("assignment_probability", "latency_ms"):
        assert found[name].null_count == 3, "nothing was drawn, and nobody waited"
    assert found.schema.field("f.sex").metadata[KIND_KEY.encode()] == str(ColumnKind.CATEGORY).encode()


def test_parquet_is_recorded_like_csv_and_its_moments_to_the_microsecond(clerk: Clerk) -> None:
    nan = float("nan")
    rows = {
        "id": [12.0, nan, 13.0],
        "at": pa.array([1_000_001, None, 2_000_002], pa.timestamp("us")),
        "age": pa.array([54, 61, 40], pa.int16()),
        "chol": [nan, 200.0, 180.0],
        "sex": pa.array(["male", "female", None]).dictionary_encode(),
    }
    path = clerk.folder / "rows.parquet"
    pq.write_table(pa.table(rows), path)
    clerk.answered(path, nulls=True)
    (found,) = clerk.segments()
    assert found["record_key"].to_pylist() == ["12", None], "the last row's sex is null: it has no answer"
    assert found["event_us"].to_pylist() == [1_000_001, NOW_US]
    assert found["f.chol"].to_pylist() == [None, 200.0]


def test_a_repetition_makes_the_same_segments_wherever_it_writes(clerk: Clerk) -> None:
    path = clerk.written("age,sex\n" + "".join(f"{age},male\n" for age in range(20, 60)))
    clerk.answered(path, rows_a_part=15)
    before = [table.schema.metadata[b"segment_id"] for table in clerk.segments()]
    assert len(before) == 3
    clerk.answered(path, rows_a_part=15, output="again", now_us=NOW_US + 5)
    assert [table.schema.metadata[b"segment_id"] for table in clerk.segments()] == before
    assert len(clerk.ids()) == len(set(clerk.ids())) == 40


def test_what_has_no_answer_is_not_recorded_and_of_a_refused_part_nothing(clerk: Clerk) -> None:
    path = clerk.written("age,sex\n30,male\nold,male\n50,female\n")
    with pytest.raises(DataContractError, match="row 2"):
        clerk.answered(path)
    assert clerk.segments() == []
    answers = clerk.answered(path, nulls=True)
    assert clerk.ids() == [one for one in answers["prediction_id"].to_pylist() if one is not None]
    assert len(clerk.ids()) == 2


@pytest.mark.parametrize(
    ("row", "told"),
    [("c1,yesterday,54,200,male", "row 1: .*'at' is text 'yesterday'"), (f"{'x' * 300},,54,200,male", "field 'id'")],
)
def test_a_row_without_a_usable_name_is_refused_where_it_is_to_be_recorded(clerk: Clerk, row: str, told: str) -> None:
    with pytest.raises(DataContractError, match=told):
        clerk.answered(clerk.written(f"id,at,age,chol,sex\n{row}\n"))
    answers = clerk.answered(clerk.written(f"id,at,age,chol,sex\n{row}\nc2,,54,200,male\n"), nulls=True)
    assert answers["prediction"].to_pylist() == [None, "no"]
    assert len(clerk.ids()) == 1


def test_of_an_image_its_properties_are_recorded_and_its_path_is_its_key(tmp_path: Path) -> None:
    clerk = Clerk(tmp_path, images=True)
    for name, level in (("a.png", 20), ("b/c.png", 240)):
        (tmp_path / "shots" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shots" / name).write_bytes(png(level, width=30))
    clerk.answered(tmp_path / "shots")
    (found,) = clerk.segments()
    assert found["record_key"].to_pylist() == ["a.png", "b/c.png"]
    assert found["f.image_width"].to_pylist() == [30.0, 30.0]
    assert found["f.image_brightness"].to_pylist() == pytest.approx([20 / 255, 240 / 255], abs=1e-3)


def test_a_number_is_recorded_as_a_number(tmp_path: Path) -> None:
    clerk = Clerk(tmp_path, task=Task.REGRESSION)
    clerk.answered(clerk.written("age,chol,sex\n60,240,female\n"))
    (found,) = clerk.segments()
    assert (found["prediction"].to_pylist(), found["probability"].to_pylist()) == (pytest.approx([110.0]), [None])


def test_an_address_that_is_none_is_told_before_a_row_is_answered(clerk: Clerk) -> None:
    with pytest.raises(ConfigError, match=r"intake .ftp://x.*expected a folder"):
        run_batch(
            ServedBundle(clerk.folder / "bundle", clerk.manifest, "4", 4),
            asked_about([str(clerk.written(ROWS))], clerk.manifest),
            clerk.folder / "out",
            output=OutputFormat.CSV,
            nulls=False,
            workers=1,
            recording=Recording("ftp://x", "clinic", 4),
            planned=lambda _rows, _before: None,
            answered=lambda _rows: None,
        )
    assert not (clerk.folder / "out").exists()


def test_an_intake_without_room_is_asked_again_and_then_told(tmp_path: Path) -> None:
    waited: list[float] = []
    recording = Recording(str(tmp_path), "clinic", 1, limit_bytes=10)
    hand_over(recording, [("ab" * 16, b"0123456789")])
    with pytest.raises(BackendError, match=r"wait there.*start the same command again"):
        hand_over(recording, [("cd" * 16, b"1")], sleep=waited.append)
    assert sum(waited) >= 60

    def made_room(pause_s: float) -> None:
        waited.append(pause_s)
        (tmp_path / f"{'ab' * 16}.arrow").unlink(missing_ok=True)

    hand_over(recording, [("cd" * 16, b"1")], sleep=made_room)
    assert [path.name for path in tmp_path.glob("*.arrow")] == [f"{'cd' * 16}.arrow"]
