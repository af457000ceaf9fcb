"""Small real bundles, built by hand in milliseconds: for tests of whatever loads, serves or compares models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trimtab.bundle.manifest import Feature, Lineage, Manifest, Parity
from trimtab.bundle.predictor import CODES_INPUT, NUMERIC_INPUT, PROBABILITIES_OUTPUT, VALUE_OUTPUT
from trimtab.bundle.writer import write_bundle
from trimtab.core.enums import ColumnKind, Task

__all__ = ["TINY_FEATURES", "tiny_bundle", "tiny_model"]

TINY_FEATURES = (
    Feature(name="age", kind=ColumnKind.NUMBER, unit="a", example=54.0),
    Feature(name="chol", kind=ColumnKind.NUMBER, unit="mg/dL", nullable=True, example=240.0),
    Feature(name="sex", kind=ColumnKind.CATEGORY, categories=("female", "male"), example="male"),
)
"""Features of the tiny model: score = w0 (age - 50) / 10 + w1 (chol - 240) / 50 + w2 [sex = male]; null chol is 240."""

_CENTRE = np.array([50.0, 240.0], dtype=np.float32)
_SPREAD = np.array([10.0, 50.0], dtype=np.float32)
_IR_VERSION = 10


def tiny_bundle(
    folder: Path,
    *,
    task: Task = Task.BINARY,
    model: str = "tiny",
    weights: tuple[float, float, float] = (1.0, 0.5, -0.25),
    reference: Callable[[Path], object] | None = None,
    created_at: str = "2030-01-01T00:00:00+00:00",
    key: str | None = None,
    time: str | None = None,
) -> Manifest:
    """Write a bundle of a linear model on `TINY_FEATURES` to ``folder`` and return its manifest.

    Regression: value = 100 + 10 * score. Binary: classes "no", "yes"; the probability of "yes" is the logistic of the
    score. Other ``weights`` give another digest. ``key`` and ``time`` name columns that are no features.
    Without ``reference`` its folder stays empty.
    """
    golden = _golden(task, weights)
    manifest = Manifest(
        model=model,
        task=task,
        target="count" if task is Task.REGRESSION else "disease",
        algorithm="linear",
        created_at=created_at,
        features=TINY_FEATURES,
        classes=() if task is Task.REGRESSION else ("no", "yes"),
        positive_class=None if task is Task.REGRESSION else "yes",
        key=key,
        time=time,
        params={f"w{place}": weight for place, weight in enumerate(weights)},
        parity=Parity(rows=golden.num_rows, max_abs_difference=0.0, tolerance=1e-3),
        lineage=Lineage(snapshot_id="tiny-snapshot", dataset_hash="0" * 64, config_hash="0" * 64),
        files={},
    )
    return write_bundle(
        folder,
        manifest,
        model_onnx=tiny_model(task, weights),
        golden=golden,
        reference=reference or (lambda _: None),
    )


def tiny_model(task: Task, weights: tuple[float, float, float]) -> bytes:
    """Return the graph of the tiny model, as ONNX bytes."""
    constants: dict[str, NDArray[Any]] = {
        "centre": _CENTRE,
        "spread": _SPREAD,
        "weights": np.array(weights[:2], dtype=np.float32).reshape(2, 1),
        "male": np.array(weights[2], dtype=np.float32),
        "one": np.array(1, dtype=np.int64),
        "axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("IsNaN", [NUMERIC_INPUT], ["missing"]),
        helper.make_node("Where", ["missing", "centre", NUMERIC_INPUT], ["filled"]),
        helper.make_node("Sub", ["filled", "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "spread"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["linear"]),
        helper.make_node("Equal", [CODES_INPUT, "one"], ["is_male"]),
        helper.make_node("Cast", ["is_male"], ["male_share"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["male_share", "male"], ["male_part"]),
        helper.make_node("Add", ["linear", "male_part"], ["score"]),
    ]
    if task is Task.REGRESSION:
        constants |= {"ten": np.array(10, dtype=np.float32), "hundred": np.array(100, dtype=np.float32)}
        nodes += [
            helper.make_node("Squeeze", ["score", "axis"], ["flat"]),
            helper.make_node("Mul", ["flat", "ten"], ["times_ten"]),
            helper.make_node("Add", ["times_ten", "hundred"], [VALUE_OUTPUT]),
        ]
        output = helper.make_tensor_value_info(VALUE_OUTPUT, TensorProto.FLOAT, [None])
    else:
        constants |= {"unit": np.array(1, dtype=np.float32)}
        nodes += [
            helper.make_node("Sigmoid", ["score"], ["yes"]),
            helper.make_node("Sub", ["unit", "yes"], ["no"]),
            helper.make_node("Concat", ["no", "yes"], [PROBABILITIES_OUTPUT], axis=1),
        ]
        output = helper.make_tensor_value_info(PROBABILITIES_OUTPUT, TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(NUMERIC_INPUT, TensorProto.FLOAT, [None, 2]),
            helper.make_tensor_value_info(CODES_INPUT, TensorProto.INT64, [None, 1]),
        ],
        [output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=_IR_VERSION)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _golden(task: Task, weights: tuple[float, float, float]) -> pa.Table:
    age = np.array([29.0, 54.0, 54.0, 77.0, 61.0, 45.0])
    chol = np.array([204.0, 240.0, np.nan, 564.0, 131.0, 233.0])
    sex = ["male", "female", "female", "male", "other", "female"]
    male = np.array([value == "male" for value in sex], dtype=np.float64)
    filled = np.where(np.isnan(chol), 240.0, chol)
    score = weights[0] * (age - 50) / 10 + weights[1] * (filled - 240) / 50 + weights[2] * male
    columns: dict[str, Any] = {
        "age": pa.array(age),
        "chol": pa.array(chol, from_pandas=True),
        "sex": pa.array(sex, pa.string()),
    }
    if task is Task.REGRESSION:
        columns["@expected"] = pa.array(100 + 10 * score)
    else:
        probability = 1 / (1 + np.exp(-score))
        columns["@expected"] = pa.array(np.where(probability >= 0.5, "yes", "no").tolist(), pa.string())
        columns["@expected_probability"] = pa.array(probability)
    return pa.table(columns)
