"""What a bundle's loss model expects of the errors of its answers: two small graphs beside the one that serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import ColumnKind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ABSOLUTE_LOSS_NAME", "ANSWER", "SQUARED_LOSS_NAME", "LossPredictor", "loss_manifest"]

ABSOLUTE_LOSS_NAME = "loss.onnx"
"""The graph that expects |truth − answer| of a row."""

SQUARED_LOSS_NAME = "loss_squared.onnx"
"""The graph that expects (truth − answer)²."""

ANSWER = "@prediction"
"""The feature that a loss model has beside those of the model: what the row was answered."""


def loss_manifest(manifest: Manifest) -> Manifest:
    """Return the manifest by which rows are encoded for a loss model: the model's features, and the answer."""
    return msgspec.structs.replace(
        manifest, features=(*manifest.features, Feature(name=ANSWER, kind=ColumnKind.NUMBER))
    )


class LossPredictor:
    """A bundle's loss model, ready to answer. It is never asked by the inference server."""

    def __init__(self, manifest: Manifest, absolute: bytes, squared: bytes) -> None:
        wider = loss_manifest(manifest)
        self._absolute, self._squared = Predictor(wider, absolute), Predictor(wider, squared)

    @staticmethod
    def load(folder: Path, manifest: Manifest) -> LossPredictor | None:
        """Return the loss model of the verified bundle in ``folder``; None if it has none.

        Raises:
            ArtifactUntrustedError: a graph is none that we run.
            OSError: it cannot be read.
        """
        if not {ABSOLUTE_LOSS_NAME, SQUARED_LOSS_NAME} <= manifest.files.keys():
            return None
        return LossPredictor(
            manifest, (folder / ABSOLUTE_LOSS_NAME).read_bytes(), (folder / SQUARED_LOSS_NAME).read_bytes()
        )

    def expected(
        self, table: pa.Table, prediction: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the expected |error| and squared error of each row, ``(n,)``, never negative.

        ``table`` has the model's features, ``prediction`` ``(n,)`` is what its rows were answered.

        Raises:
            DataContractError: the rows do not fit the features.
            ConfigError: a graph's answer is no finite number.
        """
        import pyarrow as pa  # start-up cost: verifying a bundle needs no Arrow

        inputs = self._absolute.encoder.encode_table(table.append_column(ANSWER, pa.array(prediction, pa.float64())))
        absolute, squared = self._absolute.predict(inputs).labels, self._squared.predict(inputs).labels
        return np.maximum(absolute, 0.0), np.maximum(squared, 0.0)
