"""Bundles that take room in memory, or time to answer, as large models do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pyarrow.parquet as pq
from onnx import helper, numpy_helper

from trimtab.bundle.writer import GOLDEN_NAME, write_bundle
from trimtab.core.enums import Task
from trimtab.serving.spec import VariantSpec
from trimtab.testing.bundles import tiny_bundle, tiny_model


def heavy_variant(folder: Path, name: str, *, version: int = 1, size_mb: int = 0, products: int = 0) -> VariantSpec:
    """Return a variant that answers as the tiny one does, with a table of ``size_mb`` MB that each answer looks into,
    and ``products`` matrix products that each row goes through."""
    bundle = folder / f"heavy-{name}-{version}"
    weights = (float(version), 0.5, -0.25)
    manifest = tiny_bundle(folder / f"tiny-{name}-{version}", weights=weights)
    graph = onnx.load_model_from_string(tiny_model(Task.BINARY, weights))
    # Zeros, but the graph's optimizer cannot know: neither answer nor golden rows change.
    table = np.zeros(max(1, size_mb) * 250_000, dtype=np.float32)
    graph.graph.initializer.append(numpy_helper.from_array(table, "table"))
    nodes = [helper.make_node("Gather", ["table", "codes"], ["looked_up"])]
    last = "looked_up"
    if products:
        graph.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 512), dtype=np.float32), "widen"))
        square = np.eye(512, dtype=np.float32)
        graph.graph.initializer.append(numpy_helper.from_array(square, "square"))
        graph.graph.initializer.append(numpy_helper.from_array(np.zeros((512, 1), dtype=np.float32), "narrow"))
        nodes.append(helper.make_node("MatMul", [last, "widen"], ["wide0"]))
        nodes += [
            helper.make_node("MatMul", [f"wide{step}", "square"], [f"wide{step + 1}"]) for step in range(products)
        ]
        nodes.append(helper.make_node("MatMul", [f"wide{products}", "narrow"], ["narrowed"]))
        last = "narrowed"
    for node in graph.graph.node:
        for place, given in enumerate(node.output):
            if given == "score":
                node.output[place] = "light_score"
    place = next(at for at, node in enumerate(graph.graph.node) if "light_score" in node.output)
    for node in [*nodes, helper.make_node("Add", ["light_score", last], ["score"])]:
        place += 1
        graph.graph.node.insert(place, node)
    golden = pq.read_table(folder / f"tiny-{name}-{version}" / GOLDEN_NAME)
    written = write_bundle(
        bundle,
        msgspec.structs.replace(manifest, files={}),
        model_onnx=graph.SerializeToString(),
        golden=golden,
        reference=lambda _: None,
    )
    return VariantSpec(
        name="stable",
        model="tiny",
        model_version=version,
        bundle_path=str(bundle),
        bundle_digest=written.digest,
        weight_pct=Decimal(100),
    )
