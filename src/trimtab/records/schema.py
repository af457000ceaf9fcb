"""What comes back from serving: the frames of the journal, and the Arrow columns of a segment.

A journal holds frames of three kinds. A `SchemaFrame` describes the rows that follow with its ``schema_id``; a
`PredictionFrame` is one answered row; a `TruthFrame` is one true outcome. Frames are msgpack arrays, tagged.
"""

from __future__ import annotations

import msgspec

from trimtab.core.enums import ColumnKind, Task, VariantRole

__all__ = [
    "BATCH_VARIANT",
    "FEATURE_PREFIX",
    "KIND_KEY",
    "SEGMENT_COLUMNS",
    "SHADOW_OF",
    "TRUTH_COLUMNS",
    "Frame",
    "PredictionFrame",
    "SchemaFrame",
    "TruthFrame",
]

Scalar = float | bool | str | None

FEATURE_PREFIX = "f."
"""Feature columns of a segment are named ``f.<feature>``, so that none can collide with ours."""

KIND_KEY = "kind"
"""Key, in the metadata of a feature's column, of the kind that the model takes it for."""

BATCH_VARIANT = "batch"
"""Variant of records that ``trimtab batch`` made: of an endpoint's model, and nothing that its server answered."""

SEGMENT_COLUMNS = (
    "prediction_id",  # string, UUIDv7
    "request_id",  # string
    "event_us",  # int64, microseconds UTC: when it happened (the caller's, else received_us)
    "received_us",  # int64, microseconds UTC
    "variant",  # string
    "generation",  # int64
    "assignment_probability",  # float64, nullable, 0..1: chance with which the variant was drawn; null: asked for
    "record_key",  # string, nullable: the caller's own key of the row
    "source",  # string, nullable: the feed that sent it
    "sticky_hash",  # string, nullable
    "prediction",  # string for classes, float64 for regression
    "probability",  # float64, nullable: of the positive class (binary), of the predicted one (multi-class)
    "latency_ms",  # float64: of the request that the row came in
)
"""Columns of a prediction segment before its feature columns. The schema's metadata holds ``segment_id``, ``endpoint``,
``model``, ``model_version``, ``bundle_digest``, ``task``, ``kind`` = ``predictions``."""

SHADOW_OF = "shadow_of"
"""Column of a segment of a shadow variant, whose metadata says ``role`` = ``shadow``, behind `SEGMENT_COLUMNS`: string,
the id of the prediction that the caller got. Other segments have neither."""

TRUTH_COLUMNS = (
    "endpoint",  # string
    "prediction_id",  # string, nullable
    "record_key",  # string, nullable
    "event_us",  # int64, nullable: event time of the row that it belongs to
    "truth",  # string (numbers as their shortest decimal text)
    "labelled_us",  # int64: when the outcome was known
    "received_us",  # int64
)
"""Columns of a truth segment; the schema's metadata holds ``segment_id``, ``endpoint`` and ``kind`` = ``truth``.
``endpoint`` is empty where the sender gave nothing but a prediction id."""


class SchemaFrame(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """Says how prediction frames with this ``schema_id`` are to be read. Repeated at the head of each journal file."""

    schema_id: int
    endpoint: str
    model: str
    model_version: int
    variant: str
    bundle_digest: str
    task: Task
    features: tuple[tuple[str, ColumnKind], ...]
    role: VariantRole = VariantRole.LIVE


class PredictionFrame(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """One row answered. ``values`` are the inputs in the order of the schema's features, a datetime as its second.

    ``shadow_of``: where a shadow answered, the id of the prediction that the caller got.
    """

    schema_id: int
    prediction_id: str
    request_id: str
    event_us: int
    received_us: int
    generation: int
    assignment_probability: float | None
    record_key: str | None
    source: str | None
    sticky_hash: str | None
    values: tuple[Scalar, ...]
    prediction: str | float
    probability: float | None
    latency_ms: float
    shadow_of: str | None = None


class TruthFrame(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """One true outcome, for a row named by ``prediction_id`` or by ``record_key`` and ``event_us``."""

    endpoint: str
    prediction_id: str | None
    record_key: str | None
    event_us: int | None
    truth: str
    labelled_us: int
    received_us: int


Frame = SchemaFrame | PredictionFrame | TruthFrame
