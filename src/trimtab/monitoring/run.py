"""Runs all monitors of a model on one variant's window; one that fails or hangs doesn't stop the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from trimtab.core.canonical import JsonObject, canonical_json
from trimtab.core.enums import Severity, Verdict
from trimtab.core.errors import DataContractError
from trimtab.monitoring.answered import PastLabels
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.registry import monitor_of
from trimtab.monitoring.settings import MonitoringConfig, MonitorSettings
from trimtab.monitoring.time_limit import within
from trimtab.monitoring.window import WindowData

__all__ = ["Look", "not_judged", "run_monitor", "run_monitors"]

_MOST_US = 1 << 62

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What one monitor said of its window of one variant, and the state it left."""

    monitor: str
    variant: str
    model_version: int
    window: Window
    checks: tuple[Check, ...]
    state: JsonObject | None


def run_monitor(settings: MonitorSettings, data: WindowData) -> Judged:
    """Return what one monitor judges; if it fails or takes too long, one INCONCLUSIVE check that says why.

    Never raises.
    """
    name = f"{data.model}/{data.endpoint}/{data.variant}@{data.model_version}/{settings.title}"
    try:
        judged = within(settings.time_limit.total_seconds(), name, lambda: monitor_of(settings).check(data))
        _require_storable(settings, judged)
    except Exception as error:  # noqa: BLE001 - a boundary: other monitors go on, the failure is told and logged
        _log.exception("monitor failed", monitor=settings.title, endpoint=data.endpoint, variant=data.variant)
        text = f"monitor {settings.title!r} failed: {type(error).__name__}: {error}"
        finding = Finding(Verdict.INCONCLUSIVE, text, detail={"error": type(error).__name__})
        return Judged((check_of(settings, data, finding),))
    return judged


def _require_storable(settings: MonitorSettings, judged: Judged) -> None:
    """Refuse what cannot be stored with the checks of the others.

    Raises:
        DataContractError: there is no check, two of one column, one of another monitor, or no JSON.
    """
    signed = {(check.monitor, check.kind) for check in judged.checks}
    columns = [check.column for check in judged.checks if check.column is not None]
    if signed != {(settings.title, settings.type)} or len(set(columns)) != len(columns):
        raise DataContractError(
            f"monitor {settings.title!r}: found {len(judged.checks)} checks, signed by {sorted(signed)}; expected at "
            "least one, one a column, made by check_of; correct the monitor"
        )
    for check in judged.checks:
        _require_typed(settings, check)
    canonical_json([judged.state, [check.to_json() for check in judged.checks]])


def _require_typed(settings: MonitorSettings, check: Any) -> None:
    """Refuse what looks like a check, but the database could not take: those of all other monitors would be lost.

    Raises:
        DataContractError: a field is of another type.
    """
    numbers = check.value, check.threshold, check.effect
    sound = (
        isinstance(check.verdict, Verdict)
        and isinstance(check.severity, Severity)
        and isinstance(check.explanation, str)
        and isinstance(check.column, str | None)
        and all(number is None or (isinstance(number, int | float) and math.isfinite(number)) for number in numbers)
        and all(isinstance(part, str) and part.isprintable() for part in (check.model, check.endpoint, check.variant))
        and all(abs(moment) < _MOST_US for moment in (check.window.start_us, check.window.end_us))
    )
    if not sound:
        raise DataContractError(
            f"monitor {settings.title!r}: a check with verdict {check.verdict!r} and numbers {numbers!r} cannot be "
            "stored; expected a Verdict, numbers and text, made by check_of; correct the monitor"
        )


def run_monitors(
    config: MonitoringConfig,
    data: WindowData,
    *,
    states: Mapping[str, JsonObject] | None = None,
    past: Callable[[MonitorSettings, WindowData], PastLabels | None] | None = None,
) -> tuple[Look, ...]:
    """Return what each monitor of ``config`` says, in its order. Never raises.

    ``data`` should span `MonitoringConfig.longest_window`; each monitor is given the last part of it that is as long
    as its own window, and its own of ``states``, by title. ``past`` is asked when a monitor looks back.
    """
    # Each has names of its own: one that drops some must not hide these columns from the others.
    return tuple(
        _look(
            config,
            settings,
            replace(data, state=(states or {}).get(settings.title), columns=dict(data.columns)),
            past,
        )
        for settings in config.monitors
    )


def _look(
    config: MonitoringConfig,
    settings: MonitorSettings,
    data: WindowData,
    past: Callable[[MonitorSettings, WindowData], PastLabels | None] | None,
) -> Look:
    own = data.narrowed(config.window_of(settings) // timedelta(microseconds=1))
    own = replace(own, look_back=None if past is None else partial(past, settings, own))
    judged = run_monitor(settings, own)
    return Look(settings.title, own.variant, own.model_version, own.window, judged.checks, judged.state)


def not_judged(
    config: MonitoringConfig,
    *,
    model: str,
    endpoint: str,
    variant: str,
    model_version: int,
    end_us: int,
    error: Exception,
) -> tuple[Look, ...]:
    """Return one INCONCLUSIVE check of each monitor, where ``error`` keeps all of them from being given anything."""
    looks = []
    for settings in config.monitors:
        window = Window(end_us - config.window_of(settings) // timedelta(microseconds=1), end_us)
        check = Check(
            monitor=settings.title,
            kind=settings.type,
            model=model,
            endpoint=endpoint,
            variant=variant,
            model_version=model_version,
            column=None,
            window=window,
            value=None,
            threshold=None,
            effect=None,
            verdict=Verdict.INCONCLUSIVE,
            severity=settings.severity,
            explanation=f"nothing can be judged of version {model_version}: {type(error).__name__}: {error}",
            detail={"error": type(error).__name__},
        )
        looks.append(Look(settings.title, variant, model_version, window, (check,), None))
    return tuple(looks)
