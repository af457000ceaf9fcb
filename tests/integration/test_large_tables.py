"""Tables with very many classes, categories and columns: from `init` to an answer, or refused with the reason."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.serving.bench import Bench

from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import DataContractError
from trimtab.lake.contract import judge
from trimtab.loop.model_files import ModelFiles, load_model_files
from trimtab.loop.starter.proposal import propose
from trimtab.loop.starter.wishes import Wishes
from trimtab.loop.starter.writing import write_project
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.training.request import RESULT_NAME, TrainingRequest, TrainingResult

CLASSES, LEVELS, COLUMNS = 60, 3_000, 500
SMALL = {
    "trials": 1,
    "cross_validation": None,
    "explain_rows": 20,
    "candidates": [
        {"type": "logistic_regression"},
        {
            "type": "lightgbm",
            "space": {name: {"choices": [value]} for name, value in (("n_estimators", 6), ("num_leaves", 7))},
        },
    ],
}


def many_classes_and_levels(rows: int = 1_200) -> pa.Table:
    """Return rows whose place tells one of 60 classes; one of 3 000 buyers stands in each, most of them rare."""
    rng = np.random.default_rng(4)
    place = rng.permutation(np.arange(rows) % CLASSES)
    buyer = np.where(rng.random(rows) < 0.5, rng.integers(0, 8, rows), rng.integers(8, LEVELS, rows))
    return pa.table(
        {
            "north": (place // 8 + rng.normal(0, 0.1, rows)).round(3).astype(str),
            "east": (place % 8 + rng.normal(0, 0.1, rows)).round(3).astype(str),
            "buyer": pa.array([f"buyer {one}" for one in buyer], mask=rng.random(rows) < 0.02),
            "kind": [f"kind {one:02d}" for one in place],
        }
    )


def many_columns(rows: int = 400) -> pa.Table:
    """Return 499 columns, numbers and categories by turns, of which three numbers tell whether it is a yes."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(rows, COLUMNS - 1)).round(3)
    columns: dict[str, Any] = {}
    for place, column in enumerate(values.T):
        is_number = place % 5 > 0
        columns[f"x{place}"] = column.astype(str) if is_number else np.where(column > 0, "up", "down")
    return pa.table(columns | {"y": np.where(values[:, 1:4].sum(axis=1) > 0, "yes", "no")})


def trained(table: pa.Table, target: str, root: Path) -> tuple[ModelFiles, TrainingResult]:
    """Return what `init` makes of the table, and what came of a small training of it."""
    project = write_project(root / "project", propose(table, Wishes("big", target), source="big.csv"))
    files = load_model_files(project, "big")
    judged = judge(table, files.contract)
    assert judged.broken.num_rows == 0
    pq.write_table(judged.passed, root / "snapshot.parquet")
    request = TrainingRequest(
        job_id="big-1",
        model=files.model.model_dump(mode="json"),
        contract=files.contract.model_dump(mode="json"),
        training=files.training.model_dump(mode="json") | SMALL,
        snapshot_path=str(root / "snapshot.parquet"),
        snapshot_id="snapshot-1",
        dataset_hash="d" * 64,
        config_hash="c" * 64,
        mlflow_uri=f"sqlite:///{root / 'mlflow.db'}",
        mlflow_artifacts=str(root / "artifacts"),
        experiment="big",
        out_dir=str(root / "out"),
    )
    (root / "request.json").write_bytes(msgspec.json.encode(request))
    command = [sys.executable, "-m", "trimtab.training.job", str(root / "request.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == 0, done.stderr
    return files, msgspec.json.decode((root / "out" / RESULT_NAME).read_bytes(), type=TrainingResult)


def deployed(result: TrainingResult, root: Path) -> Bench:
    """Return a server that has loaded the version's bundle, its golden rows answered as they should be."""
    assert result.bundle_dir is not None
    assert result.digest is not None
    bench = Bench(root / "state", journal_file_bytes=1 << 20)
    version = VariantSpec(
        name="stable",
        model="big",
        model_version=1,
        bundle_path=result.bundle_dir,
        bundle_digest=result.digest,
        weight_pct=Decimal(100),
    )
    status = bench.deploy(EndpointSpec(endpoint="big", generation=1, variants=(version,)))
    assert [one.ready for one in status.variants] == [True], status
    return bench


def answers(bench: Bench, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    code, body = bench.post("/predict", {"rows": rows})
    assert code == 200, body
    found: list[dict[str, Any]] = body["predictions"]
    return found


@pytest.mark.timeout(600)
def test_sixty_classes_and_three_thousand_categories_are_learnt_and_answered(tmp_path: Path) -> None:
    files, result = trained(many_classes_and_levels(), "kind", tmp_path)
    assert files.model.task is Task.MULTICLASS
    # More levels than a contract lists: it stays open, and the commonest are told apart.
    assert files.contract.columns["buyer"].values is None
    assert (result.status, result.metrics["accuracy"] > 0.4) == ("succeeded", True), result

    bench = deployed(result, tmp_path)
    at = {"north": 3.0, "east": 5.0}
    known, unseen, absent = answers(bench, [at | {"buyer": buyer} for buyer in ("buyer 3", "never seen", None)])
    assert len(known["probabilities"]) == CLASSES
    assert sum(known["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert known["prediction"] == unseen["prediction"] == absent["prediction"] == "kind 29"
    bench.journal.close()


@pytest.mark.timeout(600)
def test_five_hundred_columns_are_learnt_and_answered(tmp_path: Path) -> None:
    table = many_columns()
    files, result = trained(table, "y", tmp_path)
    assert len(files.features) == COLUMNS - 1
    assert (result.status, result.metrics["roc_auc"] > 0.6) == ("succeeded", True), result

    bench = deployed(result, tmp_path)
    kinds = {name: column.type for name, column in files.contract.columns.items()}
    rows = [
        {name: value if kinds[name] is ColumnKind.CATEGORY else float(value) for name, value in row.items()}
        for row in table.drop_columns("y").slice(0, 100).to_pylist()
    ]
    said = [one["prediction"] for one in answers(bench, rows)]
    assert np.mean(np.array(said) == table["y"].to_numpy()[:100]) > 0.7
    bench.journal.close()


def test_more_than_a_hundred_classes_are_refused_with_the_reason() -> None:
    rng = np.random.default_rng(6)
    classes = [f"kind {one}" for one in np.arange(1_010) % 101]
    table = pa.table({"x": rng.normal(size=1_010).astype(str), "kind": classes})
    with pytest.raises(DataContractError, match=r"target 'kind': 101 distinct classes; at most 100 can be learnt; "):
        propose(table, Wishes("big", "kind"), source="big.csv")
