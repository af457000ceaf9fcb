"""``trimtab batch`` in real processes: killed and stopped in the middle, it goes on and answers each row once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.processes import eventually, process, trimtab
from tests.integration.test_interrupts import in_terminal, press_ctrl_c, slow_server

from trimtab.bundle.predictor import Predictor
from trimtab.testing.bundles import tiny_bundle

ROWS = 400_000
"""Eight parts: enough that some are left when the first ones are there."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, and a file of many rows."""
    folder = tmp_path_factory.mktemp("batch")
    tiny_bundle(folder / "bundle")
    rng = np.random.default_rng(3)
    rows = {
        "id": np.arange(ROWS),
        "age": rng.normal(50, 10, ROWS),
        "chol": rng.normal(240, 50, ROWS),
        "sex": pa.DictionaryArray.from_arrays(rng.integers(0, 2, ROWS), ["female", "male"]),
    }
    pq.write_table(pa.table(rows), folder / "rows.parquet")
    return folder


def parts_of(output: Path) -> int:
    return sum(1 for _ in (output / ".parts").glob("*.json"))


def whole(place: Path, output: Path) -> None:
    """Say that every row has its answer, once and in order, and nothing else lies there."""
    manifest = json.loads((output / "_manifest.json").read_text("utf-8"))
    parts = [part["name"] for part in manifest["parts"]]
    assert sorted(path.name for path in output.glob("[!_.]*")) == parts
    assert [path.name for path in output.glob(".*.unfinished")] == []
    found = pa.concat_tables(pq.read_table(output / name) for name in parts)
    assert found["id"].to_pylist() == list(range(ROWS))
    assert len(set(found["prediction_id"].to_pylist())) == ROWS
    predictor = Predictor.load(place / "bundle", expected_digest=None)
    expected = predictor.predict(predictor.encoder.encode_table(pq.read_table(place / "rows.parquet")))
    np.testing.assert_array_equal(found["probability"].to_numpy(), expected.probability)


def test_a_run_that_was_killed_and_stopped_goes_on_each_time(place: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ("batch", place / "bundle", "--input", place / "rows.parquet", "--output", output)
    with process("-m", "trimtab.cli", *command, "--workers", "1", log=tmp_path / "log") as child:
        eventually(lambda: parts_of(output), within_s=120, wanted="a first part")
        workers = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        child.wait(60)
    # Whoever works for nobody stops by itself.
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    killed_at = parts_of(output)
    with in_terminal(*command, "--workers", "1") as shown:
        told = press_ctrl_c(shown, at=lambda: parts_of(output) > killed_at)
    assert "are answered already" in told
    assert "the same command goes on where it was" in told
    assert not (output / "_manifest.json").exists()
    stopped_at = parts_of(output)
    again = trimtab(*command, "--workers", "2", "--json")
    assert (again.code, again.json["rows"]) == (0, ROWS), again.err
    assert again.json["rows_before"] == stopped_at * 50_000
    assert f"goes on: {stopped_at * 50_000} of {ROWS} rows are answered already" in again.err
    whole(place, output)


def test_a_model_means_the_version_that_serves(place: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("age,chol,sex\n54,240,male\nold,240,male\n", encoding="utf-8")
    versions = [{"number": 3, "aliases": "challenger"}, {"number": 2, "aliases": "champion"}]
    digest = tiny_bundle(tmp_path / "served").digest
    routes = {
        "versions.list": ("GET", "/api/models/{model}/versions"),
        "versions.show": ("GET", "/api/models/{model}/versions/{number}"),
    }
    answers = {
        ("GET", "/api/models/tiny/versions"): {"versions": versions},
        ("GET", "/api/models/tiny/versions/2"): {"bundle_path": str(tmp_path / "served"), "digest": digest},
    }
    command = ("batch", "tiny", "--output", tmp_path / "out", "--format", "csv", "--input", rows)
    with slow_server(("GET", "/never"), routes, answers) as server:
        settings = {"TRIMTAB_API_URL": server.url, "TRIMTAB_API_KEY": "key"}
        refused = trimtab(*command, env=settings)
        done = trimtab(*command, "--on-error", "null", env=settings)
    assert refused.code == 1
    assert f"{rows}: row 2: field 'age' is text 'old'" in refused.sentence
    assert done.code == 0, done.err
    assert "2 rows answered by tiny@2, 1 without an answer" in done.out
    (part,) = (tmp_path / "out").glob("*.csv")
    assert '"54","240","male","yes"' in part.read_text("utf-8")


def test_what_is_neither_a_bundle_nor_in_a_project_is_told_as_both(place: Path, tmp_path: Path) -> None:
    refused = trimtab("batch", "bundel", "--input", place / "rows.parquet", "--output", "out", cwd=tmp_path)
    assert refused.code == 2
    assert (
        "model 'bundel': is no folder of a bundle, and no project can be asked for it: .: holds no trimtab.yaml"
        in refused.sentence
    )
    assert not (tmp_path / "out").exists()
