"""``bundle.json``: what a bundle says of itself. Its digest covers every file of the bundle."""

from __future__ import annotations

from typing import Literal

import msgspec

from trimtab.core.canonical import digest_of
from trimtab.core.enums import ColumnKind, Task

__all__ = ["MANIFEST_NAME", "Feature", "Lineage", "Manifest", "Parity"]

MANIFEST_NAME = "bundle.json"


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input column, in the order of the graph's matrix.

    Numeric kinds (number, integer, boolean) are columns of the float matrix; a category is a column of the code
    matrix, its code being the position in ``categories``; −1 is missing, −2 a value that is not in the dictionary.
    A datetime is a column of the code matrix too: whole seconds since 1970 in UTC, `MISSING_EPOCH` where it is missing.
    A text is 1 + T columns of the float matrix: its number of words (NaN where missing), and how often each of its T
    ``terms`` occurs. ``format`` is how the sender writes a datetime beside ISO 8601, ``missing`` what the sender
    writes for 'not known'.
    """

    name: str
    kind: ColumnKind
    nullable: bool = False
    unit: str | None = None
    categories: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    format: str | None = None
    missing: tuple[str, ...] = ()
    example: float | bool | str | None = None


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a bundle comes from."""

    snapshot_id: str
    dataset_hash: str
    config_hash: str
    run_id: str | None = None
    git_commit: str | None = None
    job_id: str | None = None


class Parity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far encoder and graph together were found from the original estimator."""

    rows: int
    max_abs_difference: float
    tolerance: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bundle's description: schema, classes, lineage, and the SHA-256 of every other file."""

    schema_version: Literal[1] = 1
    model: str
    task: Task
    target: str
    algorithm: str
    created_at: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...] = ()
    positive_class: str | None = None
    decision_threshold: float = 0.5
    key: str | None = None
    time: str | None = None
    metrics: dict[str, float] = {}
    params: dict[str, str | int | float | bool | None] = {}
    importance: dict[str, float] = {}
    parity: Parity
    lineage: Lineage
    files: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over the manifest's canonical JSON, file hashes included."""
        return digest_of(msgspec.to_builtins(self))

    @property
    def numeric(self) -> tuple[Feature, ...]:
        """Features of the float matrix, in column order."""
        return tuple(feature for feature in self.features if feature.kind.is_numeric)

    @property
    def categorical(self) -> tuple[Feature, ...]:
        """Features of the code matrix, in column order."""
        return tuple(feature for feature in self.features if feature.kind is ColumnKind.CATEGORY)
