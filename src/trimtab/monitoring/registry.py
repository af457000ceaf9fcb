"""Which monitors there are: those that come with Trimtab, and those that installed packages offer."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import structlog

from trimtab.core.errors import ConfigError

if TYPE_CHECKING:
    from trimtab.monitoring.base import Monitor
    from trimtab.monitoring.settings import MonitorSettings

__all__ = ["BUILT_IN", "GROUP", "Discovered", "discovered", "monitor_of", "monitor_types"]

GROUP = "trimtab.monitors"
"""Entry points of this group are monitors: ``kind = package.module:Class``."""

BUILT_IN: Mapping[str, str] = {
    "data_drift": "trimtab.monitoring.data_drift:DataDriftMonitor",
    "prediction_drift": "trimtab.monitoring.prediction_drift:PredictionDriftMonitor",
    "plain_drift": "trimtab.monitoring.plain_drift:PlainDriftMonitor",
    "data_quality": "trimtab.monitoring.data_quality:DataQualityMonitor",
    "model_quality": "trimtab.monitoring.quality.model_quality:ModelQualityMonitor",
    "estimated_quality": "trimtab.monitoring.quality.estimated:EstimatedQualityMonitor",
    "attribution_drift": "trimtab.monitoring.attribution:AttributionDriftMonitor",
    "fairness": "trimtab.monitoring.fairness:FairnessMonitor",
    "latency": "trimtab.monitoring.latency:LatencyMonitor",
    "errors": "trimtab.monitoring.errors:ErrorsMonitor",
    "business": "trimtab.monitoring.business:BusinessMonitor",
}
"""The monitors that come with Trimtab, by kind. They are loaded when the first configuration is read."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Discovered:
    """All usable monitors, and why an offered one cannot be used, by kind.

    Configurations that don't name an unusable one are unharmed.
    """

    types: Mapping[str, type[Monitor]]
    unusable: Mapping[str, str]


def monitor_types() -> Mapping[str, type[Monitor]]:
    """Return every usable monitor by its kind: the built-in ones first, then the others by name."""
    return discovered().types


def monitor_of(settings: MonitorSettings) -> Monitor:
    """Return the monitor that ``settings`` describe.

    Raises:
        ConfigError: there is none of this type.
    """
    found = monitor_types().get(settings.type)
    if found is None:
        raise ConfigError(
            f"monitor {settings.title!r}: type {settings.type!r} is none of {', '.join(monitor_types())}; install its "
            "package, or correct the type"
        )
    return found(settings)


@cache
def discovered() -> Discovered:
    """Return the monitors that this installation has, looked for once a process."""
    types: dict[str, type[Monitor]] = {kind: _checked(kind, _imported(place)) for kind, place in BUILT_IN.items()}
    failed: dict[str, str] = {}
    for offered in sorted(entry_points(group=GROUP), key=lambda offer: offer.name):
        try:
            types[offered.name] = _offered(offered.name, offered.load, types)
        except Exception as error:  # noqa: BLE001 - a boundary: another's broken package must not stop every model
            failed[offered.name] = f"{type(error).__name__}: {str(error)[:300]}"
            _log.warning("monitor unusable", kind=offered.name, package=offered.value, error=failed[offered.name])
    return Discovered(types, failed)


def _offered(kind: str, load: Callable[[], Any], known: Mapping[str, object]) -> type[Monitor]:
    if kind in known:
        raise ConfigError(f"monitor {kind!r}: there is one of this kind already; expected another name; rename it")
    return _checked(kind, load())


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _checked(kind: str, found: Any) -> type[Monitor]:
    """Return ``found`` if it is a monitor of ``kind``.

    Raises:
        ConfigError: it is something else, or its settings are of another type.
    """
    settings = getattr(found, "settings_type", None)
    fields = getattr(settings, "model_fields", {})
    said = getattr(found, "kind", None), fields["type"].default if "type" in fields else None
    if said != (kind, kind) or not callable(getattr(found, "check", None)):
        raise ConfigError(
            f"monitor {kind!r}: {found!r} has kind and settings type {said}; expected a class with check, kind = "
            f"{kind!r} and settings_type with `type: Literal[{kind!r}] = {kind!r}`; correct its package"
        )
    checked: type[Monitor] = found
    return checked
