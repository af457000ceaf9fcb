"""Runs the monitors of a model on what its endpoint answered, and stores what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from trimtab.audit import log as audit
from trimtab.bundle.writer import read_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Verdict
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.lake.profile_store import load_profiles
from trimtab.loop.labels import labelled_of
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.run import run_monitors
from trimtab.monitoring.store import save_checks
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.reference import read_reference
from trimtab.records.schema import BATCH_VARIANT
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.rollout import endpoint_store

__all__ = ["CheckRun", "run_checks_of"]

_LATENCY: Final = "latency"


@dataclass(frozen=True, slots=True)
class CheckRun:
    """All checks of one model at one moment."""

    id: str
    model: str
    endpoint: str
    at: datetime
    checks: tuple[Check, ...]

    @property
    def breaches(self) -> tuple[Check, ...]:
        """The checks in breach."""
        return tuple(check for check in self.checks if check.verdict is Verdict.BREACH)


def run_checks_of(
    platform: Platform,
    files: ModelFiles,
    *,
    at: datetime,
    actor: str,
    beside: Callable[[Connection], None] = lambda _connection: None,
) -> CheckRun:
    """Run every monitor on the versions that serve, as of ``at`` (event time), store the checks, and tell the loop.

    ``beside`` writes in the transaction that stores the checks.

    Raises:
        NotFoundError: the model serves nothing yet.
    """
    run_id = platform.new_id()
    run = CheckRun(run_id, files.model.name, files.endpoint, at, _checks(platform, files, at))
    payload: JsonObject = {"run_id": run_id, "model": run.model, "endpoint": run.endpoint}
    reached("monitors.judged")
    with platform.database.transaction() as connection:
        beside(connection)
        save_checks(connection, run.checks, at=at, ids=platform.new_id, run_id=run_id)
        platform.publish(connection, "checks.completed", f"model:{run.model}", payload, at_us=to_micros(at))
        if run.breaches:
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor=actor,
                action="checks.breached",
                subject=f"endpoint:{run.endpoint}",
                reason="; ".join(check.explanation for check in run.breaches[:3]),
                detail={"run_id": run_id, "at": at.isoformat(), "breaches": len(run.breaches)},
            )
    reached("monitors.recorded")
    return run


def _checks(platform: Platform, files: ModelFiles, at: datetime) -> tuple[Check, ...]:
    span = max(files.monitoring.window_of(monitor) for monitor in files.monitoring.monitors)
    window = Window(to_micros(at - span), to_micros(at))
    with platform.database.reading() as connection:
        serving = endpoint_store.desired(connection, files.endpoint)
        if serving is None or not serving.live:
            raise NotFoundError(f"model {files.model.name!r}: serves nothing yet; deploy a version first")
        profiles = load_profiles(connection, files.endpoint, start_us=window.start_us, end_us=window.end_us)
        # What a version answered that serves no more cannot be mended: judged still, its breaches would hold the case
        # open, and ask for the next retraining, until the window has passed.
        numbers = sorted({variant.model_version for variant in serving.live})
        versions = [registry.get(connection, files.model.name, number) for number in numbers]
    return tuple(
        check
        for version in versions
        for mine in _by_lane([found for found in profiles if found.model_version == version.number])
        for check in run_monitors(files.monitoring, _window_data(platform, files, version, window, mine))
        # Nobody waited for a batch: for ever INCONCLUSIVE, it would keep the server's case from recovering.
        if not (check.variant == BATCH_VARIANT and check.kind == _LATENCY)
    )


def _by_lane(profiles: list[PeriodProfile]) -> list[list[PeriodProfile]]:
    """Part what the server answered from what a batch did: a month's customers scored in a night are no traffic."""
    batch = [found for found in profiles if found.variant == BATCH_VARIANT]
    live = [found for found in profiles if found.variant != BATCH_VARIANT]
    return [live, batch] if batch else [live]


def _window_data(
    platform: Platform, files: ModelFiles, version: ModelVersion, window: Window, mine: list[PeriodProfile]
) -> WindowData:
    bundle = Path(version.bundle_path)
    manifest = read_manifest(bundle, expected_digest=version.digest)
    variant = mine[0].variant if mine else f"v{version.number}"
    delay = files.model.label_delay // timedelta(microseconds=1)
    labelled_window = Window(window.start_us - delay, window.end_us - delay)
    return WindowData(
        model=files.model.name,
        endpoint=files.endpoint,
        variant=variant,
        model_version=version.number,
        window=window,
        periods=tuple(sorted(mine, key=lambda found: found.start_us)),
        reference=read_reference(bundle / "reference"),
        columns={name: files.contract.columns[name] for name in files.features if name in files.contract.columns},
        labelled=labelled_of(platform, files, variant, labelled_window, known_until_us=window.end_us),
        baseline_metrics=manifest.metrics,
        metrics=files.model.all_metrics,
        task=files.model.task,
        positive_class=files.model.positive_class,
        label_delay_us=delay,
    )
