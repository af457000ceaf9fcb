"""From journal frames to Arrow segments: the form in which records travel to the lake."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from trimtab.core.enums import ColumnKind, VariantRole
from trimtab.core.errors import DataContractError
from trimtab.files import write_atomically
from trimtab.records.schema import (
    FEATURE_PREFIX,
    KIND_KEY,
    SEGMENT_COLUMNS,
    SHADOW_OF,
    TRUTH_COLUMNS,
    PredictionFrame,
    SchemaFrame,
    TruthFrame,
)

__all__ = [
    "PREDICTIONS",
    "ROLE",
    "SEGMENT_SUFFIX",
    "TRUTH",
    "predictions_table",
    "read_segment",
    "segment_bytes",
    "segment_id",
    "segment_id_of",
    "truth_table",
    "write_segment",
]

PREDICTIONS: Final = "predictions"
TRUTH: Final = "truth"
ROLE: Final = "role"
"""Key, in the metadata of a segment, of the variant's role; absent, it is live."""
SEGMENT_SUFFIX: Final = ".arrow"

_MAX_FILE_BYTES: Final = 512 * 1024 * 1024
_MAX_ROWS: Final = 1_000_000
_SEGMENT_ID = re.compile(r"[0-9a-f]{32}")
_REQUIRED: Final = {
    PREDICTIONS: ("segment_id", "endpoint", "model", "model_version", "bundle_digest", "task"),
    TRUTH: ("segment_id",),
}

_MOMENT: Final = pa.timestamp("us", tz="UTC")
_COLUMN_TYPES: Final[dict[str, pa.DataType]] = {
    "event_us": pa.int64(),
    "received_us": pa.int64(),
    "labelled_us": pa.int64(),
    "generation": pa.int64(),
    "assignment_probability": pa.float64(),
    "probability": pa.float64(),
    "latency_ms": pa.float64(),
}


def segment_id(journal_name: str, start: int, end: int, part: str) -> str:
    """Return the id of the segment of ``part`` (a schema id, or ``truth``) made of bytes ``start`` to ``end``.

    The same bytes give the same id, however often they are read: so a segment that was sent twice is known as one.

    >>> segment_id("a-000001.journal", 8, 96, "1") == segment_id("a-000001.journal", 8, 96, "1")
    True
    """
    return hashlib.sha256(f"{journal_name}\n{start}\n{end}\n{part}".encode()).hexdigest()[:32]


def predictions_table(schema: SchemaFrame, frames: Sequence[PredictionFrame], segment: str) -> pa.Table:
    """Return the rows of one schema as a table of `SEGMENT_COLUMNS` and ``f.`` columns, described by its metadata.

    Numbers become float64 (NaN never stands for null), booleans bool, categories and text strings, datetimes
    timestamps. A feature's field says of which kind it is in its metadata.
    """
    is_class = schema.task.is_classification
    arrays = [_column(name, [getattr(f, name) for f in frames], is_class) for name in _STORED]
    arrays.insert(SEGMENT_COLUMNS.index("variant"), pa.array([schema.variant] * len(frames), pa.string()))
    fields = [pa.field(name, array.type) for name, array in zip(SEGMENT_COLUMNS, arrays, strict=True)]
    if schema.role is VariantRole.SHADOW:
        arrays.append(_column(SHADOW_OF, [f.shadow_of for f in frames], is_class))
        fields.append(pa.field(SHADOW_OF, pa.string()))
    for place, (name, kind) in enumerate(schema.features):
        arrays.append(_feature([f.values[place] for f in frames], kind))
        fields.append(pa.field(FEATURE_PREFIX + name, arrays[-1].type, metadata={KIND_KEY: str(kind)}))
    metadata = {
        "kind": PREDICTIONS,
        "segment_id": segment,
        "endpoint": schema.endpoint,
        "model": schema.model,
        "model_version": str(schema.model_version),
        "bundle_digest": schema.bundle_digest,
        "task": str(schema.task),
    }
    if schema.role is VariantRole.SHADOW:
        metadata[ROLE] = str(schema.role)
    return pa.table(arrays, schema=pa.schema(fields, metadata))


def truth_table(frames: Sequence[TruthFrame], segment: str) -> pa.Table:
    """Return true outcomes of one endpoint (or of none that was named: ``""``) as a table of `TRUTH_COLUMNS`."""
    arrays = [_column(name, [getattr(f, name) for f in frames], is_class=True) for name in TRUTH_COLUMNS]
    metadata = {"kind": TRUTH, "segment_id": segment, "endpoint": frames[0].endpoint}
    return pa.table(arrays, names=list(TRUTH_COLUMNS)).replace_schema_metadata(metadata)


def write_segment(folder: Path, table: pa.Table) -> Path:
    """Write ``table`` as ``<segment_id>.arrow`` (IPC file, zstd), whole or not at all, and return its path.

    Raises:
        OSError: the folder cannot be written, or is full.
    """
    path = folder / f"{segment_id_of(table)}{SEGMENT_SUFFIX}"
    write_atomically(path, segment_bytes(table))
    return path


def segment_bytes(table: pa.Table) -> bytes:
    """Return ``table`` as a segment travels: an Arrow IPC file, zstd inside."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def segment_id_of(table: pa.Table) -> str:
    """Return the id that a segment's metadata says."""
    return _text_metadata(table.schema)["segment_id"]


def read_segment(path: Path, expected_id: str | None = None) -> pa.Table:
    """Return the segment in ``path``, after checking that it is one: id, metadata, columns and their types.

    It has to have the id ``expected_id``; None: the one in its file's name.

    Raises:
        FileNotFoundError: it is gone; another reader may have taken it.
        DataContractError: it is too large, damaged, or no segment.
    """
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise DataContractError(f"{path}: {size} bytes, a segment has at most {_MAX_FILE_BYTES}; it is none; remove it")
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            _check_schema(path, reader.schema, path.name if expected_id is None else expected_id + SEGMENT_SUFFIX)
            batches = []
            rows = 0
            for place in range(reader.num_record_batches):
                batches.append(reader.get_batch(place))
                rows += batches[-1].num_rows
                if rows > _MAX_ROWS:
                    raise DataContractError(f"{path}: more than {_MAX_ROWS} rows; no shipper writes that; remove it")
            table = pa.Table.from_batches(batches, reader.schema)
            table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataContractError(f"{path}: no readable segment ({reason}); ship it again") from error
    return table


def _column(name: str, values: list[Any], is_class: bool) -> pa.Array:
    if name == "prediction":
        return pa.array(values, pa.string() if is_class else pa.float64())
    return pa.array(values, _COLUMN_TYPES.get(name, pa.string()))


def _feature(values: Iterable[Any], kind: ColumnKind) -> pa.Array:
    if kind.is_numeric:
        # A text got past the encoder because it means 'not known'.
        values = [None if isinstance(value, str) else value for value in values]
    if kind is ColumnKind.BOOLEAN:
        return pa.array([None if value is None else bool(value) for value in values], pa.bool_())
    if kind.is_numeric:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kind is ColumnKind.DATETIME:
        return pa.array([None if value is None else int(value) * 1_000_000 for value in values], _MOMENT)
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _check_schema(path: Path, schema: pa.Schema, file_name: str) -> None:
    metadata = _text_metadata(schema)
    kind = metadata.get("kind", "")
    absent = [name for name in _REQUIRED.get(kind, ("kind",)) if name not in metadata]
    if absent:
        raise DataContractError(
            f"{path}: metadata lacks {absent}; expected a segment of predictions or truth; remove it"
        )
    segment = metadata["segment_id"]
    if not _SEGMENT_ID.fullmatch(segment) or file_name != segment + SEGMENT_SUFFIX:
        raise DataContractError(f"{path}: holds segment {segment[:40]!r}, expected the id in its name; ship it again")
    wanted = SEGMENT_COLUMNS if kind == PREDICTIONS else TRUTH_COLUMNS
    if tuple(schema.names[: len(wanted)]) != wanted:
        raise DataContractError(f"{path}: columns {schema.names[:20]}, expected {list(wanted)} first; ship it again")
    for field in schema:
        if field.name.startswith(FEATURE_PREFIX) and kind == PREDICTIONS:
            allowed: tuple[pa.DataType, ...] = (pa.float64(), pa.bool_(), pa.string(), _MOMENT)
        elif field.name == "prediction":
            allowed = (pa.float64(), pa.string())
        elif field.name in wanted or (field.name == SHADOW_OF and ROLE in metadata):
            allowed = (_COLUMN_TYPES.get(field.name, pa.string()),)
        else:
            allowed = ()
        if field.type not in allowed:
            raise DataContractError(
                f"{path}: column {field.name!r} of type {field.type} is not expected; ship it again"
            )


def _text_metadata(schema: pa.Schema) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


_STORED: Final = tuple(name for name in SEGMENT_COLUMNS if name != "variant")
