"""What holds for every monitor, on every window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tests.unit.monitoring.windows import CONTRACTS, Columns, labels, patients, reference_of, window_of

from trimtab.config.columns import ColumnContract
from trimtab.core.canonical import canonical_json
from trimtab.core.enums import ColumnKind, Verdict
from trimtab.monitoring.check import Check
from trimtab.monitoring.run import monitor_of, run_monitor
from trimtab.monitoring.settings import (
    DataDriftSettings,
    DataQualitySettings,
    LatencySettings,
    ModelQualitySettings,
    MonitoringConfig,
    MonitorSettings,
)
from trimtab.monitoring.window import WindowData

MONITORS: tuple[MonitorSettings, ...] = (
    DataDriftSettings(),
    DataDriftSettings(method="psi"),
    DataDriftSettings(method="js"),
    DataQualitySettings(),
    ModelQualitySettings(limits={"accuracy": 0.5}, max_degradation=0.2),
    LatencySettings(p95_ms=50, p99_ms=100),
)


def nan_only() -> Columns:
    return {"chol": np.full(60, np.nan), "age": np.full(60, np.nan), "pain": [None] * 60, "smokes": [None] * 60}


def constant() -> Columns:
    return {"chol": np.full(60, 245.0), "age": np.full(60, 54.0), "pain": ["none"] * 60, "smokes": [True] * 60}


def with_column(name: str, values: object) -> Columns:
    return {**patients(60, seed=1), name: values}


WINDOWS: dict[str, Callable[[], WindowData]] = {
    "usual": lambda: window_of(patients(60, seed=1), labelled=labels(["yes"] * 60, ["yes"] * 60)),
    "empty": lambda: window_of({}),
    "one row": lambda: window_of(patients(1, seed=1), labelled=labels(["yes"], ["no"])),
    "nan only": lambda: window_of(nan_only()),
    "constant": lambda: window_of(constant(), labelled=labels(["yes"] * 60, ["no"] * 60)),
    "infinite": lambda: window_of(with_column("chol", np.full(60, np.inf))),
    "unseen category": lambda: window_of(with_column("pain", ["purple"] * 60)),
    "vanished column": lambda: window_of({k: v for k, v in patients(60, seed=1).items() if k != "chol"}),
    "no labels": lambda: window_of(patients(60, seed=1), labelled=labels([], [], answered=60)),
    "reference lacks columns": lambda: window_of(
        patients(60, seed=1), reference=reference_of({"age": patients(99, seed=2)["age"]})
    ),
    "constant reference": lambda: window_of(patients(60, seed=1), reference=reference_of(constant())),
    "reference of one row": lambda: window_of(patients(60, seed=1), reference=reference_of(patients(1, seed=1))),
    "reference of nulls": lambda: window_of(patients(60, seed=1), reference=reference_of(nan_only())),
    "column of another type": lambda: window_of(
        patients(60, seed=1), contracts={**CONTRACTS, "pain": ColumnContract(type=ColumnKind.NUMBER)}
    ),
    "reference of another type": lambda: window_of(
        patients(60, seed=1), reference=reference_of({"pain": np.ones(99)}, {"pain": CONTRACTS["age"]})
    ),
}


@pytest.fixture(params=MONITORS, ids=lambda settings: f"{settings.type}-{getattr(settings, 'method', '')}")
def settings(request: pytest.FixtureRequest) -> MonitorSettings:
    found: MonitorSettings = request.param
    return found


@pytest.mark.parametrize("name", WINDOWS)
def test_every_window_gets_checks_that_explain_themselves(name: str, settings: MonitorSettings) -> None:
    data = WINDOWS[name]()
    checks = monitor_of(settings).check(data)
    assert checks
    for check in checks:
        assert check.explanation
        assert check.kind == settings.type
        assert check.window == data.window
        assert canonical_json(check.to_json())  # no NaN in it
        assert Check.from_json(check.to_json()) == check


@pytest.mark.parametrize("name", WINDOWS)
def test_a_monitor_is_pure(name: str, settings: MonitorSettings) -> None:
    assert monitor_of(settings).check(WINDOWS[name]()) == monitor_of(settings).check(WINDOWS[name]())


@pytest.mark.parametrize("name", ["empty", "one row"])
def test_nothing_is_ok_on_a_window_that_is_too_small(name: str, settings: MonitorSettings) -> None:
    checks = run_monitor(settings, WINDOWS[name]())
    volume = [check for check in checks if check.detail.get("problem") == "volume"]
    assert all(check.verdict is Verdict.INCONCLUSIVE for check in checks if check not in volume or name == "empty")


def test_every_kind_of_monitor_is_put_through_this_suite() -> None:
    known = MonitoringConfig.model_json_schema()["properties"]["monitors"]["items"]["discriminator"]["mapping"]
    assert {settings.type for settings in MONITORS} == set(known)
