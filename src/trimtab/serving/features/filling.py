"""Completes rows by what a feature source has of their entities, and says what it has not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import numpy as np

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.bundle.values import second_of
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError
from trimtab.records.identity import checked_key
from trimtab.serving.asgi import Headers, RefusedError
from trimtab.serving.features.base import FeatureValue, Why
from trimtab.serving.features.cache import FeatureCache
from trimtab.serving.features.counts import FeatureCounts
from trimtab.serving.features.missed import Missed
from trimtab.serving.features.plugins import open_source
from trimtab.serving.features.reading import Entity, Found, Reading
from trimtab.serving.spec import FeaturesSpec, OnMissing

__all__ = ["Features", "Filled"]

Row = Mapping[str, Any]

_LARGEST: Final = float(np.finfo(np.float32).max)
_PASSING: Final = frozenset({Why.TIMEOUT, Why.UNAVAILABLE})
_RETRY: Final[Headers] = ((b"retry-after", b"1"),)
_FOUND: Final = {
    Why.ABSENT: "is absent in the feature source",
    Why.STALE: "is too old in the feature source",
    Why.UNFIT: "has a value in the feature source that it cannot have",
    Why.TIMEOUT: "was not answered in time by the feature source",
    Why.UNAVAILABLE: "cannot be read, since the feature source fails",
}


class Features:
    """The features of one endpoint's rows that come from a source. Methods run in the event loop's thread."""

    def __init__(
        self, spec: FeaturesSpec, *, endpoint: str, manifests: Mapping[str, Manifest], counts: FeatureCounts
    ) -> None:
        """Open the source; ``manifests`` of the variants by their names.

        Raises:
            ConfigError: a feature that is to come from the source cannot, or the source cannot be opened.
            NotFoundError: there is no source of that name.
        """
        _check(spec, endpoint, manifests.values())
        self.names = spec.names
        self._keys = spec.entity_keys
        self._spec = spec
        self._counts = counts.values
        self._by_name = {one.name: one for manifest in manifests.values() for one in manifest.fields}
        self._of_variant = {name: {one.name: one for one in each.fields} for name, each in manifests.items()}
        self.key_fields = tuple(
            Feature(name=key, kind=ColumnKind.CATEGORY) for key in self._keys if key not in self._by_name
        )
        self._reading = Reading(
            open_source(spec.source, key_env=spec.key_env, key_header=spec.key_header),
            endpoint=endpoint,
            keys=self._keys,
            names=self.names,
            timeout_s=spec.timeout_ms / 1e3,
            counts=counts,
            cache=None if spec.cache_s is None else FeatureCache(spec.cache_s, spec.cache_entities),
        )

    async def fill(self, rows: Sequence[Row], now_us: int) -> Filled:
        """Return ``rows`` with values for what they don't say: what a caller says counts, null is saying nothing.

        Raises:
            ConfigError: a row that lacks a feature lacks the entity's key, too.
        """
        wanted: list[tuple[int, list[str], Entity]] = []
        for at, row in enumerate(rows):
            lacking = [name for name in self.names if _is_unsaid(row.get(name))]
            if lacking:
                wanted.append((at, lacking, self._entity(row, at)))
        if not wanted:
            return Filled(self, rows, ())
        found = await self._reading.read(list(dict.fromkeys(entity for _, _, entity in wanted)))
        known = dict(zip(dict.fromkeys(entity for _, _, entity in wanted), found, strict=True))
        filled = list(rows)
        missed: dict[tuple[str, Why], list[int]] = {}
        for at, lacking, entity in wanted:
            row = filled[at] = dict(rows[at])
            for name in lacking:
                value = row[name] = self._value(name, known[entity], now_us)
                if isinstance(value, Why):
                    row[name] = None
                    missed.setdefault((name, value), []).append(at)
                self._counts[value if isinstance(value, Why) else "read"].inc()
        return Filled(self, filled, tuple(Missed(name, why, places) for (name, why), places in missed.items()))

    def can_do_without(self, name: str, feature: str) -> bool:
        """Return whether variant ``name`` may be asked although ``feature`` of it is missing."""
        return self._spec.on_missing is OnMissing.NULL and self._of_variant[name][feature].nullable

    def rows_for(self, name: str, rows: Sequence[Row]) -> Sequence[Row]:
        """Return filled rows without the keys and features that variant ``name`` knows nothing of."""
        fields = self._of_variant[name]
        foreign = {one for one in (*self._keys, *self.names) if one not in fields}
        return [{key: row[key] for key in row if key not in foreign} for row in rows] if foreign else rows

    def entity_of(self, row: Row) -> str:
        """Return a row's keys in words."""
        return ", ".join(f"{key} {str(row.get(key))[:60]!r}" for key in self._keys)

    def knows(self, name: str, feature: str) -> bool:
        """Return whether variant ``name`` has ``feature``."""
        return feature in self._of_variant[name]

    def close(self) -> None:
        """Let the source go."""
        self._reading.close()

    def _entity(self, row: Row, at: int) -> Entity:
        entity: list[str] = []
        for key in self._keys:
            value = row.get(key)
            if isinstance(value, float) and value.is_integer():
                # What has only floats, such as a tensor, means the same entity as what has whole numbers.
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                listed = ", ".join(self.names)[:120]
                what = "missing" if value is None else f"a {type(value).__name__}"
                raise ConfigError(
                    f"row {at}: field {key!r} is {what}; expected text or a whole number, the key by which {listed} "
                    "come from the feature source; send it, or these"
                )
            entity.append(checked_key(value, f"row {at}: field {key!r}"))
        return tuple(entity)

    def _value(self, name: str, found: Found, now_us: int) -> Any:
        """Return a value, or why there is none."""
        if isinstance(found, Why):
            return found
        # Others' code may return anything.
        one: object = found.get(name)
        if one is None:
            return Why.ABSENT
        if not _is_value(one):
            return Why.UNFIT
        if _is_unsaid(one.value):
            return Why.ABSENT
        oldest_s = self._spec.max_age_s
        # Of a value without a time nobody knows that it is young enough.
        if oldest_s is not None and (one.event_us is None or now_us - one.event_us > oldest_s * 1e6):
            return Why.STALE
        return one.value if _fits(one.value, self._by_name[name]) else Why.UNFIT


@dataclass(frozen=True, slots=True)
class Filled:
    """``rows`` with all that was found, and what was ``missed``."""

    features: Features
    rows: Sequence[Row]
    missed: tuple[Missed, ...]

    def for_variant(self, name: str) -> tuple[Sequence[Row], tuple[Missed, ...]]:
        """Return the rows with the fields of a variant alone, and what it misses.

        Raises:
            RefusedError: 424 or 503, it cannot do without.
        """
        missed = tuple(one for one in self.missed if self.features.knows(name, one.name))
        for one in missed:
            if not self.features.can_do_without(name, one.name):
                raise self._refusal(one)
        return self.features.rows_for(name, self.rows), missed

    def _refusal(self, missed: Missed) -> RefusedError:
        at = missed.rows[0]
        entity = self.features.entity_of(self.rows[at])
        sentence = f"row {at}: feature {missed.name!r} of {entity} {_FOUND[missed.why]}"
        if missed.why in _PASSING:
            return RefusedError(503, f"{sentence}; expected a value; send it, or ask again", _RETRY)
        told = f"{sentence}; expected a value; send it, or write it to the source"
        return RefusedError(424, told, column=missed.name)


def _check(spec: FeaturesSpec, endpoint: str, manifests: Iterable[Manifest]) -> None:
    known: dict[str, Feature] = {}
    for manifest in manifests:
        if manifest.image is not None:
            raise ConfigError(
                f"endpoint {endpoint!r}: features come from a source, but model {manifest.model!r} takes an image; "
                "remove features"
            )
        known |= {feature.name: feature for feature in manifest.features}
    for name in spec.names:
        if name not in known or known[name].is_event_time:
            what = "the time of the row" if name in known else "no feature of its models"
            usable = ", ".join(one for one, feature in known.items() if not feature.is_event_time)[:300]
            raise ConfigError(
                f"endpoint {endpoint!r}: features.names holds {name[:60]!r}, which is {what}; expected only {usable}; "
                "correct it"
            )


def _is_value(found: object) -> TypeGuard[FeatureValue]:
    if not isinstance(found, FeatureValue):
        return False
    value: object = found.value
    moment: object = found.event_us
    return isinstance(value, (bool, int, float, str, type(None))) and isinstance(moment, (int, type(None)))


def _is_unsaid(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _fits(value: Any, feature: Feature) -> bool:
    kind = feature.kind
    if kind is ColumnKind.BOOLEAN:
        return isinstance(value, (bool, int, float)) and value in (0, 1)
    if kind.is_numeric:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
    if kind is ColumnKind.DATETIME:
        try:
            second_of(value, 0, feature)
        except ConfigError:
            return False
        return True
    return isinstance(value, str)
