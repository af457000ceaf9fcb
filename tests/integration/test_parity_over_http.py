"""Ten thousand rows a model through the real server, against the estimators that the models were made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from tests.integration.processes import eventually, process

from trimtab.bundle.encoder import Encoder
from trimtab.bundle.writer import write_bundle
from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.enums import Task
from trimtab.files import write_atomically
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.spec_files import spec_path
from trimtab.training.data import TrainingData, read_training_data, shell_manifest
from trimtab.training.estimators import Fitted, Scalar, fit
from trimtab.training.export import export
from trimtab.training.golden import golden_table
from trimtab.training.probes import edge_moments, thresholds_of
from trimtab.training.settings import Algorithm, TrainingConfig

ROWS = 10_080
ROWS_A_REQUEST = 720
TRAINED_ON = 900
PARAMS: dict[Algorithm, dict[str, Scalar]] = {
    Algorithm.LOGISTIC_REGRESSION: {"C": 1.0},
    Algorithm.RIDGE: {"alpha": 1.0},
    Algorithm.RANDOM_FOREST: {"n_estimators": 12, "max_depth": 7},
    Algorithm.XGBOOST: {"n_estimators": 20, "max_depth": 4},
    Algorithm.LIGHTGBM: {"n_estimators": 20, "num_leaves": 15},
}
CASES = [(algorithm, task) for algorithm in Algorithm for task in Task if algorithm.fits(task)]
IDS = [f"{algorithm}-{task}".replace("_", "-") for algorithm, task in CASES]
CONTRACT = ContractConfig.model_validate(
    {
        "columns": {
            "amount": {"type": "number", "nullable": True, "missing": ["?"]},
            "ratio": {"type": "number"},
            "visits": {"type": "integer", "nullable": True},
            "member": {"type": "boolean", "nullable": True},
            "city": {"type": "category", "nullable": True, "missing": ["unknown"]},
            "plan": {"type": "category"},
            "opened": {"type": "datetime", "nullable": True, "format": "%d.%m.%Y %H:%M:%S"},
            "born": {"type": "datetime"},
            "note": {"type": "text", "nullable": True, "missing": ["-"]},
            "y": {"type": "category"},
        }
    }
)
NUMBERS = ("amount", "ratio", "visits")
PHRASES = ("good", "not good", "late again", "LATE", "very kind staff", "isn’t ﬁne", "broken", "ok…", "refund, please")


@dataclass(frozen=True)
class Case:
    """A model, what it was made from, and the folder of its bundle."""

    fitted: Fitted
    encoder: Encoder
    thresholds: dict[int, NDArray[np.float32]]
    digest: str
    folder: Path


def table_of(rows: int, rng: np.random.Generator, *, cities: int) -> dict[str, list[Any]]:
    """Return columns of features, moments as seconds; about a tenth is null where it may be."""

    def with_nulls(values: list[Any]) -> list[Any]:
        return [None if missing else value for value, missing in zip(values, rng.random(rows) < 0.1, strict=True)]

    words = [" ".join(rng.choice(PHRASES, rng.integers(0, 6))) for _ in range(rows)]
    return {
        "amount": with_nulls(rng.lognormal(3, 1, rows).tolist()),
        "ratio": rng.normal(0, 1e-3, rows).tolist(),
        "visits": with_nulls(rng.integers(-5, 60, rows).tolist()),
        "member": with_nulls((rng.random(rows) < 0.4).tolist()),
        "city": with_nulls([f"city {number}" for number in rng.integers(0, cities, rows)]),
        "plan": rng.choice(["basic", "plus", "pro"], rows).tolist(),
        "opened": with_nulls(rng.integers(1_500_000_000, 1_700_000_000, rows).tolist()),
        "born": rng.integers(-2_000_000_000, 1_000_000_000, rows).tolist(),
        "note": with_nulls([text if text.strip() else "fine" for text in words]),
    }


def typed(columns: dict[str, list[Any]]) -> pa.Table:
    """Return the columns as a snapshot holds them."""
    table = pa.table({name: values for name, values in columns.items() if name not in {"opened", "born"}})
    for name in ("opened", "born"):
        table = table.append_column(name, pa.array(columns[name], pa.timestamp("s", tz="UTC")))
    return table


def target_of(columns: dict[str, list[Any]], task: Task, rng: np.random.Generator) -> list[Any]:
    score = np.array(columns["ratio"]) * 1000 + np.array([0 if v is None else np.log(v) - 3 for v in columns["amount"]])
    score += [0 if text is None else 1.5 * text.count("good") - text.lower().count("late") for text in columns["note"]]
    score += [0 if s is None else (s // 3600 % 24 > 12) * 1.0 for s in columns["opened"]]
    score += [2.0 * (name == "pro") for name in columns["plan"]] + rng.normal(0, 0.5, len(score))
    if task is Task.REGRESSION:
        return list(50 + 10 * score)
    return [["low", "mid", "high"][place] for place in np.digitize(score, [0, 1.5] if task is Task.MULTICLASS else [1])]


def learnt(folder: Path, task: Task, rng: np.random.Generator) -> TrainingData:
    columns = table_of(TRAINED_ON, rng, cities=30)
    table = typed(columns).append_column("y", pa.array(target_of(columns, task, rng)))
    pq.write_table(table, folder / "rows.parquet")
    positive = {"positive_class": "mid"} if task is Task.BINARY else {}
    model = ModelConfig.model_validate({"name": "parity", "task": str(task), "target": "y", **positive})
    candidates = [{"type": "ridge"}]
    settings = TrainingConfig.model_validate({"candidates": candidates, "max_categories": 20, "max_terms": 25})
    return read_training_data(folder / "rows.parquet", model, CONTRACT, settings)


def make(folder: Path, algorithm: Algorithm, data: TrainingData) -> Case:
    fitted = fit(algorithm, PARAMS[algorithm], data.problem, data.features, data.inputs, data.target, seed=1)
    model = export(fitted)
    shell = shell_manifest(data.problem, data.features, "parity", "y")
    rows = np.arange(20)
    manifest = write_bundle(
        folder,
        msgspec.structs.replace(
            shell, parity=msgspec.structs.replace(shell.parity, tolerance=1e-2), created_at="2030-01-01T00:00:00+00:00"
        ),
        model_onnx=model,
        golden=golden_table(data.table, data.features, rows, fitted.answer(data.inputs.take(rows))),
        reference=lambda _: None,
    )
    encoder = Encoder(manifest)
    return Case(fitted, encoder, thresholds_of(model, len(manifest.numeric)), manifest.digest, folder)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    root = tmp_path_factory.mktemp("parity")
    made = {}
    for task in Task:
        data = learnt(root, task, np.random.default_rng(7))
        for algorithm in Algorithm:
            if algorithm.fits(task):
                name = f"{algorithm}-{task}".replace("_", "-")
                made[name] = make(root / name, algorithm, data)
    return made


@pytest.fixture(scope="module")
def server(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the real inference server, which serves all the models."""
    state = tmp_path_factory.mktemp("state")
    for name, case in cases.items():
        variant = VariantSpec(
            name="v1",
            model="parity",
            model_version=1,
            bundle_path=str(case.folder),
            bundle_digest=case.digest,
            weight_pct=Decimal(100),
        )
        spec = EndpointSpec(endpoint=name, generation=1, variants=(variant,))
        write_atomically(spec_path(state, name), msgspec.json.encode(spec))
    log = state / "log"
    with process("-m", "trimtab.cli", "serve", "--state", state, "--port", "0", log=log) as child:

        def port() -> int | None:
            assert child.poll() is None, log.read_text()
            told = state / "server.json"
            return int(json.loads(told.read_bytes())["port"]) if told.exists() else None

        found = eventually(port, within_s=30, wanted="a server that listens")
        with httpx.Client(base_url=f"http://127.0.0.1:{found}", timeout=60, trust_env=False) as client:
            eventually(lambda: client.get("/health").json()["ready"], within_s=30, wanted="models that are loaded")
            yield client


def tried(case: Case, rng: np.random.Generator) -> dict[str, list[Any]]:
    """Return rows with unseen categories, edges of the calendar, thresholds of trees and their float32 neighbours."""
    columns = table_of(ROWS, rng, cities=45)
    edges = edge_moments().tolist()
    for name in ("opened", "born"):
        columns[name][: 4 * len(edges)] = edges * 4
    for place, values in case.thresholds.items():
        name = [feature.name for feature in case.encoder.features][place]
        if name not in NUMBERS:
            continue
        near = [values, *(np.nextafter(values, np.float32(towards)) for towards in (-np.inf, np.inf))]
        around = np.concatenate(near)
        around = around[np.abs(around) < 1e30]  # LightGBM parts NaN from all numbers at an infinite threshold
        for row in np.flatnonzero(rng.random(ROWS) < 0.4).tolist():
            columns[name][row] = float(rng.choice(around))
    return columns


def moment_of(second: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def as_sent(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return rows as various callers write them: moments as text or numbers, nulls as null, absent or in words."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for place, row in enumerate(rows):
        for name, words in (("amount", "?"), ("city", " unknown"), ("note", "-")):
            if row[name] is None and place % 3:
                row[name] = words if place % 3 == 1 else ""
        for name in ("opened", "born"):
            second = row[name]
            if second is None:
                continue
            moment = moment_of(second)
            if place % 4 == 0:
                row[name] = moment.isoformat()
            elif place % 4 == 1 and name == "opened":
                row[name] = f"{moment.day}.{moment.month}.{moment.year:04} {moment:%H:%M:%S}"
            elif place % 4 == 2:
                row[name] = moment.replace(tzinfo=None).isoformat(sep=" ")
        if place % 5 == 0:
            rows[place] = {name: value for name, value in row.items() if value is not None}
    return rows


def by_predict(client: httpx.Client, endpoint: str, rows: list[dict[str, Any]]) -> tuple[list[Any], list[list[float]]]:
    answer = client.post(f"/predict/{endpoint}", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]
    probabilities = [list(row["probabilities"].values()) for row in found if "probabilities" in row]
    return [row["prediction"] for row in found], probabilities


def by_tensors(client: httpx.Client, endpoint: str, rows: list[dict[str, Any]]) -> tuple[list[Any], list[list[float]]]:
    wanted = client.get(f"/v2/models/{endpoint}").json()["inputs"]
    tensors = []
    for tensor in wanted:
        data = [row.get(tensor["name"]) for row in rows]
        if tensor["datatype"] == "BYTES":
            # A tensor is all text or all numbers.
            data = [moment_of(value).isoformat() if isinstance(value, int) else value for value in data]
        else:
            data = [None if isinstance(value, str) else value for value in data]
        tensors.append({**tensor, "shape": [len(rows)], "data": data})
    answer = client.post(f"/v2/models/{endpoint}/infer", json={"inputs": tensors})
    assert answer.status_code == 200, answer.text
    outputs = {output["name"]: output for output in answer.json()["outputs"]}
    if "probabilities" not in outputs:
        return outputs["prediction"]["data"], []
    shape = outputs["probabilities"]["shape"]
    return outputs["prediction"]["data"], np.array(outputs["probabilities"]["data"]).reshape(shape).tolist()


@pytest.mark.parametrize("name", IDS)
def test_served_answers_are_those_of_the_original_estimator(
    name: str, cases: dict[str, Case], server: httpx.Client
) -> None:
    case = cases[name]
    columns = tried(case, np.random.default_rng(IDS.index(name)))
    rows = as_sent(columns)
    predictions: list[Any] = []
    probabilities: list[list[float]] = []
    for place, start in enumerate(range(0, ROWS, ROWS_A_REQUEST)):
        ask = by_tensors if place % 2 else by_predict
        some, shares = ask(server, name, rows[start : start + ROWS_A_REQUEST])
        predictions += some
        probabilities += shares
    design = case.fitted.preparation.transform(case.encoder.encode_table(typed(columns)))
    classes = case.fitted.problem.classes
    if not classes:
        original = np.asarray(case.fitted.estimator.predict(design), dtype=np.float64)
        assert len(predictions) == ROWS
        np.testing.assert_allclose(np.array(predictions), original, rtol=2e-5, atol=2e-4)
        return
    original = np.asarray(case.fitted.estimator.predict_proba(design), dtype=np.float64)
    found = np.array(probabilities)
    assert found.shape == (ROWS, len(classes))
    np.testing.assert_allclose(found, original, rtol=0, atol=2e-5)
    ordered = np.sort(original, axis=1)
    decided = ordered[:, -1] - ordered[:, -2] > 1e-4
    assert decided.mean() > 0.9
    assert (np.array(predictions)[decided] == np.array(classes)[original.argmax(axis=1)][decided]).all()
