"""How good the answers of a rollout's two versions were, from what the lake has of them since it was last asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import TypeAdapter

from trimtab.config.model import ModelConfig
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task
from trimtab.lake.deliveries import delivered_since
from trimtab.lake.labelled import answered_rows
from trimtab.loop.platform import Platform
from trimtab.measures.answers import Answers
from trimtab.rollout.analysis_plan import AnalysisPlan, loss_of
from trimtab.rollout.block import AnsweredUnit, LossUnit
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategies import ShadowConfig
from trimtab.rollout.units import (
    AnsweredRows,
    answered_units,
    due_rows,
    first_of_keys,
    loss_units,
    means,
    passed,
    units_of,
)

__all__ = ["LabelCursor", "QualityUnits", "quality_since"]

_SETTLED_US: Final = 5_000_000
_SLACK_US: Final = 600_000_000
_TOLERANCE: Final = 0.05

Floats = NDArray[np.float64]
Losses = dict[int, dict[str, tuple[LossUnit, ...]]]
Pairs = dict[int, dict[str, tuple[tuple[float, float], ...]]]


@dataclass(frozen=True, slots=True)
class LabelCursor:
    """How far answers have been taken, by when they were received: those with an outcome, and whatever the outcome.

    Only generations after ``after_generation`` are the rollout's. ``began_us``: since when its answers may have been
    received, where a clock that was set back makes that earlier than its start.
    """

    after_generation: int
    labelled_us: int = 0
    answered_us: int = 0
    began_us: int | None = None

    def to_json(self) -> JsonObject:
        """Return the cursor as JSON values."""
        return dict(_CURSOR.dump_python(self, mode="json"))

    @staticmethod
    def from_json(data: Any) -> LabelCursor:
        """Return the cursor that `to_json` wrote."""
        return _CURSOR.validate_python(data)


@dataclass(frozen=True, slots=True)
class QualityUnits:
    """What is new, by generation: units with their losses; of a shadow pairs of losses, and shares of agreement.

    ``predictions``: units with what they were answered, where these are compared.
    """

    losses: Mapping[int, Mapping[str, tuple[LossUnit, ...]]] = field(default_factory=dict)
    pairs: Mapping[int, Mapping[str, tuple[tuple[float, float], ...]]] = field(default_factory=dict)
    agreement: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    predictions: Mapping[int, tuple[AnsweredUnit, ...]] = field(default_factory=dict)

    @property
    def generations(self) -> tuple[int, ...]:
        """Those of which there is anything, in order."""
        return tuple(sorted({*self.losses, *self.pairs, *self.agreement, *self.predictions}))


def quality_since(
    platform: Platform, rollout: Rollout, plan: AnalysisPlan, cursor: LabelCursor, *, sticky: bool
) -> tuple[LabelCursor, QualityUnits]:
    """Return the answers of both versions whose turn has come since ``cursor``, and the cursor after them.

    ``sticky``: some requests bore a key; then only a key's first unit in a generation counts, and all answers since
    the rollout's start are read, to know which one that was.
    """
    limits = plan.limits
    answers = bool(limits.max_estimated_degradation) or limits.max_prediction_shift is not None or plan.paired
    if not (limits.max_degradation or answers):
        return cursor, QualityUnits()
    reached = [cursor.labelled_us] if limits.max_degradation else []
    reached += [cursor.answered_us] if answers else []
    now_us = platform.now_us()
    began_us = rollout.started_us if cursor.began_us is None else cursor.began_us
    if now_us < began_us:
        began_us = now_us - _SLACK_US
        cursor = replace(cursor, began_us=began_us)
    since_us = began_us if sticky else max(began_us, min(reached) - _SLACK_US)
    with platform.database.reading() as connection:
        segments = delivered_since(connection, since_us)
    if not segments:
        return cursor, QualityUnits()
    model = platform.files(rollout.spec.model).model
    live = answered_rows(platform.lake, rollout.spec.endpoint, segments, known_until_us=now_us)
    if plan.paired:
        shadow = answered_rows(platform.lake, rollout.spec.endpoint, segments, known_until_us=now_us, shadow=True)
        return _of_shadow(rollout, plan, cursor, model, live=live, shadow=shadow, now_us=now_us)
    return _of_split(rollout, plan, cursor, model, live, now_us=now_us)


def _of_split(
    rollout: Rollout, plan: AnalysisPlan, cursor: LabelCursor, model: ModelConfig, live: pa.Table, *, now_us: int
) -> tuple[LabelCursor, QualityUnits]:
    wanted = [version.variant for version in (rollout.spec.candidate, rollout.spec.stable) if version is not None]
    live = live.filter(pc.is_in(live["variant"], pa.array(wanted, pa.string())))
    live = live.filter(pc.greater(live["generation"], cursor.after_generation))
    # While a version has all of the traffic there is nothing to hold its answers against.
    live = live.filter(pc.less(live["assignment_probability"], 1.0))
    rows = _rows(live, rollout.spec.candidate.variant)
    units = units_of(rows, due_rows(rows, label_delay_us=_us(model.label_delay), now_us=now_us))
    known = rows.known
    losses = {metric: means(_losses(live, metric, model, known), units) for metric in plan.limits.max_degradation}
    turn, labelled_us = passed(units, after_us=cursor.labelled_us, settled_us=now_us - _SETTLED_US)
    labelled = np.bincount(units.of_row[known], minlength=len(units.received_us)) > 0
    chosen = turn & first_of_keys(units, labelled)
    found: Losses = loss_units(units, losses, chosen)
    cursor = replace(cursor, labelled_us=labelled_us)
    if not plan.limits.max_estimated_degradation and plan.limits.max_prediction_shift is None:
        return cursor, QualityUnits(losses=found)
    settled = (units.received_us > cursor.answered_us) & (units.received_us <= now_us - _SETTLED_US)
    fresh = settled & first_of_keys(units, np.ones(len(settled), dtype=np.bool_))
    guesses: dict[str, Floats] = {}
    if plan.limits.max_estimated_degradation:
        guesses = {"accuracy": means(_chance_of_error(live, model), units)}
    for generation, by_metric in loss_units(units, guesses, fresh, estimated=True).items():
        of_it = found.setdefault(generation, {})
        of_it["accuracy"] = (*of_it.get("accuracy", ()), *by_metric["accuracy"])
    answered_us = int(units.received_us[settled].max(initial=cursor.answered_us))
    predictions: dict[int, tuple[AnsweredUnit, ...]] = {}
    if plan.limits.max_prediction_shift is not None:
        predictions = answered_units(units, live["prediction"].to_pylist(), fresh)
    return replace(cursor, answered_us=answered_us), QualityUnits(losses=found, predictions=predictions)


def _of_shadow(
    rollout: Rollout,
    plan: AnalysisPlan,
    cursor: LabelCursor,
    model: ModelConfig,
    *,
    live: pa.Table,
    shadow: pa.Table,
    now_us: int,
) -> tuple[LabelCursor, QualityUnits]:
    """Compare a shadow's answers with those that callers got to the same rows; outcomes name the latter."""
    shadow = shadow.filter(pc.equal(shadow["variant"], rollout.spec.candidate.variant))
    shadow = shadow.filter(pc.greater(shadow["generation"], cursor.after_generation))
    places = pc.index_in(shadow["shadow_of"], live["prediction_id"])
    shadow, places = shadow.filter(pc.is_valid(places)), places.filter(pc.is_valid(places))
    live = live.take(places)
    rows = _rows(live, rollout.spec.candidate.variant)
    units = units_of(rows, due_rows(rows, label_delay_us=_us(model.label_delay), now_us=now_us))
    turn, labelled_us = passed(units, after_us=cursor.labelled_us, settled_us=now_us - _SETTLED_US)
    pairs: Pairs = {}
    columns = {"truth": live["truth"], "prediction": shadow["prediction"], "probability": shadow["probability"]}
    for metric in plan.limits.max_degradation:
        mine = means(_losses(pa.table(columns), metric, model, rows.known), units)
        other = means(_losses(live, metric, model, rows.known), units)
        for place in np.flatnonzero(turn & ~np.isnan(mine) & ~np.isnan(other)):
            of_it = pairs.setdefault(int(units.generation[place]), {})
            of_it[metric] = (*of_it.get(metric, ()), (float(mine[place]), float(other[place])))
    settled = (units.received_us > cursor.answered_us) & (units.received_us <= now_us - _SETTLED_US)
    strategy = rollout.spec.strategy
    tolerance = strategy.agreement_tolerance if isinstance(strategy, ShadowConfig) else _TOLERANCE
    shares = means(_agreeing(shadow["prediction"], live["prediction"], tolerance), units)
    agreement: dict[int, tuple[float, ...]] = {
        int(generation): tuple(shares[settled & (units.generation == generation)].tolist())
        for generation in np.unique(units.generation[settled])
    }
    answered_us = int(units.received_us[settled].max(initial=cursor.answered_us))
    return replace(cursor, labelled_us=labelled_us, answered_us=answered_us), QualityUnits(
        pairs=pairs, agreement=agreement
    )


def _rows(table: pa.Table, candidate: str) -> AnsweredRows:
    is_candidate = np.asarray(pc.equal(table["variant"], candidate).to_numpy(zero_copy_only=False), dtype=np.bool_)
    drawn = _floats(table["assignment_probability"])
    return AnsweredRows(
        request_id=_texts(table["request_id"]),
        received_us=_whole(table["received_us"]),
        event_us=_whole(table["event_us"]),
        generation=_whole(table["generation"]),
        is_candidate=is_candidate,
        # As it is told of the counts: what is left of 1 is not exactly what the other one had.
        probability=np.asarray(np.where(is_candidate, drawn, 1 - drawn).round(12), dtype=np.float64),
        key=_texts(pc.fill_null(table["sticky_hash"], "")),
        labelled_us=_whole(pc.fill_null(table["labelled_us"], 0)),
    )


def _losses(table: pa.Table, metric: str, model: ModelConfig, known: NDArray[np.bool_]) -> Floats:
    """Return the loss of each row, NaN where its outcome is not known."""
    found = np.full(table.num_rows, np.nan)
    told = table.filter(pa.array(known))
    read = _floats if model.task is Task.REGRESSION else _texts
    probability = None if model.task is Task.REGRESSION else _floats(told["probability"])
    answers = Answers(model.task, read(told["truth"]), read(told["prediction"]), probability, model.positive_class)
    if told.num_rows:
        # What is too large to be squared becomes infinite, and is left out as such.
        with np.errstate(over="ignore", invalid="ignore"):
            found[known] = loss_of(metric, model.task).compute(answers)
    return found


def _chance_of_error(table: pa.Table, model: ModelConfig) -> Floats:
    """Return with what chance each answer is wrong, by the model's own calibrated probability."""
    sure = _floats(table["probability"])
    if model.task is Task.BINARY:
        return np.where(_texts(table["prediction"]) == model.positive_class, 1 - sure, sure)
    return np.asarray(1 - sure, dtype=np.float64)


def _agreeing(candidate: pa.ChunkedArray, live: pa.ChunkedArray, tolerance: float) -> Floats:
    """Return 1 where two answers are the same, or numbers that differ by ``tolerance`` of the larger one at most."""
    if not pa.types.is_floating(live.type):
        return np.asarray(_texts(candidate) == _texts(live), dtype=np.float64)
    mine, other = _floats(candidate), _floats(live)
    most = tolerance * np.maximum(np.abs(mine), np.abs(other))
    return np.asarray(np.abs(mine - other) <= most, dtype=np.float64)


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _texts(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.str_)


def _whole(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


_CURSOR: TypeAdapter[LabelCursor] = TypeAdapter(LabelCursor)
