"""What holds for every monitor, on every window."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.monitoring.windows import CONTRACTS, Columns, examples_of, labels, patients, reference_of, window_of

from trimtab.config.columns import ColumnContract
from trimtab.core.canonical import canonical_json
from trimtab.core.enums import ColumnKind, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.registry import BUILT_IN, monitor_of, monitor_types
from trimtab.monitoring.run import run_monitor
from trimtab.monitoring.settings import MonitoringConfig, MonitorSettings
from trimtab.monitoring.window import WindowData

MONITORS: tuple[MonitorSettings, ...] = tuple(
    monitor.settings_type.model_validate({"type": kind, **example})
    for kind, monitor in monitor_types().items()
    for example in examples_of(monitor.settings_type)
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


@pytest.fixture(params=MONITORS, ids=lambda settings: settings.type)
def settings(request: pytest.FixtureRequest) -> MonitorSettings:
    found: MonitorSettings = request.param
    return found


@pytest.mark.parametrize("name", WINDOWS)
def test_every_window_gets_checks_that_explain_themselves(name: str, settings: MonitorSettings) -> None:
    data = WINDOWS[name]()
    judged = monitor_of(settings).check(data)
    checks = judged.checks
    assert checks
    for check in checks:
        assert check.explanation
        assert check.kind == settings.type
        assert check.window == data.window
        assert canonical_json(check.to_json())  # no NaN in it
        assert Check.from_json(check.to_json()) == check
    if judged.state is not None:
        assert json.loads(canonical_json(judged.state)) == judged.state  # as it comes back from the database


@pytest.mark.parametrize("name", WINDOWS)
def test_a_monitor_is_pure(name: str, settings: MonitorSettings) -> None:
    assert monitor_of(settings).check(WINDOWS[name]()) == monitor_of(settings).check(WINDOWS[name]())


@pytest.mark.parametrize("name", ["empty", "one row"])
def test_nothing_is_ok_on_a_window_that_is_too_small(name: str, settings: MonitorSettings) -> None:
    checks = run_monitor(settings, WINDOWS[name]()).checks
    volume = [check for check in checks if check.detail.get("problem") == "volume"]
    assert all(check.verdict is Verdict.INCONCLUSIVE for check in checks if check not in volume or name == "empty")


@pytest.mark.parametrize("name", WINDOWS)
def test_a_monitor_judges_on_with_the_state_it_left(name: str, settings: MonitorSettings) -> None:
    data = WINDOWS["usual"]()
    length_us = data.window.end_us - data.window.start_us
    first = monitor_of(settings).check(data)
    following = replace(WINDOWS[name](), window=Window(data.window.end_us, data.window.end_us + length_us))
    assert monitor_of(settings).check(replace(following, state=first.state)).checks


def test_every_kind_of_monitor_is_put_through_this_suite() -> None:
    known = MonitoringConfig.model_json_schema()["properties"]["monitors"]["items"]["discriminator"]["mapping"]
    assert {settings.type for settings in MONITORS} == set(known) >= set(BUILT_IN)


def test_the_heading_of_every_monitor_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "monitors.md").read_text("utf-8")
    assert [kind for kind in BUILT_IN if f"`{kind}`" not in page] == []
