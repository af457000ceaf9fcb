from __future__ import annotations

from datetime import timedelta

import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.enums import Severity
from trimtab.core.errors import ConfigError
from trimtab.monitoring.data_drift import DataDriftSettings
from trimtab.monitoring.latency import LatencySettings
from trimtab.monitoring.settings import MonitoringConfig

GOOD = b"""
window: 2h
profile_period: 1m
monitors:
  - type: data_drift
    severity: high
  - type: data_quality
    window: 6h
  - type: model_quality
    limits: {mape: 0.5}
  - type: latency
    name: slow
    p95_ms: 50
"""


def test_monitors_are_told_apart_by_type() -> None:
    config = parse_yaml(GOOD, MonitoringConfig, source="monitoring_config.yaml")
    assert [monitor.title for monitor in config.monitors] == ["data_drift", "data_quality", "model_quality", "slow"]
    assert isinstance(config.monitors[0], DataDriftSettings)
    assert config.monitors[0].severity is Severity.HIGH
    assert isinstance(config.monitors[3], LatencySettings)
    assert config.period_s == 60


def test_a_monitors_own_window_beats_the_common_one() -> None:
    config = parse_yaml(GOOD, MonitoringConfig, source="monitoring_config.yaml")
    assert [config.window_of(monitor) for monitor in config.monitors[:2]] == [timedelta(hours=2), timedelta(hours=6)]
    assert config.longest_window == timedelta(hours=6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b"window: 1h\nmonitors: []", "monitors"),
        (b"window: 1h\nmonitors: [{type: drift}]", "data_drift"),
        (b"window: 1h\nmonitors: [{type: data_drift, min_efect: 1}]", "did you mean 'min_effect'"),
        (b"window: 1h\nmonitors: [{type: latency}]", "neither p95_ms nor p99_ms"),
        (b"window: 1h\nmonitors: [{type: model_quality}]", "neither limits nor max_degradation"),
        (b"window: 1h\nmonitors: [{type: model_quality, limits: {mpae: 1}}]", "mpae"),
        (b"window: 1h\nmonitors: [{type: data_drift}, {type: data_drift}]", "repeat"),
        (b"window: 1h\nschedule: hourly\nmonitors: [{type: data_drift}]", "five"),
        (b"window: 1h\nschedule: 99 * * * *\nmonitors: [{type: data_drift}]", "no cron expression"),
        (b"window: 1h\nschedule: 0 0 31 2,4 *\nmonitors: [{type: data_drift}]", "has no moment"),
        (b"window: 1h\nmonitors: [{type: data_drift, schedule: 0 25 * * *}]", "no cron expression"),
        (b"window: 1h\nmonitors: [{type: data_drift, time_limit: 0s}]", "more than 0s"),
        (b"window: 1h\nmonitors: [{severity: low}]", "type"),
        (b"window: 1m\nmonitors: [{type: data_drift}]", "window is shorter than profile_period"),
        (b"window: 1h\nprofile_period: 500ms\nmonitors: [{type: data_drift}]", "whole seconds"),
        (b"window: 30d\nprofile_period: 8d\nmonitors: [{type: data_drift}]", "at most 7d"),
    ],
)
def test_mistakes_are_named(wrong: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_yaml(wrong, MonitoringConfig, source="monitoring_config.yaml")
