"""Images answered from their files: each once, by path, whatever they are called; damaged ones told by name."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import ConfigError, DataContractError, NotFoundError
from trimtab.serving.batch.answering import check_columns
from trimtab.serving.batch.asked import asked_about
from trimtab.serving.batch.images import ImageFiles, image_batches
from trimtab.serving.batch.parts import OutputFormat
from trimtab.serving.batch.run import Done, ServedBundle, plan_tasks, run_batch
from trimtab.serving.batch.worker import Setup, answer_part
from trimtab.testing.bundles import tiny_bundle
from trimtab.testing.image_bundles import png, tiny_image_bundle


def encoded(level: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (level, level, level)).save(file, kind)
    return file.getvalue()


class Darkroom:
    """A bundle of images, and files answered by it in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Manifest = tiny_image_bundle(folder / "bundle")
        self.predictor = Predictor.load(folder / "bundle", expected_digest=None)
        self.shots = folder / "shots"
        self.outputs = (folder / f"out-{place}" for place in itertools.count())

    def shot(self, name: str, content: bytes) -> Path:
        path = self.shots / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def answered(self, *named: Path, nulls: bool = False, rows_a_part: int | None = None) -> pa.Table:
        output = next(self.outputs)
        output.mkdir()
        setup = Setup(
            str(self.folder / "bundle"), self.manifest.digest, "3", str(output), OutputFormat.PARQUET, nulls=nulls
        )
        asked = asked_about([str(one) for one in named], self.manifest, rows_a_part)
        tasks = plan_tasks(asked, OutputFormat.PARQUET)
        for task in tasks:
            answer_part(setup, self.predictor, task, lambda _: None)
        return pa.concat_tables([pq.read_table(output / task.name) for task in tasks])

    def ran(self, output: Path, heard: Callable[[int], None] = lambda _: None) -> Done:
        return run_batch(
            ServedBundle(self.folder / "bundle", self.manifest, "3"),
            asked_about([str(self.shots)], self.manifest, 2),
            output,
            output=OutputFormat.PARQUET,
            nulls=False,
            workers=1,
            rows_a_part=2,
            planned=lambda _rows, _before: None,
            answered=heard,
        )


@pytest.fixture
def darkroom(tmp_path: Path) -> Darkroom:
    return Darkroom(tmp_path)


def test_a_folder_is_answered_by_path_whatever_its_images_are_called(darkroom: Darkroom) -> None:
    darkroom.shot("b/2.JPG", encoded(250, "JPEG"))
    darkroom.shot("b/10", encoded(10, "WEBP"))
    darkroom.shot("a.png", encoded(200, "PNG"))
    darkroom.shot("c.png", encoded(5, "JPEG"))
    darkroom.shot("read me.txt", b"none of them")
    darkroom.shot(".thumbs/a.png", png(0))
    darkroom.shot("b/._2.jpg", b"of the file manager")
    found = darkroom.answered(darkroom.shots, rows_a_part=3)
    assert found["path"].to_pylist() == ["a.png", "b/10", "b/2.JPG", "c.png"]
    assert found["prediction"].to_pylist() == ["bright", "dark", "bright", "dark"]
    assert found.column_names[:4] == ["path", "prediction", "probability", "probability_dark"]
    expected = darkroom.predictor.predict_rows([{"image": (darkroom.shots / "b/10").read_bytes()}])
    assert expected.probability is not None
    assert found["probability"][1].as_py() == pytest.approx(float(expected.probability[0]))


def test_an_image_keeps_its_id_when_others_come_and_has_another_when_it_changes(darkroom: Darkroom) -> None:
    darkroom.shot("b.png", png(200))
    darkroom.shot("copy.png", png(200))
    (first, copy) = darkroom.answered(darkroom.shots)["prediction_id"].to_pylist()
    darkroom.shot("a.png", png(10))
    darkroom.shot("copy.png", png(201))
    after = darkroom.answered(darkroom.shots)
    found = dict(zip(after["path"].to_pylist(), after["prediction_id"].to_pylist(), strict=True))
    assert found["b.png"] == first != copy
    assert found["copy.png"] != copy
    assert len(set(found.values())) == 3


def test_a_column_of_images_is_answered_like_their_files(darkroom: Darkroom) -> None:
    shots = [darkroom.shot(f"{level:03}.png", png(level)).read_bytes() for level in range(0, 250, 5)]
    from_files = darkroom.answered(darkroom.shots)["probability"].to_numpy()
    texts = [base64.b64encode(shot).decode() for shot in shots]
    for name, column in {"bytes": pa.array(shots, pa.binary()), "text": pa.array(texts)}.items():
        path = darkroom.folder / f"{name}.parquet"
        pq.write_table(pa.table({"camera": ["north"] * len(shots), "image": column}), path)
        found = darkroom.answered(path)
        np.testing.assert_allclose(found["probability"].to_numpy(), from_files)
        assert found.column_names[:3] == ["camera", "image", "prediction"]


def test_a_damaged_image_is_told_by_its_path(darkroom: Darkroom) -> None:
    darkroom.shot("a.png", png(200))
    bad = darkroom.shot("b.jpg", encoded(90, "JPEG")[:200])
    moving = darkroom.shot("c.gif", encoded(90, "GIF"))
    empty = darkroom.shot("d.png", b"")
    with pytest.raises(DataContractError, match=r"b\.jpg: 200 bytes that are .*image.*2 more") as refused:
        darkroom.answered(darkroom.shots)
    assert str(refused.value).startswith(f"{bad}: ")
    found = darkroom.answered(darkroom.shots, nulls=True)
    assert found["path"].to_pylist() == ["a.png", bad.name, moving.name, empty.name]
    assert [reason is None for reason in found["prediction_error"].to_pylist()] == [True, False, False, False]
    assert found["prediction"].to_pylist() == ["bright", None, None, None]


def test_a_row_without_an_image_says_so(darkroom: Darkroom) -> None:
    path = darkroom.folder / "rows.parquet"
    pq.write_table(pa.table({"image": pa.array([png(9), None, b"?"], pa.binary())}), path)
    reasons = darkroom.answered(path, nulls=True)["prediction_error"].to_pylist()
    assert reasons[0] is None
    assert reasons[1] == "field 'image' is null; expected an image, its bytes or they in base64; add it"
    assert reasons[2].startswith("field 'image': 1 bytes that are no image")


def test_single_files_and_patterns_are_called_as_they_were_named(darkroom: Darkroom) -> None:
    one, two = darkroom.shot("x/one.png", png(9)), darkroom.shot("y/two.png", png(250))
    assert darkroom.answered(two, one)["path"].to_pylist() == [str(two), str(one)]
    assert darkroom.answered(darkroom.shots / "*" / "*.png")["path"].to_pylist() == [str(one), str(two)]
    assert darkroom.answered(two.parent, one.parent)["path"].to_pylist() == [str(two), str(one)]
    with pytest.raises(ConfigError, match="named twice"):
        darkroom.answered(darkroom.shots, one)


def test_what_a_model_does_not_take_is_refused(darkroom: Darkroom, tmp_path: Path) -> None:
    shot = darkroom.shot("a.png", png(9))
    rows = tmp_path / "rows.csv"
    rows.write_text("age,sex\n54,male\n", encoding="utf-8")
    tables = tiny_bundle(tmp_path / "tables")
    for named in (shot, darkroom.shots):
        with pytest.raises(ConfigError, match=r"a\.png: is an image, but model 'tiny' takes rows of 'age', 'chol'"):
            asked_about([str(named)], tables)
    with pytest.raises(ConfigError, match=r"rows\.csv: is no image, while .*a\.png is one"):
        asked_about([str(rows), str(shot)], darkroom.manifest)
    with pytest.raises(NotFoundError, match=r"no such file, .* or images"):
        asked_about([str(tmp_path / "none" / "*.png")], darkroom.manifest)
    (asked,) = asked_about([str(rows)], darkroom.manifest)
    with pytest.raises(DataContractError, match="no column 'image', which model 'bright' needs"):
        check_columns(str(rows), asked.columns, darkroom.manifest, nulls=False)


def test_few_images_are_held_at_once_and_one_that_was_changed_is_told(darkroom: Darkroom) -> None:
    for number in range(9):
        darkroom.shot(f"{number}.png", png(number))
    (files,) = asked_about([str(darkroom.shots)], darkroom.manifest)
    assert isinstance(files, ImageFiles)
    assert [table.num_rows for table in image_batches(files, 4)] == [4, 4, 1]
    darkroom.shot("8.png", png(77))
    with pytest.raises(DataContractError, match=r"8\.png: was changed while"):
        list(image_batches(files, 4))


def test_a_run_that_was_stopped_goes_on_behind_its_last_whole_part(darkroom: Darkroom, tmp_path: Path) -> None:
    for number in range(7):
        darkroom.shot(f"{number}.png", png(30 * number))
    output, heard = tmp_path / "out", itertools.count()

    def stop_in_the_third_part(rows: int) -> None:
        if rows and next(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        darkroom.ran(output, stop_in_the_third_part)
    done = darkroom.ran(output)
    assert (done.rows, done.rows_before, done.parts) == (7, 4, 4)
    assert pq.read_table(output)["path"].to_pylist() == [f"{number}.png" for number in range(7)]
