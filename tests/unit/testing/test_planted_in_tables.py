"""Planted faults in two more real tables, credit and diabetes, are detected and named: a day holds a few hundred rows.

Their rows have no times. They are drawn anew for each day, with a little noise in one column so that no two are alike:
nothing changes in them but what is planted.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import load_diabetes

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Task
from trimtab.monitoring.data_drift import DataDriftSettings
from trimtab.monitoring.data_quality import DataQualitySettings
from trimtab.monitoring.quality.model_quality import ModelQualitySettings
from trimtab.testing.planted import Planted, PlantedCause
from trimtab.testing.planted_trials import Answers, Outcome, Trial, tried

CREDIT = Path(__file__).parents[3] / "examples" / "tables" / "german-credit.csv"
DAY_US = 86_400_000_000
DAYS, A_DAY, SOUND, WINDOWS = 30, 300, 2, 7
MONITORS = (DataDriftSettings(), DataQualitySettings(), ModelQualitySettings(max_degradation=0.2))


def drawn(table: pa.Table, noisy: str) -> pa.Table:
    """Return so many days of rows of ``table``; numbers of one column are up to a hundredth off."""
    rng = np.random.default_rng(0)
    rows = (DAYS + WINDOWS) * A_DAY
    found = table.take(pa.array(rng.integers(0, table.num_rows, rows)))
    values = found[noisy].cast(pa.float64()).to_numpy() * (1 + 0.01 * rng.random(rows))
    found = found.set_column(found.column_names.index(noisy), noisy, pa.array(values))
    return found.append_column("time_us", pa.array(np.arange(rows) * DAY_US // A_DAY, pa.int64()))


def trial_of(table: pa.Table, categories: set[str], target: str, task: Task, positive: str | None = None) -> Trial:
    """Return the trial of a model that has learnt one half of the reference, and answers for the other."""
    names = [name for name in table.column_names if name not in (target, "time_us")]
    codes = {name: sorted(set(table[name].to_pylist())) for name in categories}

    def matrix(rows: pa.Table) -> np.ndarray:
        return np.column_stack(
            [
                np.array([codes[name].index(v) if v in codes[name] else -1.0 for v in rows[name].to_pylist()])
                if name in categories
                else rows[name].cast(pa.float64()).to_numpy()
                for name in names
            ]
        )

    def fitted(rows: pa.Table) -> LGBMClassifier | LGBMRegressor:
        kind = LGBMRegressor if task is Task.REGRESSION else LGBMClassifier
        return kind(n_estimators=40, verbose=-1, n_jobs=1).fit(matrix(rows), np.array(rows[target].to_pylist()))

    def answered(fit: LGBMClassifier | LGBMRegressor, rows: pa.Table) -> Answers:
        if task is Task.REGRESSION:
            return Answers(np.asarray(fit.predict(matrix(rows)), dtype=np.float64))
        chance = np.asarray(fit.predict_proba(matrix(rows)))[:, list(fit.classes_).index(positive)]
        other = next(str(name) for name in fit.classes_ if name != positive)
        return Answers(np.array([positive if one > 0.5 else other for one in chance]), chance)

    before = table.slice(0, DAYS * A_DAY)
    model = fitted(before)
    known = answered(model, before)
    truth = np.array(before[target].to_pylist())
    wrong = np.abs(truth - known.prediction) if task is Task.REGRESSION else truth == known.prediction
    return Trial(
        table=table,
        features={
            name: ColumnContract(type=ColumnKind.CATEGORY if name in categories else ColumnKind.NUMBER, nullable=True)
            for name in names
        },
        target=target,
        task=task,
        begin_us=DAYS * DAY_US,
        window_us=DAY_US,
        predict=lambda rows: answered(model, rows),
        known=known,
        baseline={"mae" if task is Task.REGRESSION else "accuracy": float(wrong.mean())},
        monitors=MONITORS,
        positive_class=positive,
    )


def faults_of(unit: str, stuck: str, category: str, swapped: tuple[str, str], target: str, along: str) -> list[Planted]:
    """Return the eight faults."""
    return [
        Planted(PlantedCause.UNIT_CHANGE, unit, amount=60.0),
        Planted(PlantedCause.STUCK_SENSOR, stuck),
        Planted(PlantedCause.NEW_CATEGORY, category, amount=0.2),
        Planted(PlantedCause.NULL_BURST, unit, amount=0.3),
        Planted(PlantedCause.DUPLICATED_FEED),
        Planted(PlantedCause.SWAPPED_COLUMNS, *swapped),
        Planted(PlantedCause.LABEL_FLIP, target, amount=0.5),
        Planted(PlantedCause.SLOW_CONCEPT_DRIFT, target, along, amount=1.0),
    ]


def credit() -> tuple[Trial, list[Planted]]:
    """Return a thousand credits, and whether they were good."""
    raw = pa_csv.read_csv(CREDIT)
    good = pa.array(np.where(raw["credit"].to_numpy() == 1, "good", "bad"))
    table = drawn(raw.drop_columns(["credit"]).append_column("credit", good), "credit_amount")
    texts = {field.name for field in table.schema if pa.types.is_string(field.type)} - {"credit"}
    trial = trial_of(table, texts, "credit", Task.BINARY, "good")
    return trial, faults_of("month", "age", "purpose", ("month", "age"), "credit", "credit_amount")


def diabetes() -> tuple[Trial, list[Planted]]:
    """Return 442 patients, and how their disease went on."""
    content = load_diabetes(scaled=False)
    columns = {name: pa.array(content.data[:, place]) for place, name in enumerate(content.feature_names)}
    sex = pa.array(np.where(content.data[:, 1] == 1, "one", "two"))
    table = drawn(pa.table({**columns, "sex": sex, "progress": pa.array(content.target)}), "s5")
    trial = trial_of(table, {"sex"}, "progress", Task.REGRESSION)
    return trial, faults_of("bmi", "bp", "sex", ("age", "s2"), "progress", "bmi")


TABLES = {"credit": credit, "diabetes": diabetes}
CASES = [(name, cause) for name in TABLES for cause in PlantedCause]
LATEST = {PlantedCause.SLOW_CONCEPT_DRIFT: 5}
"""Within how many windows a fault is seen and named, counted from the one in whose middle it begins; else two."""


@cache
def outcomes(name: str) -> dict[PlantedCause, Outcome]:
    trial, faults = TABLES[name]()
    return {found.cause: found for found in tried(trial, faults, sound=SOUND, windows=WINDOWS, seed=1)}


@pytest.mark.parametrize(("name", "cause"), CASES)
def test_a_planted_fault_is_detected_and_called_by_its_name(name: str, cause: PlantedCause) -> None:
    found = outcomes(name)[cause]
    assert found.delay is not None
    assert found.named_after is not None
    assert found.delay <= found.named_after <= LATEST.get(cause, 2)


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_in_breach_without_a_fault(name: str) -> None:
    assert {found.before for found in outcomes(name).values()} == {0.0}
    assert all(not any(found.breaches[:SOUND]) for found in outcomes(name).values())
