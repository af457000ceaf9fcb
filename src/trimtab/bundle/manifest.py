"""``bundle.json``: what a bundle says of itself. Its digest covers every file of the bundle."""

from __future__ import annotations

from typing import Literal

import msgspec

from trimtab.core.canonical import JsonObject, digest_of
from trimtab.core.enums import ColumnKind, ImageFit, Task
from trimtab.measures.group_metrics import GroupShare

__all__ = ["MANIFEST_NAME", "Calibration", "Feature", "ImageInput", "Lineage", "Manifest", "Parity"]

MANIFEST_NAME = "bundle.json"


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input column, in the order of the graph's matrix.

    Numeric kinds (number, integer, boolean) are columns of the float matrix; a category is a column of the code
    matrix, its code being the position in ``categories``; −1 is missing, −2 a value that is not in the dictionary.
    A datetime is a column of the code matrix too: whole seconds since 1970 in UTC, `MISSING_EPOCH` where it is missing.
    A text is 1 + T columns of the float matrix: its number of words (NaN where missing), and how often each of its T
    ``terms`` occurs. ``format`` is how the sender writes a datetime beside ISO 8601, ``missing`` what the sender
    writes for 'not known'. ``is_event_time``: the datetime is when the row happens, so a request need not repeat it.
    """

    name: str
    kind: ColumnKind
    nullable: bool = False
    unit: str | None = None
    categories: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    format: str | None = None
    missing: tuple[str, ...] = ()
    is_event_time: bool = False
    example: float | bool | str | None = None


class ImageInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The one input of a model of images: decoded, made ``width`` × ``height`` as ``fit`` says, then normalised.

    The graph takes ``image``, float32 (n, 3, height, width): (value / 255 − mean) / std, for each of R, G, B. Such a
    bundle's features are the image's properties, which the graph does not take: they are what is recorded and watched.
    ``example``: one in base64.
    """

    name: str = "image"
    width: int
    height: int
    fit: ImageFit = ImageFit.STRETCH
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    example: str | None = None

    @property
    def tensor_bytes(self) -> int:
        """What one image takes of memory as the graph's input."""
        return 4 * 3 * self.width * self.height


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a bundle comes from. ``pipeline``: digest of the training's steps and their code."""

    snapshot_id: str
    dataset_hash: str
    config_hash: str
    run_id: str | None = None
    git_commit: str | None = None
    job_id: str | None = None
    pipeline: str | None = None


class Parity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How far encoder and graph together were found from the original estimator."""

    rows: int
    max_abs_difference: float
    tolerance: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the graph corrects the estimator's probabilities, and what that gained on ``rows`` answers out of sample.

    ``sigmoid`` (two classes): logit(q) = slope · logit(p) + intercept. ``temperature``: q ∝ p ** slope. The graph holds
    it already; this only tells. ``log_loss`` and ``ece`` (expected calibration error) are cross-fitted: no answer was
    corrected by what was learnt from it.
    """

    method: Literal["sigmoid", "temperature"]
    slope: float
    intercept: float = 0.0
    rows: int
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The bundle's description: schema, classes, lineage, and the SHA-256 of every other file.

    ``importance`` and ``attribution`` are shares by feature: of what the estimator uses, and of the mean absolute SHAP
    values of held-out rows (empty where none were computed). ``groups``: how groups of rows that the answering fit had
    not seen were answered, by what groups them, then by rate and group; empty where nobody asked.
    """

    schema_version: Literal[1] = 1
    model: str
    task: Task
    target: str
    algorithm: str
    created_at: str
    features: tuple[Feature, ...]
    image: ImageInput | None = None
    classes: tuple[str, ...] = ()
    positive_class: str | None = None
    decision_threshold: float = 0.5
    calibration: Calibration | None = None
    key: str | None = None
    time: str | None = None
    metrics: dict[str, float] = {}
    params: dict[str, str | int | float | bool | None] = {}
    importance: dict[str, float] = {}
    attribution: dict[str, float] = {}
    groups: dict[str, dict[str, dict[str, GroupShare]]] = {}
    parity: Parity
    lineage: Lineage
    files: dict[str, str]

    @property
    def weights(self) -> tuple[dict[str, float], str]:
        """How much each feature weighs (shares by name), and by which method: wherever it is told, it is told so.

        By SHAP values where they were computed, which say it of the answers; else by what the estimator says of itself.
        """
        if self.attribution:
            return self.attribution, "mean |SHAP| on held-out rows"
        return self.importance, "the estimator's own importance"

    @property
    def contents(self) -> JsonObject:
        """The manifest as it is written. Fields left at their default are left out.

        So the digests of bundles that were made before a field was thought of stay what they are.
        """
        return {**msgspec.to_builtins(self), "schema_version": self.schema_version}

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of `contents`, file hashes included."""
        return digest_of(self.contents)

    @property
    def numeric(self) -> tuple[Feature, ...]:
        """Features that are the first columns of the float matrix, in column order."""
        return tuple(feature for feature in self.features if feature.kind.is_numeric)

    @property
    def categorical(self) -> tuple[Feature, ...]:
        """Features that are the first columns of the code matrix, in column order."""
        return tuple(feature for feature in self.features if feature.kind is ColumnKind.CATEGORY)

    @property
    def texts(self) -> tuple[Feature, ...]:
        """Features that follow the numbers in the float matrix, each a block of 1 + T columns."""
        return tuple(feature for feature in self.features if feature.kind is ColumnKind.TEXT)

    @property
    def datetimes(self) -> tuple[Feature, ...]:
        """Features that follow the categories in the code matrix, in column order."""
        return tuple(feature for feature in self.features if feature.kind is ColumnKind.DATETIME)

    @property
    def event_time(self) -> Feature | None:
        """The datetime that is both a feature and the time of the row; None where time is no feature."""
        return next((feature for feature in self.features if feature.is_event_time), None)

    @property
    def fields(self) -> tuple[Feature, ...]:
        """What a row of a request has: the features, or the image, which is told as text (it is sent in base64)."""
        if self.image is None:
            return self.features
        return (Feature(name=self.image.name, kind=ColumnKind.TEXT, example=self.image.example),)

    @property
    def example(self) -> dict[str, float | bool | str | None]:
        """A row that was learnt from. It says no event time: who tries it out asks about now."""
        return {feature.name: _as_sent(feature) for feature in self.fields if not feature.is_event_time}

    @property
    def numeric_width(self) -> int:
        """Columns of the float matrix."""
        return len(self.numeric) + sum(1 + len(feature.terms) for feature in self.texts)

    @property
    def codes_width(self) -> int:
        """Columns of the code matrix."""
        return len(self.categorical) + len(self.datetimes)


def _as_sent(feature: Feature) -> float | bool | str | None:
    example = feature.example
    return int(example) if feature.kind is ColumnKind.INTEGER and isinstance(example, float) else example
