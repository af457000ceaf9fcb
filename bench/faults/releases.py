"""Versions that are bad on purpose: the first one with one change in its graph, trained by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import PROBABILITIES_OUTPUT, VALUE_OUTPUT, Predictor
from trimtab.bundle.writer import GOLDEN_NAME, MODEL_NAME, REFERENCE_NAME, read_manifest, write_bundle
from trimtab.core.enums import Task
from trimtab.files import write_atomically
from trimtab.training.request import RESULT_NAME

__all__ = ["Alteration", "altered_result", "mirrored", "raised"]

_LIGHT = "@light"

Altered = tuple[list[NodeProto], dict[str, NDArray[Any]]]
Alteration = Callable[[Manifest, float], Altered]
"""What is done to the first version's answer, called `_LIGHT`; the number is what it answers on the whole."""


def mirrored(manifest: Manifest, usual: float) -> Altered:
    """Answer the opposite: the other class, or as far from the usual answer on the other side."""
    if manifest.task is Task.REGRESSION:
        twice = np.array(2 * usual, dtype=np.float32)
        return [helper.make_node("Sub", ["@twice", _LIGHT], [VALUE_OUTPUT])], {"@twice": twice}
    order: dict[str, NDArray[Any]] = {"@order": np.arange(len(manifest.classes), dtype=np.int64)[::-1].copy()}
    return [helper.make_node("Gather", [_LIGHT, "@order"], [PROBABILITIES_OUTPUT], axis=1)], order


def raised(share: float) -> Alteration:
    """Answer more: numbers by a share, the positive class with a chance that is that much nearer to one."""

    def alter(manifest: Manifest, _usual: float) -> Altered:
        if manifest.task is Task.REGRESSION:
            factor = np.array(1 + share, dtype=np.float32)
            return [helper.make_node("Mul", [_LIGHT, "@factor"], [VALUE_OUTPUT])], {"@factor": factor}
        target = np.array([[float(name == manifest.positive_class) for name in manifest.classes]], dtype=np.float32)
        values = {"@kept": np.array(1 - share, dtype=np.float32), "@added": share * target}
        nodes = [
            helper.make_node("Mul", [_LIGHT, "@kept"], ["@scaled"]),
            helper.make_node("Add", ["@scaled", "@added"], [PROBABILITIES_OUTPUT]),
        ]
        return nodes, values

    return alter


def altered_result(first: Path, out_dir: Path, alteration: Alteration | None, *, told: str) -> None:
    """Leave in ``out_dir`` what a training leaves: a bundle as the one of the job in ``first``, altered, and a result.

    ``told`` goes among its parameters, so that a version that answers alike has a digest of its own.
    """
    result = json.loads((first / RESULT_NAME).read_bytes())
    source = Path(result["bundle_dir"])
    manifest = read_manifest(source)
    manifest = msgspec.structs.replace(manifest, params={**manifest.params, "planted": told}, files={})
    model, golden = (source / MODEL_NAME).read_bytes(), pq.read_table(source / GOLDEN_NAME)
    if alteration is not None:
        model = _altered(model, manifest, alteration, golden)
        golden = _answered(manifest, model, golden)
    written = write_bundle(
        out_dir / "bundle",
        manifest,
        model_onnx=model,
        golden=golden,
        reference=lambda folder: _copy(source / REFERENCE_NAME, folder),
        beside={name: (source / name).read_bytes() for name in _beside(source)},
    )
    content = {**result, "bundle_dir": str(out_dir / "bundle"), "digest": written.digest, "comparison": None}
    write_atomically(out_dir / RESULT_NAME, json.dumps(content).encode())


def _beside(source: Path) -> list[str]:
    written = {MODEL_NAME, GOLDEN_NAME, "bundle.json"}
    return sorted(path.name for path in source.iterdir() if path.is_file() and path.name not in written)


def _copy(source: Path, folder: Path) -> None:
    for path in sorted(one for one in source.rglob("*") if one.is_file()):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def _altered(model: bytes, manifest: Manifest, alteration: Alteration, golden: pa.Table) -> bytes:
    proto = onnx.load_model_from_string(model)
    answer = VALUE_OUTPUT if manifest.task is Task.REGRESSION else PROBABILITIES_OUTPUT
    for node in proto.graph.node:
        node.output[:] = [_LIGHT if name == answer else name for name in node.output]
        node.input[:] = [_LIGHT if name == answer else name for name in node.input]
    usual = float(np.mean(golden["@expected"].to_numpy())) if manifest.task is Task.REGRESSION else 0.0
    nodes, values = alteration(manifest, usual)
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _answered(manifest: Manifest, model: bytes, golden: pa.Table) -> pa.Table:
    predictor = Predictor(manifest, model)
    features = golden.select([feature.name for feature in manifest.features])
    answer = predictor.predict(predictor.encoder.encode_table(features))
    features = features.append_column("@expected", pa.array(answer.labels.tolist()))
    if answer.probability is None:
        return features
    return features.append_column("@expected_probability", pa.array(answer.probability))
