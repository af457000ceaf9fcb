"""Tries monitors with planted faults: is each detected, how soon, and is it called by its name?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import ColumnKind, Task, Verdict
from trimtab.measures.group_metrics import GroupShare
from trimtab.monitoring.answered import AnsweredRows, LabelledRows
from trimtab.monitoring.cause import CauseKind
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.planted_cause import CALLED, PlantedCause
from trimtab.monitoring.registry import monitor_of
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PREDICTION, PROBABILITY, profile_segment
from trimtab.profiles.reference import Reference, build_reference
from trimtab.testing.planted import Planted, plant

__all__ = ["Answers", "Outcome", "Trial", "looks", "tried"]

Predict = Callable[[pa.Table], "Answers"]
Breach = tuple[str, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model answered to rows ``(n,)``; ``probability`` is None where it gives none."""

    prediction: NDArray[Any]
    probability: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """A table in order of time, and what is watched in it.

    ``table`` has the features, ``target`` and ``time_us``; rows before ``begin_us`` are the reference, of which
    ``known`` are the answers to rows that the answering fit had not seen; windows of ``window_us`` follow. Outcomes are
    known at a window's end. ``groups`` is what a bundle tells of groups' answers.
    """

    table: pa.Table
    features: Mapping[str, ColumnContract]
    target: str
    task: Task
    begin_us: int
    window_us: int
    predict: Predict
    known: Answers
    baseline: Mapping[str, float]
    monitors: Sequence[MonitorSettings]
    positive_class: str | None = None
    period_s: int = 3_600
    groups: Mapping[str, Mapping[str, Mapping[str, GroupShare]]] = field(default_factory=dict)
    reference: Reference = field(init=False)

    def __post_init__(self) -> None:
        """Build the reference."""
        rows = self.table.filter(pc.less(self.table["time_us"], self.begin_us))
        kinds = {name: contract.type for name, contract in self.features.items()}
        table, more = _with_answers(rows.select(list(kinds)), self.known)
        times = rows["time_us"].to_numpy()
        object.__setattr__(self, "reference", build_reference(table, {**kinds, **more}, time_us=times))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen of one fault: by which monitors, and after how many windows (1: the one that it began in).

    ``named_after`` says after how many it was called by its name; None: never.
    ``breaches`` are those of a window that were not there without the fault; ``before`` is the share of windows that
    had a breach without any.
    """

    cause: PlantedCause
    detected_by: tuple[str, ...]
    delay: int | None
    named_after: int | None
    breaches: tuple[tuple[Breach, ...], ...]
    before: float


@dataclass(frozen=True, slots=True)
class _Seen:
    breaches: frozenset[Breach]
    causes: frozenset[tuple[CauseKind, str]]


def tried(trial: Trial, faults: Sequence[Planted], *, sound: int, windows: int, seed: int) -> list[Outcome]:
    """Return what becomes of each fault that begins in the middle of the window after ``sound`` ones."""
    usual = _judged(trial, trial.table, windows)
    return [_outcome(trial, fault, usual, sound, windows, seed) for fault in faults]


def _outcome(trial: Trial, fault: Planted, usual: Sequence[_Seen], sound: int, windows: int, seed: int) -> Outcome:
    since_us = trial.begin_us + sound * trial.window_us + trial.window_us // 2
    times = trial.table["time_us"].to_numpy()
    last_us = trial.begin_us + windows * trial.window_us
    affected = (times >= since_us) & (times < last_us)
    found = _judged(trial, plant(trial.table, fault, affected, np.random.default_rng(seed)), windows)
    new = [seen.breaches - before.breaches for seen, before in zip(found, usual, strict=True)]
    places = [place for place in range(sound, windows) if new[place]]
    first = places[0] if places else None
    named = [place for place in places if _is_named(fault, found[place], new[place])]
    return Outcome(
        cause=fault.cause,
        detected_by=() if first is None else tuple(sorted({kind for kind, _ in new[first]})),
        delay=None if first is None else first - sound + 1,
        named_after=named[0] - sound + 1 if named else None,
        breaches=tuple(tuple(sorted(part, key=str)) for part in new),
        before=float(np.mean([bool(seen.breaches) for seen in usual])),
    )


def _is_named(fault: Planted, seen: _Seen, new: frozenset[Breach]) -> bool:
    kind = CALLED.get(fault.cause)
    if kind is None:
        return "model_quality" in {breach for breach, _ in new} and ("data_drift", None) not in seen.breaches
    return (kind, fault.column) in seen.causes


def looks(trial: Trial, table: pa.Table, windows: int) -> Iterator[tuple[Check, ...]]:
    """Yield what all monitors of the trial say of each of so many windows of ``table``, with what they remember."""
    states: dict[str, JsonObject] = {}
    times = table["time_us"].to_numpy()
    for place in range(windows):
        start = trial.begin_us + place * trial.window_us
        first, last = np.searchsorted(times, [start, start + trial.window_us])
        data = _window(trial, table.slice(int(first), int(last - first)), Window(start, start + trial.window_us))
        checks: list[Check] = []
        for settings in trial.monitors:
            judged = monitor_of(settings).check(replace(data, state=states.get(settings.title)))
            states |= {} if judged.state is None else {settings.title: judged.state}
            checks += judged.checks
        yield tuple(checks)


def _judged(trial: Trial, table: pa.Table, windows: int) -> list[_Seen]:
    found = []
    for checks in looks(trial, table, windows):
        breaches = [check for check in checks if check.verdict is Verdict.BREACH]
        named = [cause for check in breaches for cause in check.detail.get("causes", ())]
        found.append(
            _Seen(
                frozenset((check.kind, check.column) for check in breaches),
                frozenset((CauseKind(cause["kind"]), str(cause["column"])) for cause in named),
            )
        )
    return found


def _window(trial: Trial, rows: pa.Table, window: Window) -> WindowData:
    answers = trial.predict(rows)
    features = rows.select(list(trial.features)).rename_columns([f"f.{name}" for name in trial.features])
    said, _ = _with_answers(features, answers)
    names = {PREDICTION: "prediction", PROBABILITY: "probability"}
    segment = said.rename_columns([names.get(name, name) for name in said.column_names])
    segment = segment.append_column("event_us", rows["time_us"])
    segment = segment.append_column("variant", pa.array(["v1"] * rows.num_rows))
    segment = segment.append_column("latency_ms", pa.array(np.ones(rows.num_rows)))
    segment = segment.replace_schema_metadata({"endpoint": "trial", "model_version": "1"})
    truth = np.array(rows[trial.target].to_pylist())
    times = rows["time_us"].to_numpy()
    wanted = {name for settings in trial.monitors for name in settings.row_columns}
    columns = {name: np.array(rows[name].to_pylist()) for name in sorted(wanted)}
    labelled = LabelledRows(truth, answers.prediction, answers.probability, times, rows.num_rows, columns=columns)
    return WindowData(
        model="trial",
        endpoint="trial",
        variant="v1",
        model_version=1,
        window=window,
        periods=tuple(profile_segment(segment, period_s=trial.period_s)),
        reference=trial.reference,
        columns=trial.features,
        labelled_in=lambda _window: labelled,
        answers_in=lambda _window: AnsweredRows(times, answers.prediction, answers.probability, columns),
        baseline_groups=trial.groups,
        baseline_metrics=trial.baseline,
        metrics=tuple(trial.baseline),
        task=trial.task,
        positive_class=trial.positive_class,
    )


def _with_answers(table: pa.Table, answers: Answers) -> tuple[pa.Table, dict[str, ColumnKind]]:
    is_class = answers.prediction.dtype.kind not in "fiu"
    kinds = {PREDICTION: ColumnKind.CATEGORY if is_class else ColumnKind.NUMBER}
    values = pa.array(answers.prediction.tolist(), pa.string() if is_class else pa.float64())
    table = table.append_column(PREDICTION, values)
    if answers.probability is not None:
        kinds[PROBABILITY] = ColumnKind.NUMBER
        table = table.append_column(PROBABILITY, pa.array(answers.probability))
    return table, kinds
