"""Bundles that pass their smoke test and are bad all the same: slow, failing, hanging and wrong ones.

Each is the tiny model of `trimtab.testing.bundles` with one fault, and its golden rows agree: what finds it can only be
real traffic.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pyarrow.parquet as pq
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.bundle.predictor import CODES_INPUT
from trimtab.bundle.writer import GOLDEN_NAME, write_bundle
from trimtab.core.enums import ColumnKind, Task
from trimtab.testing.bundles import TINY_FEATURES, tiny_bundle, tiny_model

__all__ = ["SELDOM", "failing_bundle", "hanging_bundle", "slow_bundle", "wrong_bundle"]

SELDOM = "unknown"
"""The value of ``sex`` that a failing or hanging bundle knows, and cannot answer."""

_WIDTH = 512
_FLOATS_PER_MB = 250_000
_ENDLESS = 10**11
_KNOWN = next(len(feature.categories) for feature in TINY_FEATURES if feature.kind is ColumnKind.CATEGORY)

Reference = Callable[[Path], object]


def slow_bundle(
    folder: Path,
    *,
    products: int = 0,
    size_mb: int = 0,
    model: str = "tiny",
    weights: tuple[float, float, float] = (1.0, 0.5, -0.25),
    reference: Reference | None = None,
) -> Manifest:
    """Write a bundle that answers as the tiny one does, after work that changes nothing.

    Each row goes through ``products`` products with a matrix of 512 by 512, some 15 µs each, and is looked up in a
    table of ``size_mb`` MB.
    """
    # Zeros, but the graph's optimizer cannot know: neither answer nor golden rows change.
    values: dict[str, NDArray[Any]] = {"table": np.zeros(max(1, size_mb) * _FLOATS_PER_MB, dtype=np.float32)}
    nodes = [helper.make_node("Gather", ["table", CODES_INPUT], ["looked_up"])]
    if products:
        values |= {
            "widen": np.zeros((1, _WIDTH), dtype=np.float32),
            "square": np.eye(_WIDTH, dtype=np.float32),
            "narrow": np.zeros((_WIDTH, 1), dtype=np.float32),
        }
        nodes.append(helper.make_node("MatMul", ["looked_up", "widen"], ["wide0"]))
        nodes += [
            helper.make_node("MatMul", [f"wide{step}", "square"], [f"wide{step + 1}"]) for step in range(products)
        ]
        nodes.append(helper.make_node("MatMul", [f"wide{products}", "narrow"], ["narrowed"]))
    return _altered(folder, nodes, values, TINY_FEATURES, model=model, weights=weights, reference=reference)


def failing_bundle(
    folder: Path,
    *,
    model: str = "tiny",
    weights: tuple[float, float, float] = (1.0, 0.5, -0.25),
    reference: Reference | None = None,
) -> Manifest:
    """Write a bundle whose graph fails, with a real error of the runtime, on rows whose ``sex`` is `SELDOM`.

    It looks the code up in a table that is one row too short. No golden row has that value.
    """
    values = {"short": np.zeros(_KNOWN, dtype=np.float32)}
    nodes = [helper.make_node("Gather", ["short", CODES_INPUT], ["looked_up"])]
    return _altered(folder, nodes, values, _with_seldom(), model=model, weights=weights, reference=reference)


def hanging_bundle(
    folder: Path,
    *,
    rounds: int = _ENDLESS,
    model: str = "tiny",
    weights: tuple[float, float, float] = (1.0, 0.5, -0.25),
    reference: Reference | None = None,
) -> Manifest:
    """Write a bundle whose graph goes round and round on rows whose ``sex`` is `SELDOM`: for hours, unless told else.

    How often it goes round stands in a table that it looks the code up in. No golden row has that value.
    """
    body = helper.make_graph(
        [helper.make_node("Identity", ["goes_on"], ["still"]), helper.make_node("Sin", ["before"], ["after"])],
        "round",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, []),
        ],
    )
    values: dict[str, NDArray[Any]] = {
        "first": np.array(0, dtype=np.int64),
        "nothing": np.array(0, dtype=np.float32),
        "always": np.array(True),
        "rounds": np.array([1] * _KNOWN + [rounds], dtype=np.int64),
        "no_part": np.zeros((1, 1), dtype=np.float32),
    }
    nodes = [
        helper.make_node("ReduceMax", [CODES_INPUT], ["largest"], keepdims=0),
        # A value that nobody knows has a code below zero.
        helper.make_node("Max", ["largest", "first"], ["row"]),
        helper.make_node("Gather", ["rounds", "row"], ["times"]),
        helper.make_node("Loop", ["times", "always", "nothing"], ["rounded"], body=body),
        helper.make_node("Mul", ["rounded", "no_part"], ["looked_up"]),
    ]
    return _altered(folder, nodes, values, _with_seldom(), model=model, weights=weights, reference=reference)


def wrong_bundle(folder: Path, *, model: str = "tiny", reference: Reference | None = None) -> Manifest:
    """Write a bundle that learnt the opposite of what the tiny one knows: where that says yes, it says no."""
    return tiny_bundle(folder, model=model, weights=(-1.0, -0.5, 0.25), reference=reference)


def _with_seldom() -> tuple[Feature, ...]:
    return tuple(
        msgspec.structs.replace(feature, categories=(*feature.categories, SELDOM))
        if feature.kind is ColumnKind.CATEGORY
        else feature
        for feature in TINY_FEATURES
    )


def _altered(
    folder: Path,
    nodes: Sequence[NodeProto],
    values: Mapping[str, NDArray[Any]],
    features: tuple[Feature, ...],
    *,
    model: str,
    weights: tuple[float, float, float],
    reference: Reference | None,
) -> Manifest:
    """Write the tiny binary model with the last output of ``nodes`` (zeros) added to its score."""
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain"
        manifest = tiny_bundle(plain, model=model, weights=weights)
        golden = pq.read_table(plain / GOLDEN_NAME)
    proto = onnx.load_model_from_string(tiny_model(Task.BINARY, weights))
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    at = next(place for place, node in enumerate(proto.graph.node) if "score" in node.output)
    proto.graph.node[at].output[:] = ["light_score"]
    added = [*nodes, helper.make_node("Add", ["light_score", nodes[-1].output[0]], ["score"])]
    for place, node in enumerate(added, start=at + 1):
        proto.graph.node.insert(place, node)
    onnx.checker.check_model(proto)
    return write_bundle(
        folder,
        msgspec.structs.replace(manifest, features=features, files={}),
        model_onnx=proto.SerializeToString(),
        golden=golden,
        reference=reference or (lambda _: None),
    )
