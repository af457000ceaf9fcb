"""Rows that try a graph where it could differ from the estimator that it was made from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from trimtab.bundle.encoder import MISSING_CODE, MISSING_EPOCH, UNSEEN_CODE, Inputs
from trimtab.bundle.manifest import Manifest
from trimtab.bundle.moments import EARLIEST_EPOCH, LATEST_EPOCH

__all__ = ["edge_moments", "probe_inputs", "thresholds_of"]

_TREE_OPERATORS = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor"})
_MAX_PROBES = 4_000
_MAX_PLACES = 2_000
_EDGE_YEARS = (1, 4, 100, 400, 1600, 1900, 1968, 1969, 1970, 1972, 2000, 2023, 2024, 2100, 9999)
_EDGE_DAYS = ((1, 1), (2, 28), (3, 1), (12, 31))


def probe_inputs(manifest: Manifest, base: Inputs, model: bytes, rng: np.random.Generator) -> Inputs:
    """Return rows that try the graph where it could differ, made from the rows of ``base``.

    ``base`` as it is; each nullable feature null, and all at once; each category unseen; moments at the ends of hours,
    months and years, at leap days and before 1970; texts without a known term and with one many times; and each number
    at the thresholds of the trees and at the float32 neighbours of those. Of very many features some are tried.
    """
    numeric, codes = [base.numeric], [base.codes]

    def add(changed_numeric: NDArray[np.float32], changed_codes: NDArray[np.int64]) -> None:
        numeric.append(changed_numeric)
        codes.append(changed_codes)

    categories = len(manifest.categorical)
    nullable = _nullable(manifest)
    blocks = _blocks(manifest)
    tried = min(32, max(2, _MAX_PLACES // (1 + manifest.numeric_width + manifest.codes_width)))
    some = base.take(rng.permutation(len(base))[:tried])
    for place in _some_of(np.flatnonzero(nullable), rng):
        add(_nulled(some.numeric, place, blocks), some.codes)
    for place, feature in enumerate(manifest.categorical + manifest.datetimes):
        is_category = place < categories
        if is_category:
            add(some.numeric, _with(some.codes, place, UNSEEN_CODE))
        if feature.nullable:
            add(some.numeric, _with(some.codes, place, MISSING_CODE if is_category else MISSING_EPOCH))
    everything = some.numeric
    for place in np.flatnonzero(nullable).tolist():
        everything = _nulled(everything, place, blocks)
    add(everything, some.codes)
    edges = edge_moments()
    for place in range(categories, manifest.codes_width):
        rows = base.take(rng.integers(0, len(base), len(edges)))
        add(rows.numeric, _with(rows.codes, place, edges))
    for place in _some_of(np.arange(len(manifest.numeric), manifest.numeric_width), rng):
        add(_with(some.numeric, place, np.arange(len(some)) % 3 * 7), some.codes)
    thresholds = thresholds_of(model, len(manifest.numeric))
    budget = max(1, _MAX_PROBES // (3 * max(1, len(thresholds))))
    for place, values in thresholds.items():
        chosen = rng.permutation(values)[:budget]
        around = np.concatenate([chosen, _next(chosen, -np.inf), _next(chosen, np.inf)])
        around = around[np.isfinite(around)]
        rows = base.take(rng.integers(0, len(base), len(around)))
        add(_with(rows.numeric, place, around), rows.codes)
    return Inputs(np.concatenate(numeric), np.concatenate(codes))


def edge_moments() -> NDArray[np.int64]:
    """Return seconds at which a calendar part changes, each with the second before: of common, leap and edge years."""
    found = {EARLIEST_EPOCH, LATEST_EPOCH, -1, 0, 1}
    for year in _EDGE_YEARS:
        for month, day in _EDGE_DAYS:
            midnight = int((datetime(year, month, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
            found |= {midnight, midnight - 1, midnight + 43_199, midnight + 43_200, midnight + 86_399}
    return np.array(sorted(second for second in found if second >= EARLIEST_EPOCH), dtype=np.int64)


def _nullable(manifest: Manifest) -> NDArray[np.bool_]:
    """Return which numeric columns a null makes NaN ``(F,)``: numbers, and the texts' numbers of words."""
    places = [feature.nullable for feature in manifest.numeric]
    for feature in manifest.texts:
        places += [feature.nullable] + [False] * len(feature.terms)
    return np.array(places, dtype=bool)


def _blocks(manifest: Manifest) -> dict[int, int]:
    """Return where the block of each text begins and ends, by its beginning."""
    found, start = {}, len(manifest.numeric)
    for feature in manifest.texts:
        end = start + 1 + len(feature.terms)
        found[start], start = end, end
    return found


def _nulled(numeric: NDArray[np.float32], place: int, blocks: dict[int, int]) -> NDArray[np.float32]:
    """Return the rows with a null there, as the encoder writes it: of a missing text no term occurs."""
    changed = _with(numeric, place, np.nan)
    if place in blocks:
        changed[:, place + 1 : blocks[place]] = 0
    return changed


def _some_of(places: NDArray[Any], rng: np.random.Generator) -> list[int]:
    return [int(place) for place in np.sort(rng.permutation(places)[:_MAX_PLACES])]


def _next(values: NDArray[np.float32], towards: float) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return np.nextafter(values, np.float32(towards))


def _with(matrix: NDArray[Any], place: int, value: Any) -> NDArray[Any]:
    changed = matrix.copy()
    changed[:, place] = value
    return changed


def thresholds_of(model: bytes, numeric_width: int) -> dict[int, NDArray[np.float32]]:
    """Return the thresholds of each numeric column, as the graph holds them; none for a graph without trees."""
    found: dict[int, NDArray[np.float32]] = {}
    for node in onnx.load_from_string(model).graph.node:
        if node.op_type not in _TREE_OPERATORS:
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        columns = np.array(attributes["nodes_featureids"].ints)
        values = np.array(attributes["nodes_values"].floats, dtype=np.float32)
        branches = np.array([mode != b"LEAF" for mode in attributes["nodes_modes"].strings])
        for place in range(numeric_width):
            chosen = values[(columns == place) & branches]
            if len(chosen):
                found[place] = np.unique(chosen)
    return found
