"""A small real bundle of a model of images, built by hand: is a picture bright?"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from trimtab.bundle.images import image_features
from trimtab.bundle.manifest import ImageInput, Lineage, Manifest, Parity
from trimtab.bundle.predictor import IMAGE_INPUT, PROBABILITIES_OUTPUT
from trimtab.bundle.writer import write_bundle
from trimtab.core.enums import Task

__all__ = ["TINY_IMAGE", "png", "tiny_image_bundle"]

TINY_IMAGE = ImageInput(width=16, height=12)
"""What the tiny model takes. The probability of "bright" is the logistic of 10 (mean of all values − 0.5)."""

_IR_VERSION = 10


def png(level: int, *, width: int = 16, height: int = 12) -> bytes:
    """Return a PNG of one grey ``level`` (0..255)."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def tiny_image_bundle(folder: Path, *, model: str = "bright", sharper: float = 1.0) -> Manifest:
    """Write a bundle to ``folder`` and return its manifest; another ``sharper`` (a factor) gives another digest."""
    levels = [0, 64, 128, 192, 255]
    bright = 1 / (1 + np.exp(-10 * sharper * (np.array(levels) / 255 - 0.5)))
    golden = pa.table(
        {
            TINY_IMAGE.name: pa.array([png(level) for level in levels], pa.binary()),
            "@expected": pa.array(np.where(bright >= 0.5, "bright", "dark").tolist(), pa.string()),
            "@expected_probability": pa.array(bright),
        }
    )
    example = base64.b64encode(png(128)).decode()
    manifest = Manifest(
        model=model,
        task=Task.BINARY,
        target="light",
        algorithm="mean",
        created_at="2030-01-01T00:00:00+00:00",
        features=image_features(TINY_IMAGE),
        image=ImageInput(width=TINY_IMAGE.width, height=TINY_IMAGE.height, example=example),
        classes=("dark", "bright"),
        positive_class="bright",
        parity=Parity(rows=golden.num_rows, max_abs_difference=0.0, tolerance=1e-3),
        lineage=Lineage(snapshot_id="tiny-snapshot", dataset_hash="0" * 64, config_hash="0" * 64),
        files={},
    )
    return write_bundle(folder, manifest, model_onnx=_graph(sharper), golden=golden, reference=lambda _: None)


def _graph(sharper: float) -> bytes:
    constants: dict[str, NDArray[Any]] = {
        "axes": np.array([1, 2, 3], dtype=np.int64),
        "shape": np.array([-1, 1], dtype=np.int64),
        "half": np.array(0.5, dtype=np.float32),
        "slope": np.array(10 * sharper, dtype=np.float32),
        "unit": np.array(1, dtype=np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", [IMAGE_INPUT, "axes"], ["mean"]),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Sub", ["column", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "slope"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["bright"]),
        helper.make_node("Sub", ["unit", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], [PROBABILITIES_OUTPUT], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info(IMAGE_INPUT, TensorProto.FLOAT, [None, 3, TINY_IMAGE.height, TINY_IMAGE.width])],
        [helper.make_tensor_value_info(PROBABILITIES_OUTPUT, TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=_IR_VERSION)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())
