"""A bundle made ready to answer: one ONNX Runtime session, and the reading of what it gives."""

from __future__ import annotations

import hashlib
import io
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from trimtab.bundle.encoder import Encoder, Inputs
from trimtab.bundle.graph import check_graph
from trimtab.bundle.manifest import ImageInput, Manifest, Parity
from trimtab.bundle.writer import GOLDEN_NAME, MODEL_NAME, read_manifest
from trimtab.core.enums import Task
from trimtab.core.errors import ArtifactUntrustedError, ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from trimtab.bundle.images import ImageEncoder

__all__ = [
    "CODES_INPUT",
    "IMAGE_INPUT",
    "NUMERIC_INPUT",
    "PROBABILITIES_OUTPUT",
    "VALUE_OUTPUT",
    "Predictions",
    "Predictor",
]

NUMERIC_INPUT = "numeric"
CODES_INPUT = "codes"
IMAGE_INPUT = "image"
PROBABILITIES_OUTPUT = "probabilities"
VALUE_OUTPUT = "value"

_GOLDEN_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers to n rows.

    ``labels`` (n,): the class of each row as text, or the value as float64. ``probabilities`` (n, K) float64 in the
    order of the manifest's classes, None for regression. ``probability`` (n,) float64: of the positive class (binary)
    or of the predicted one (multi-class), None for regression.
    """

    labels: NDArray[Any]
    probabilities: NDArray[np.float64] | None
    probability: NDArray[np.float64] | None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)


class Predictor:
    """One loaded model version. `predict` may be called from several threads at once."""

    def __init__(self, manifest: Manifest, model: bytes, golden: bytes | None = None) -> None:
        check_graph(model)
        self.manifest = manifest
        self.encoder = _encoder(manifest)
        self._golden = golden
        session = _session(model)
        # The public run() checks in Python what is known to hold here, for a third of a small model's time.
        self._run = getattr(session, "_sess", session).run
        self._inputs = _wanted_inputs(manifest, session)
        self._outputs = [_wanted_output(manifest, session)]
        self._classes = np.array(manifest.classes, dtype=object)
        self._positive = _positive_place(manifest)
        self._only_numbers = self._inputs == {NUMERIC_INPUT}

    @staticmethod
    def load(folder: Path, *, expected_digest: str | None) -> Predictor:
        """Return the bundle in ``folder`` ready to answer; no code of the model is run.

        Raises:
            NotFoundError: there is no bundle.
            ArtifactUntrustedError: a file or the digest is not as expected, or the graph is none that we serve.
        """
        manifest = read_manifest(folder, expected_digest=expected_digest)
        for name in (MODEL_NAME, GOLDEN_NAME):
            if name not in manifest.files:
                raise ArtifactUntrustedError(f"{folder}: lists no {name}; train the model again")
        model = _verified_bytes(folder, MODEL_NAME, manifest)
        return Predictor(manifest, model, _verified_bytes(folder, GOLDEN_NAME, manifest))

    def predict_one(self, inputs: Inputs) -> tuple[Any, float | None, list[float] | None]:
        """Return label, probability and probabilities of one row, as `predict` gives them in arrays.

        Raises:
            ConfigError: the model's answer is no finite number.
        """
        (raw,) = self._run(self._outputs, self._feeds(inputs), None)
        if self.manifest.task is Task.REGRESSION:
            value = float(raw[0])
            if not math.isfinite(value):
                self._refuse(raw.astype(np.float64))
            return value, None, None
        answer: list[float] = raw[0].tolist()
        if not math.isfinite(sum(answer)):
            self._refuse(raw.astype(np.float64))
        positive = self._positive
        if positive is None:
            probability = max(answer)
            chosen = answer.index(probability)
        else:
            probability = answer[positive]
            chosen = positive if probability >= self.manifest.decision_threshold else 1 - positive
        return self.manifest.classes[chosen], probability, answer

    def predict_rows(self, rows: Sequence[Mapping[str, object]]) -> Predictions:
        """Encode and answer ``rows``; see `Encoder.encode_rows` and `predict`."""
        return self.predict(self.encoder.encode_rows(rows))

    def predict(self, inputs: Inputs) -> Predictions:
        """Answer n rows.

        Raises:
            ConfigError: the model's answer to a row is no finite number.
        """
        (raw,) = self._run(self._outputs, self._feeds(inputs), None)
        return self._predictions(raw)

    def _predictions(self, raw: NDArray[Any]) -> Predictions:
        answer = raw.astype(np.float64)
        if not np.isfinite(answer).all():
            self._refuse(answer)
        if self.manifest.task is Task.REGRESSION:
            return Predictions(labels=answer, probabilities=None, probability=None)
        if self._positive is not None:
            probability = answer[:, self._positive]
            chosen = np.where(probability >= self.manifest.decision_threshold, self._positive, 1 - self._positive)
            return Predictions(self._classes[chosen], answer, probability)
        chosen = answer.argmax(axis=1)
        return Predictions(self._classes[chosen], answer, answer[np.arange(len(answer)), chosen])

    def _feeds(self, inputs: Inputs) -> dict[str, NDArray[Any]]:
        if self._only_numbers:
            return {NUMERIC_INPUT: inputs.numeric}
        if inputs.images is not None:
            return {IMAGE_INPUT: inputs.images}
        known: dict[str, NDArray[Any]] = {NUMERIC_INPUT: inputs.numeric, CODES_INPUT: inputs.codes}
        return {name: known[name] for name in self._inputs}

    def golden_table(self) -> pa.Table:
        """Return the golden rows: features, ``@expected``, and ``@expected_probability`` for classes."""
        import pyarrow.parquet as pq  # start-up cost: only the smoke test reads them

        if self._golden is None:
            raise ArtifactUntrustedError(f"model {self.manifest.model!r}: was loaded without golden rows")
        return pq.read_table(io.BytesIO(self._golden))

    def golden_check(self, within_s: float = _GOLDEN_WITHIN_S) -> Parity:
        """Answer the golden rows and say how far that lies from what the original estimator answered.

        The difference is that of the value (regression), of the positive class's probability (binary), or of the
        expected class's probability (multi-class).

        Raises:
            ArtifactUntrustedError: the graph breaks on them, or has not answered after ``within_s``.
        """
        table = self.golden_table()
        predictions = self._predictions(self._golden_answer(self.encoder.encode_table(table), within_s))
        if predictions.probabilities is None:
            found, expected = predictions.labels, table.column("@expected").to_numpy()
        else:
            expected = table.column("@expected_probability").to_numpy()
            places = {name: place for place, name in enumerate(self.manifest.classes)}
            if self._positive is not None:
                columns = np.full(table.num_rows, self._positive)
            else:
                columns = np.array([places[name] for name in table.column("@expected").to_pylist()], dtype=np.int64)
            found = predictions.probabilities[np.arange(table.num_rows), columns]
        difference = float(np.abs(found - expected).max()) if table.num_rows else 0.0
        return Parity(rows=table.num_rows, max_abs_difference=difference, tolerance=self.manifest.parity.tolerance)

    def _golden_answer(self, inputs: Inputs, within_s: float) -> NDArray[Any]:
        """Return the graph's answer; a graph that never ends would hold up whoever loads it, and his end, too."""
        options = ort.RunOptions()
        options.log_severity_level = 4
        timer = threading.Timer(within_s, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            (raw,) = self._run(self._outputs, self._feeds(inputs), options)
        except Exception as error:
            late = f"no answer after {within_s:g} s; " if options.terminate else ""
            raise ArtifactUntrustedError(
                f"{MODEL_NAME}: does not answer its golden rows ({late}{_first_line(error)}); export it again"
            ) from error
        finally:
            timer.cancel()
        answer: NDArray[Any] = raw
        return answer

    def _refuse(self, answer: NDArray[np.float64]) -> None:
        finite = np.isfinite(answer).reshape(len(answer), -1).all(axis=1)
        at = int(np.flatnonzero(~finite)[0])
        raise ConfigError(
            f"row {at}: model {self.manifest.model!r} has no finite answer; expected values of usual size; correct them"
        )


def _encoder(manifest: Manifest) -> Encoder | ImageEncoder:
    if manifest.image is None:
        return Encoder(manifest)
    from trimtab.bundle.images import ImageEncoder  # start-up cost: only images need the decoders

    return ImageEncoder(manifest, manifest.image)


def _session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # A thread pool per model would fight the server's own workers for the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtifactUntrustedError(
            f"{MODEL_NAME}: ONNX Runtime refuses it ({_first_line(error)}); train again"
        ) from error
    # It keeps the file's bytes for a change of providers, which there is none of: half of what a large model takes.
    vars(session)["_model_bytes"] = None
    return session


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _wanted_inputs(manifest: Manifest, session: ort.InferenceSession) -> frozenset[str]:
    if manifest.image is not None:
        return _wanted_image(manifest.image, session)
    widths = {
        NUMERIC_INPUT: (manifest.numeric_width, "tensor(float)"),
        CODES_INPUT: (manifest.codes_width, "tensor(int64)"),
    }
    names = set()
    for node in session.get_inputs():
        width, kind = widths.get(node.name, (0, ""))
        if width == 0 or node.type != kind or len(node.shape) != 2 or node.shape[1] != width:
            raise ArtifactUntrustedError(
                f"{MODEL_NAME}: input {node.name!r} {node.type} {node.shape} does not fit the manifest's features "
                f"({manifest.numeric_width} numbers, {manifest.codes_width} codes); train again"
            )
        names.add(node.name)
    return frozenset(names)


def _wanted_image(image: ImageInput, session: ort.InferenceSession) -> frozenset[str]:
    inputs = [(node.name, node.type, node.shape[1:]) for node in session.get_inputs()]
    if inputs != [(IMAGE_INPUT, "tensor(float)", [3, image.height, image.width])]:
        raise ArtifactUntrustedError(
            f"{MODEL_NAME}: takes {inputs}, expected {IMAGE_INPUT!r}, floats of [n, 3, {image.height}, {image.width}]; "
            "export it so"
        )
    return frozenset({IMAGE_INPUT})


def _wanted_output(manifest: Manifest, session: ort.InferenceSession) -> str:
    wanted = PROBABILITIES_OUTPUT if manifest.task.is_classification else VALUE_OUTPUT
    for node in session.get_outputs():
        if node.name != wanted:
            continue
        shape = node.shape[1:]
        if shape == ([len(manifest.classes)] if manifest.task.is_classification else []):
            return wanted
    raise ArtifactUntrustedError(
        f"{MODEL_NAME}: gives {[(node.name, node.shape) for node in session.get_outputs()]}, expected {wanted!r} for "
        f"{len(manifest.classes)} classes; train again"
    )


def _positive_place(manifest: Manifest) -> int | None:
    if manifest.task is not Task.BINARY:
        return None
    if len(manifest.classes) != 2 or manifest.positive_class not in manifest.classes:
        raise ArtifactUntrustedError(
            f"model {manifest.model!r}: binary with classes {list(manifest.classes)} and positive class "
            f"{manifest.positive_class!r}; expected two classes, one of them positive; train again"
        )
    return manifest.classes.index(manifest.positive_class)


def _verified_bytes(folder: Path, name: str, manifest: Manifest) -> bytes:
    """Return the file's bytes, hashed as read: so what was verified is what is used."""
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.files[name]:
        raise ArtifactUntrustedError(f"{folder / name}: changed while it was read; fetch the bundle again")
    return content
