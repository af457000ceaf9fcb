"""A batch of rows answered: which of them the model cannot take and why, and what is written for the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature, Manifest
from trimtab.bundle.predictor import Predictions, Predictor
from trimtab.bundle.values import BLANKS, described, expected, refusal
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.serving.batch.recording import Named, Recorder, RowNames, values_of

__all__ = ["Answered", "Answerer", "Identified", "added_columns", "check_columns", "prediction_id"]

_ERROR: Final = "prediction_error"
_NAMED: Final = 8
_TRUE: Final = ("true", "yes", "1", "1.0")
_FALSE: Final = ("false", "no", "0", "0.0")


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows as they came, with the columns of the answer; ``errors``: position → why there is no answer."""

    table: pa.Table
    errors: dict[int, str]


def added_columns(manifest: Manifest, *, nulls: bool) -> dict[str, pa.DataType]:
    """Return the columns that an answer adds to a row, in order; ``nulls``: rows may stay without an answer."""
    classes = manifest.task.is_classification
    columns: dict[str, pa.DataType] = {"prediction": pa.string() if classes else pa.float64()}
    if classes:
        columns["probability"] = pa.float64()
        columns |= {f"probability_{name}": pa.float64() for name in manifest.classes}
    columns |= {"prediction_id": pa.string(), "model_version": pa.string()}
    return columns | ({_ERROR: pa.string()} if nulls else {})


def check_columns(path: str, columns: tuple[str, ...], manifest: Manifest, *, nulls: bool) -> None:
    """Return if a file with ``columns`` can be answered.

    Raises:
        DataContractError: it lacks a column that the model needs, or has one that an answer adds.
    """
    lacking = [f.name for f in manifest.fields if f.name not in columns and not f.nullable]
    if lacking:
        raise DataContractError(
            f"{path}: has no column {', '.join(map(repr, lacking))}, which model {manifest.model!r} needs; add it"
        )
    if not any(feature.name in columns for feature in manifest.fields):
        raise DataContractError(f"{path}: has none of the columns that model {manifest.model!r} reads; correct --input")
    taken = [name for name in added_columns(manifest, nulls=nulls) if name in columns]
    if taken:
        raise DataContractError(
            f"{path}: has a column {', '.join(map(repr, taken))} already, and the answer adds one of that name; "
            "rename or remove it"
        )


class Identified(Protocol):
    """Knows what its rows are in every run."""

    def identity(self, row: int) -> tuple[str, int]:
        """Return the digest of what row ``row`` comes from, and its place there."""


def prediction_id(bundle_digest: str, file_digest: str, row: int) -> str:
    """Return the id of the answer to row ``row`` (from 0) of a file: a UUID (version 8) that depends on these only.

    >>> prediction_id("b", "f", 0) == prediction_id("b", "f", 0) != prediction_id("b", "f", 1)
    True
    """
    hashed = hashlib.blake2b(f"{bundle_digest}\0{file_digest}\0{row}".encode(), digest_size=16).hexdigest()
    return f"{hashed[:8]}-{hashed[8:12]}-8{hashed[13:16]}-a{hashed[17:20]}-{hashed[20:]}"


class Answerer:
    """Answers batches of rows by one loaded bundle. ``version`` is written beside every answer.

    With a ``recorder``, it is given every answer; ``names`` says how the rows are named then.
    """

    def __init__(
        self,
        predictor: Predictor,
        digest: str,
        version: str,
        *,
        nulls: bool,
        recorder: Recorder | None = None,
        names: RowNames | None = None,
    ) -> None:
        self._predictor = predictor
        self._digest = digest
        self._version = version
        self._nulls = nulls
        self._features = predictor.manifest.fields
        self._recorder = recorder
        self._names = names or RowNames(predictor.manifest)

    def answer(self, table: pa.Table, source: Identified, first: int) -> Answered:
        """Answer ``table``, whose first row is row ``first`` of ``source``. Nothing is thrown for a bad row.

        Raises:
            DataContractError: a column is of a type that the model cannot take.
        """
        inputs, errors = self._typed(table)
        if table.num_rows and not inputs.num_columns:
            names = ", ".join(feature.name for feature in self._features[:_NAMED])
            raise DataContractError(
                f"columns: none is one that the model takes ({names}, …); name them as the model does"
            )
        self._predictor.encoder.encode_table(inputs.slice(0, 0))
        named = None if self._recorder is None else self._names.read(table, errors)
        kept = np.ones(table.num_rows, dtype=bool)
        kept[list(errors)] = False
        places = np.flatnonzero(kept)
        parts: list[tuple[NDArray[Any], Predictions]] = []
        ids: list[str | None] = [None] * table.num_rows
        for rows, encoded, outcome in self._outcomes(inputs, places):
            if isinstance(outcome, str):
                errors[int(rows[0])] = outcome
                continue
            parts.append((rows, outcome))
            made = [prediction_id(self._digest, *source.identity(first + at)) for at in rows.tolist()]
            for at, each in zip(rows.tolist(), made, strict=True):
                ids[at] = each
            if self._recorder is not None and named is not None:
                self._record(self._recorder, made, named, rows, inputs, encoded, outcome)
        return Answered(self._with_answers(table, parts, errors, ids), errors)

    def _record(
        self,
        recorder: Recorder,
        ids: Sequence[str],
        named: Named,
        rows: NDArray[np.int64],
        inputs: pa.Table,
        encoded: Inputs | None,
        answers: Predictions,
    ) -> None:
        if encoded is None:
            return
        # Of an image its properties are recorded, which the encoder has.
        is_image = self._predictor.manifest.image is not None
        sent = [] if is_image else values_of(inputs.take(pa.array(rows)).to_pylist())
        probability = None if answers.probability is None else answers.probability.tolist()
        values = self._predictor.encoder.recorded(sent, encoded)
        recorder.add(ids, named, rows, values, answers.labels.tolist(), probability)

    def _typed(self, table: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """Return the features' columns, texts read as numbers where numbers are taken; and rows that have no such."""
        errors: dict[int, str] = {}
        columns: dict[str, pa.ChunkedArray] = {}
        for feature in self._features:
            if feature.name not in table.column_names:
                continue
            column = _plain(table.column(feature.name))
            if feature.kind.is_numeric and pa.types.is_large_string(column.type):
                column, wrong = _numbers_of(column, feature)
                for at, text in wrong:
                    errors.setdefault(at, f"field {feature.name!r} is {described(text)}; expected {expected(feature)}")
            columns[feature.name] = column
            if not feature.nullable:
                missing = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)).to_numpy()
                for at in np.flatnonzero(missing).tolist():
                    errors.setdefault(at, self._missing(feature, column[at].as_py()))
        return pa.table(columns), errors

    def _missing(self, feature: Feature, value: Any) -> str:
        if self._predictor.manifest.image is not None:
            return f"field {feature.name!r} is null; expected an image, its bytes or they in base64; add it"
        return _without_place(refusal("row 0", feature, value))

    def _outcomes(
        self, inputs: pa.Table, places: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Inputs | None, Predictions | str]]:
        """Yield answers to the rows at ``places``, cut in halves until each bad row stands alone with its sentence."""
        if not len(places):
            return
        try:
            encoded = self._predictor.encoder.encode_table(inputs.take(pa.array(places)))
            predictions = self._predictor.predict(encoded)
        except (DataContractError, ConfigError) as error:
            if len(places) == 1:
                yield places, None, _without_place(str(error))
                return
            half = len(places) // 2
            yield from self._outcomes(inputs, places[:half])
            yield from self._outcomes(inputs, places[half:])
        else:
            yield places, encoded, predictions

    def _with_answers(
        self,
        table: pa.Table,
        parts: list[tuple[NDArray[Any], Predictions]],
        errors: dict[int, str],
        ids: list[str | None],
    ) -> pa.Table:
        manifest, rows = self._predictor.manifest, table.num_rows
        known = np.zeros(rows, dtype=bool)
        labels: NDArray[Any] = np.empty(rows, dtype=object)
        probability = np.zeros(rows)
        probabilities = np.zeros((rows, len(manifest.classes)))
        for places, found in parts:
            known[places] = True
            labels[places] = found.labels
            if found.probability is not None and found.probabilities is not None:
                probability[places] = found.probability
                probabilities[places] = found.probabilities
        added = added_columns(manifest, nulls=self._nulls)
        values: dict[str, pa.Array] = {
            "prediction": pa.array(labels.tolist(), added["prediction"]),
            "probability": pa.array(probability, mask=~known),
            "prediction_id": pa.array(ids, pa.string()),
            "model_version": pa.array([self._version] * rows, pa.string()),
            _ERROR: pa.array([errors.get(at) for at in range(rows)], pa.string()),
        }
        for place, name in enumerate(manifest.classes):
            values[f"probability_{name}"] = pa.array(probabilities[:, place], mask=~known)
        for name in added:
            table = table.append_column(name, values[name])
        return table


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts of any kind as large strings; other columns as they are."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return column


def _numbers_of(column: pa.ChunkedArray, feature: Feature) -> tuple[pa.ChunkedArray, list[tuple[int, str]]]:
    """Return texts as numbers, null where nothing stands or what means 'not known'; and the texts that are none."""
    text = pc.utf8_trim(column, characters=BLANKS)
    unknown = pc.is_in(text, value_set=pa.array(["", *feature.missing], pa.large_string()))
    text = pc.if_else(unknown, pa.scalar(None, pa.large_string()), text)
    if feature.kind is ColumnKind.BOOLEAN:
        lower = pc.utf8_lower(text)
        truth = pc.is_in(lower, value_set=pa.array(_TRUE, pa.large_string()))
        neither = pc.invert(pc.is_in(lower, value_set=pa.array((*_TRUE, *_FALSE), pa.large_string())))
        numbers = pc.if_else(pc.or_(neither, pc.is_null(text)), pa.scalar(None, pa.float64()), truth.cast(pa.float64()))
    else:
        text = pc.utf8_ltrim(text, "+")
        try:
            return text.cast(pa.float64()), []
        except pa.ArrowInvalid:
            numbers = pa.chunked_array([pa.array([_number(one) for one in text.to_pylist()], pa.float64())])
    wrong = pc.and_(pc.is_valid(text), pc.is_null(numbers)).to_numpy()
    return numbers, [(at, str(column[at].as_py())) for at in np.flatnonzero(wrong).tolist()]


def _number(text: str | None) -> float | None:
    """Return the number as Arrow reads it, so that a bad row beside it changes nothing for a good one."""
    if text is None:
        return None
    try:
        return float(pa.scalar(text).cast(pa.float64()).as_py())
    except pa.ArrowInvalid:
        return None


def _without_place(sentence: str) -> str:
    """Return the sentence without the ``row 0: `` of a batch, which says nothing of the file."""
    return sentence.partition(": ")[2] if sentence.startswith("row ") else sentence
