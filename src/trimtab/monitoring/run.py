"""Runs all monitors of a model on one variant's window; one that fails doesn't stop the others."""

from __future__ import annotations

from datetime import timedelta

import structlog

from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Finding, Monitor, check_of
from trimtab.monitoring.check import Check
from trimtab.monitoring.data_drift import DataDriftMonitor
from trimtab.monitoring.data_quality import DataQualityMonitor
from trimtab.monitoring.latency import LatencyMonitor
from trimtab.monitoring.model_quality import ModelQualityMonitor
from trimtab.monitoring.settings import (
    DataDriftSettings,
    DataQualitySettings,
    LatencySettings,
    MonitoringConfig,
    MonitorSettings,
)
from trimtab.monitoring.window import WindowData

__all__ = ["monitor_of", "run_monitor", "run_monitors"]

_log = structlog.get_logger(__name__)


def monitor_of(settings: MonitorSettings) -> Monitor:
    """Return the monitor that ``settings`` describe."""
    if isinstance(settings, DataDriftSettings):
        return DataDriftMonitor(settings)
    if isinstance(settings, DataQualitySettings):
        return DataQualityMonitor(settings)
    if isinstance(settings, LatencySettings):
        return LatencyMonitor(settings)
    return ModelQualityMonitor(settings)


def run_monitor(settings: MonitorSettings, data: WindowData) -> tuple[Check, ...]:
    """Return the checks of one monitor; if it fails, one INCONCLUSIVE check that says why. Never raises."""
    try:
        return monitor_of(settings).check(data)
    except Exception as error:  # noqa: BLE001 - a boundary: other monitors go on, the failure is told and logged
        _log.exception("monitor failed", monitor=settings.title, endpoint=data.endpoint, variant=data.variant)
        text = f"monitor {settings.title!r} failed: {type(error).__name__}: {error}"
        return (check_of(settings, data, Finding(Verdict.INCONCLUSIVE, text, detail={"error": type(error).__name__})),)


def run_monitors(config: MonitoringConfig, data: WindowData) -> tuple[Check, ...]:
    """Return the checks of all monitors of ``config``, in its order. Never raises.

    ``data`` should span `MonitoringConfig.longest_window`; each monitor is given the last part of it that is as long
    as its own window.
    """
    micros = timedelta(microseconds=1)
    return tuple(
        check
        for settings in config.monitors
        for check in run_monitor(settings, data.narrowed(config.window_of(settings) // micros))
    )
