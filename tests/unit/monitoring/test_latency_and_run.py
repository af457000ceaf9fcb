from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.monitoring import windows

from trimtab.core.enums import Verdict
from trimtab.monitoring.answered import LabelledRows, PastLabels
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.check import Window
from trimtab.monitoring.latency import LatencyMonitor, LatencySettings
from trimtab.monitoring.run import run_monitors
from trimtab.monitoring.settings import MonitoringConfig, MonitorSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile


@pytest.mark.parametrize(("latency_ms", "verdict"), [(2.0, Verdict.OK), (80.0, Verdict.BREACH)])
def test_latency_is_held_against_its_limits(latency_ms: float, verdict: Verdict) -> None:
    data = windows.window_of(windows.patients(60, seed=1), latency_ms=latency_ms)
    checks = LatencyMonitor(LatencySettings(p95_ms=50, p99_ms=60)).check(data).checks
    assert [(check.detail["percentile"], check.value, check.verdict) for check in checks] == [
        ("p95", latency_ms, verdict),
        ("p99", latency_ms, verdict),
    ]


def config(*monitors: dict[str, object], window: str = "1d") -> MonitoringConfig:
    return MonitoringConfig.model_validate({"window": window, "profile_period": "1m", "monitors": monitors})


def test_a_monitor_that_fails_is_inconclusive_and_does_not_stop_the_others() -> None:
    sound = windows.window_of(windows.patients(60, seed=1), labelled=windows.labels(["yes"] * 60, ["yes"] * 60))
    bad = windows.periods_of({"chol": windows.patients(1, seed=1)["chol"]})[0]
    mixed = Profile(1, {"chol": sound.periods[0].profile.columns["pain"]})
    broken = PeriodProfile(bad.endpoint, bad.variant, 1, bad.start_us, 60, mixed)
    data = windows.window_of(windows.patients(60, seed=1), labelled=sound.labelled)
    data = replace(data, periods=(*data.periods, broken))
    checks = windows.checks_of(
        config({"type": "data_drift"}, {"type": "model_quality", "limits": {"accuracy": 0.5}}), data
    )
    assert [(check.kind, check.verdict) for check in checks] == [
        ("data_drift", Verdict.INCONCLUSIVE),
        ("model_quality", Verdict.OK),
    ]
    assert "'data_drift' failed: DataContractError: column 'chol'" in checks[0].explanation


def test_each_monitor_is_given_its_own_window() -> None:
    rows = 120
    data = windows.window_of(windows.patients(rows, seed=1))
    end_us = windows.START_US + rows * windows.MINUTE_US
    labelled = windows.labels(["yes"] * rows, ["yes"] * rows)

    def read(window: Window) -> LabelledRows:
        return labelled.take((labelled.event_us >= window.start_us) & (labelled.event_us < window.end_us))

    data = replace(data, window=Window(windows.START_US, end_us), labelled_in=read)
    checks = windows.checks_of(
        config(
            {"type": "data_quality"},
            {"type": "latency", "p95_ms": 5, "window": "40m"},
            {"type": "model_quality", "limits": {"accuracy": 0.5}, "window": "60m"},
            window="2h",
        ),
        data,
    )
    lengths = {check.kind: (check.window.end_us - check.window.start_us) // windows.MINUTE_US for check in checks}
    assert lengths == {"data_quality": 120, "latency": 40, "model_quality": 60}
    by_kind = {check.kind: check for check in checks}
    assert "of 40 rows" in by_kind["latency"].explanation
    judged = {"metric": "accuracy", "labelled": 60, "answered": 60, "coverage": 1.0}
    assert judged.items() <= by_kind["model_quality"].detail.items()


def test_rows_are_read_once_for_the_monitors_own_window_and_only_if_it_asks() -> None:
    hour_us, asked = 60 * windows.MINUTE_US, []

    def read(window: Window) -> LabelledRows:
        asked.append(window)
        return windows.labels(["yes"] * 60, ["yes"] * 60)

    data = replace(
        windows.window_of({}),
        window=Window(windows.START_US + 5 * hour_us, windows.START_US + 7 * hour_us),
        label_delay_us=5 * hour_us,
        labelled_in=read,
    )
    windows.checks_of(config({"type": "latency", "p95_ms": 5}), data)
    assert asked == []
    last_hour = data.narrowed(hour_us)
    assert last_hour.labelled is last_hour.labelled
    assert asked == [Window(windows.START_US + hour_us, windows.START_US + 2 * hour_us)]
    assert data.narrowed(9 * hour_us) is data


def test_a_look_back_that_fails_is_the_failure_of_the_monitor_that_looks_back() -> None:
    def broken(_settings: MonitorSettings, _data: WindowData) -> PastLabels:
        raise RuntimeError("no such window")

    data = windows.window_of(windows.patients(60, seed=1), labelled=windows.labels(["yes"] * 60, ["yes"] * 60))
    monitors = config({"type": "model_quality", "limits": {"accuracy": 0.5}}, {"type": "latency", "p95_ms": 5})
    quality, latency = run_monitors(monitors, data, past=broken)
    assert [check.verdict for check in (*quality.checks, *latency.checks)] == [Verdict.INCONCLUSIVE, Verdict.OK]
    assert "no such window" in quality.checks[0].explanation
    assert quality.state is None


def test_rows_that_cannot_be_read_are_the_failure_of_the_monitor_that_asks() -> None:
    def broken(_window: Window) -> LabelledRows:
        raise OSError("the disk is gone")

    data = replace(windows.window_of(windows.patients(60, seed=1)), labelled_in=broken)
    quality, latency = windows.checks_of(
        config({"type": "model_quality", "limits": {"accuracy": 0.5}}, {"type": "latency", "p95_ms": 5}), data
    )
    assert (quality.verdict, latency.verdict) == (Verdict.INCONCLUSIVE, Verdict.OK)
    assert "the disk is gone" in quality.explanation


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "breach"},
        {"severity": "high"},
        {"value": "0.3"},
        {"threshold": [1]},
        {"effect": math.inf},
        {"column": 3},
        {"explanation": None},
        {"variant": "a\0"},
        {"window": Window(0, 1 << 70)},
    ],
)
def test_a_check_that_could_not_be_stored_is_the_failure_of_its_monitor_alone(
    wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(self: LatencyMonitor, data: WindowData) -> Judged:
        return Judged((replace(check_of(self.settings, data, Finding(Verdict.OK, "fine", value=1.0)), **wrong),))

    monkeypatch.setattr(LatencyMonitor, "check", odd)
    both = config({"type": "latency", "p95_ms": 50}, {"type": "data_quality"})
    first, *others = windows.checks_of(both, windows.window_of(windows.patients(60, seed=1)))
    assert first.verdict is Verdict.INCONCLUSIVE
    assert "cannot be stored" in first.explanation
    assert {check.verdict for check in others} == {Verdict.OK}


def test_a_monitor_that_drops_columns_hides_none_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropping(self: LatencyMonitor, data: WindowData) -> Judged:
        assert isinstance(data.columns, dict)
        data.columns.clear()
        return Judged((check_of(self.settings, data, Finding(Verdict.OK, "fine")),))

    monkeypatch.setattr(LatencyMonitor, "check", dropping)
    data = windows.window_of({**windows.patients(60, seed=1), "chol": [math.nan] * 60})
    checks = windows.checks_of(config({"type": "latency", "p95_ms": 50}, {"type": "data_quality"}), data)
    assert [check.verdict for check in checks if check.column == "chol"] == [Verdict.BREACH]
