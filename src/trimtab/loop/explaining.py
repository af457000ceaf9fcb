"""What the answers of a variant hang on: its bundle is asked about rows of the window, and about those it came with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import SAMPLE_NAME
from trimtab.core.enums import Task
from trimtab.core.errors import DataContractError
from trimtab.lake.sampled import sample_rows
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.measures.shapley import sampled_shapley
from trimtab.monitoring.check import Window
from trimtab.monitoring.explained import Explained
from trimtab.registry.versions import ModelVersion

__all__ = ["Explainer", "contributions"]

_MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Explainer:
    """Asks one version about what it answered as ``variant``; nothing is loaded before it is called."""

    platform: Platform
    files: ModelFiles
    version: ModelVersion
    variant: str
    manifest: Manifest

    def __call__(self, window: Window) -> Explained:
        """Return what 200 rows of the window hang on, and what as many hung on that the version came with.

        Raises:
            DataContractError: the version has no such rows, or answers images.
            TrimtabError: the bundle cannot be loaded, or not be asked.
        """
        names = tuple(feature.name for feature in self.manifest.features)
        predictor, background, then = _baseline(Path(self.version.bundle_path), self.version.digest)
        rows = sample_rows(
            self.platform.lake,
            self.files.endpoint,
            start_us=window.start_us,
            end_us=window.end_us,
            variant=self.variant,
            model_version=self.version.number,
            features=names,
            most=_MOST_ROWS,
            # A fixed seed: the same window gets the same answer.
            rng=np.random.default_rng(0),
        )
        if not rows.num_rows:
            return Explained(names, then, np.zeros((0, len(names))))
        return Explained(names, then, contributions(predictor, rows, background))


@lru_cache(maxsize=4)
def _baseline(bundle: Path, digest: str) -> tuple[Predictor, Inputs, NDArray[np.float64]]:
    """Explain the bundle's own rows once: it never changes."""
    predictor = Predictor.load(bundle, expected_digest=digest)
    manifest = predictor.manifest
    if manifest.image is not None:
        raise DataContractError(
            f"model {manifest.model!r}: answers images, whose properties it does not take; attributions are of tables"
        )
    if SAMPLE_NAME not in manifest.files:
        raise DataContractError(
            f"model {manifest.model!r}: the version was made before versions kept rows to compare attributions with: "
            "retrain once"
        )
    rows = pq.read_table(bundle / SAMPLE_NAME)
    background = predictor.encoder.encode_table(rows)
    return predictor, background, contributions(predictor, rows, background)


def contributions(predictor: Predictor, rows: pa.Table, background: Inputs) -> NDArray[np.float64]:
    """Return what each feature adds to the answer to each row, against the ``background``: ``(n, F)``.

    The answer is a number's value, the positive class's probability, or that of the class that the row is answered.
    """
    manifest = predictor.manifest
    own = predictor.encoder.encode_table(rows)
    numeric, codes = _players(manifest)
    answered = predictor.predict(own)
    place = None
    if manifest.task is Task.MULTICLASS and answered.probabilities is not None:
        place = answered.probabilities.argmax(axis=1)

    def value(mine: NDArray[np.int64], other: NDArray[np.int64], taken: NDArray[np.bool_]) -> NDArray[Any]:
        mixed = Inputs(
            np.ascontiguousarray(np.where(taken[:, numeric], own.numeric[mine], background.numeric[other])),
            np.ascontiguousarray(np.where(taken[:, codes], own.codes[mine], background.codes[other])),
        )
        found = predictor.predict(mixed)
        if place is not None and found.probabilities is not None:
            return np.asarray(found.probabilities[np.arange(len(mine)), place[mine]])
        return np.asarray(found.labels if found.probability is None else found.probability)

    return sampled_shapley(
        value,
        rows=len(own),
        background=len(background),
        features=len(manifest.features),
        rng=np.random.default_rng(0),
    )


def _players(manifest: Manifest) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the feature, by its place, of each column of the float matrix and of the code matrix."""
    place = {feature.name: at for at, feature in enumerate(manifest.features)}
    numeric = [place[feature.name] for feature in manifest.numeric]
    for feature in manifest.texts:
        numeric += [place[feature.name]] * (1 + len(feature.terms))
    codes = [place[feature.name] for feature in (*manifest.categorical, *manifest.datetimes)]
    return np.array(numeric, dtype=np.intp), np.array(codes, dtype=np.intp)
