"""Runs the monitors of a model on what its endpoint answered, and stores what they say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import structlog

from trimtab.audit import log as audit
from trimtab.bundle.manifest import Manifest
from trimtab.bundle.writer import read_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Verdict
from trimtab.core.errors import BackendError, ConflictError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.lake.deliveries import record_counts
from trimtab.lake.profile_store import load_profiles
from trimtab.loop.explaining import Explainer
from trimtab.loop.labels import GroupRows, RowReader
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.number_sources import read_numbers
from trimtab.loop.platform import Platform
from trimtab.loop.request_counts import read_request_counts
from trimtab.loop.traffic_shares import traffic_share
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.run import Look, not_judged, run_monitors
from trimtab.monitoring.settings import MonitoringConfig
from trimtab.monitoring.sources import Question
from trimtab.monitoring.state_store import KeptState, StateKey, load_states, save_state, settings_digest
from trimtab.monitoring.store import save_checks
from trimtab.monitoring.window import DeliveredRows, TrafficShare, WindowData
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.reference import Reference, read_reference
from trimtab.records.schema import BATCH_VARIANT
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.rollout import endpoint_store
from trimtab.serving.keys import read_own_key

__all__ = ["CheckRun", "run_checks_of"]

_log = structlog.get_logger(__name__)

_OF_CALLERS: Final = frozenset({"latency", "errors", "business"})
"""Kinds of monitors that a batch has nothing for: nobody waited for it, and no request was made."""


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


@dataclass(frozen=True, slots=True)
class _Group:
    """What one version answered behind one variant, and what its monitors remember."""

    variant: str
    version: ModelVersion
    periods: tuple[PeriodProfile, ...]
    states: Mapping[str, KeptState]
    share: TrafficShare | None

    @property
    def served(self) -> tuple[str, int]:
        """The variant, and the version's number."""
        return self.variant, self.version.number


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What a monitor said, under which settings, and the state that it was given."""

    look: Look
    settings: str
    before: KeptState | None


def run_checks_of(
    platform: Platform,
    files: ModelFiles,
    *,
    at: datetime,
    actor: str,
    only: Collection[str] = (),
    uncounted: Collection[str] = (),
    beside: Callable[[Connection], None] = lambda _connection: None,
) -> CheckRun:
    """Run every monitor on the versions that serve, as of ``at`` (event time), store the checks, and tell the loop.

    ``only`` names the monitors to run, if not all. With the checks goes, in one transaction, what monitors remember, of
    windows that end later than the last, but for those in ``uncounted``; ``beside`` writes there too.

    Raises:
        NotFoundError: the model serves nothing yet.
    """
    run_id = platform.new_id()
    judged = _looks(platform, _narrowed(files, only), at)
    run = CheckRun(run_id, files.model.name, files.endpoint, at, tuple(c for one in judged for c in one.look.checks))
    payload: JsonObject = {"run_id": run_id, "model": run.model, "endpoint": run.endpoint}
    reached("monitors.judged")
    with platform.database.transaction() as connection:
        beside(connection)
        save_checks(connection, run.checks, at=at, ids=platform.new_id, run_id=run_id)
        for one in judged:
            if one.look.monitor not in uncounted:
                _keep_state(connection, run, one)
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


def _narrowed(files: ModelFiles, only: Collection[str]) -> ModelFiles:
    if not only:
        return files
    wanted = tuple(one for one in files.monitoring.monitors if one.title in only)
    return replace(files, monitoring=files.monitoring.model_copy(update={"monitors": wanted}))


def _keep_state(connection: Connection, run: CheckRun, judgement: _Judgement) -> None:
    look = judgement.look
    if look.state is None:
        return
    key = StateKey(run.model, run.endpoint, look.variant, look.model_version, look.monitor)
    end_us, settings = look.window.end_us, judgement.settings
    save_state(connection, key, look.state, window_end_us=end_us, settings=settings, before=judgement.before)


def _looks(platform: Platform, files: ModelFiles, at: datetime) -> list[_Judgement]:
    config = files.monitoring
    window = Window(to_micros(at - config.longest_window), to_micros(at))
    groups = _groups(platform, files, window)
    reader = RowReader(platform, files, window.end_us)
    return [judgement for group in groups for judgement in _guarded(reader, group, window)]


def _groups(platform: Platform, files: ModelFiles, window: Window) -> list[_Group]:
    with platform.database.reading() as connection:
        serving = endpoint_store.desired(connection, files.endpoint)
        if serving is None or not serving.live:
            raise NotFoundError(f"model {files.model.name!r}: serves nothing yet; deploy a version first")
        profiles = load_profiles(
            connection,
            files.endpoint,
            start_us=window.start_us,
            end_us=window.end_us,
            cuts=_starts(files, window),
            begun=True,
        )
        # What a version answered that serves no more cannot be mended: judged still, its breaches would hold the case
        # open, and ask for the next retraining, until the window has passed.
        live = [(variant.name, variant.model_version) for variant in serving.live]
        batch = {found.model_version for found in profiles if found.variant == BATCH_VARIANT}
        # A month's customers scored in a night are no traffic: what a batch answered is judged apart.
        live += [(BATCH_VARIANT, number) for number in sorted({number for _, number in live} & batch)]
        generations = endpoint_store.endpoint_generations(connection, files.endpoint)
        versions = {number: registry.get(connection, files.model.name, number) for number in {n for _, n in live}}
        return [
            _Group(
                variant=name,
                version=versions[number],
                periods=tuple(found for found in profiles if (found.variant, found.model_version) == (name, number)),
                states=load_states(connection, files.model.name, files.endpoint, name, number),
                share=traffic_share(generations, name, number, window.end_us),
            )
            for name, number in sorted(live, key=lambda one: (one[1], one[0] == BATCH_VARIANT, one[0]))
        ]


def _guarded(reader: RowReader, group: _Group, window: Window) -> list[_Judgement]:
    """Return what the monitors say of one group; if what they all need cannot be read, that each is inconclusive."""
    files = reader.files
    try:
        return _of_group(reader, group, window)
    except (BackendError, ConflictError):
        raise
    except Exception as error:  # noqa: BLE001 - a boundary: the other variants are judged all the same
        _log.exception("variant not judged", endpoint=files.endpoint, variant=group.variant)
        config = _of_variant(files.monitoring, group.variant)
        return [
            _Judgement(look, "", None)
            for look in not_judged(
                config,
                model=files.model.name,
                endpoint=files.endpoint,
                variant=group.variant,
                model_version=group.version.number,
                end_us=window.end_us,
                error=error,
            )
        ]


def _of_group(reader: RowReader, group: _Group, window: Window) -> list[_Judgement]:
    platform, files = reader.platform, reader.files
    config = _of_variant(files.monitoring, group.variant)
    digests = {settings.title: settings_digest(config, settings) for settings in config.monitors}
    # A state that was made under other settings means nothing under these, and one of a later window knows too much.
    fitting = {
        name: kept.state
        for name, kept in group.states.items()
        if kept.settings == digests.get(name) and kept.window_end_us <= window.end_us
    }
    manifest, reference = _baseline(group.version.bundle_path, group.version.digest)
    rows = reader.of(*group.served, bundle=Path(group.version.bundle_path), manifest=manifest)
    data = _with_others(platform, files, config, _window_data(reader, group, window, rows, reference))
    looks = run_monitors(config, data, states=fitting, past=rows.past)
    return [_Judgement(look, digests[look.monitor], group.states.get(look.monitor)) for look in looks]


def _with_others(platform: Platform, files: ModelFiles, config: MonitoringConfig, data: WindowData) -> WindowData:
    """Return ``data`` with what must be asked of others, where a monitor wants it."""
    requests, now_us = None, platform.now_us()
    # Servers tell only what they have counted until now: that is nothing about a window that ended long ago.
    is_present = now_us - data.window.end_us <= config.period_s * 1_000_000
    if is_present and any(settings.type == "errors" for settings in config.monitors):
        url, folder = platform.serving_url(), platform.project.serving
        counts = read_request_counts(url, lambda: read_own_key(folder), data.endpoint, at_us=now_us)
        requests = counts.get((data.variant, data.model_version))
    question = Question(data.model, data.endpoint, data.variant, data.model_version, data.window)
    numbers = read_numbers(config, platform.project.root, question, platform.number_source)
    return replace(data, requests=requests, numbers=numbers)


def _starts(files: ModelFiles, window: Window) -> list[int]:
    """Return where the windows of monitors begin: no profile that they are given may reach across."""
    config, micros = files.monitoring, timedelta(microseconds=1)
    return sorted({window.end_us - config.window_of(monitor) // micros for monitor in config.monitors})


def _finest(
    platform: Platform, files: ModelFiles, group: _Group, window: Window
) -> Callable[[], tuple[PeriodProfile, ...]] | None:
    """Return what reads the group's profiles by hour, or whatever the model's period is, where days were read.

    Days are enough to see that something is off; since which hour, only the hours can tell.
    """
    if all(period.period_s <= files.monitoring.period_s for period in group.periods):
        return None

    @cache
    def read() -> tuple[PeriodProfile, ...]:
        with platform.database.reading() as connection:
            found = load_profiles(
                connection,
                files.endpoint,
                start_us=window.start_us,
                end_us=window.end_us,
                variant=group.variant,
                finest=True,
                begun=True,
            )
        mine = (period for period in found if period.model_version == group.version.number)
        return tuple(sorted(mine, key=lambda period: period.start_us))

    return read


def _delivered(platform: Platform, files: ModelFiles, window: Window) -> tuple[DeliveredRows, ...]:
    with platform.database.reading() as connection:
        counts = record_counts(connection, files.endpoint, start_us=window.start_us, end_us=window.end_us)
    return tuple(DeliveredRows(*count) for count in counts)


def _of_variant(config: MonitoringConfig, variant: str) -> MonitoringConfig:
    """Leave out for a batch what only callers make; for ever INCONCLUSIVE, it would keep the case from recovering."""
    if variant != BATCH_VARIANT:
        return config
    return config.model_copy(update={"monitors": tuple(one for one in config.monitors if one.type not in _OF_CALLERS)})


def _window_data(reader: RowReader, group: _Group, window: Window, rows: GroupRows, reference: Reference) -> WindowData:
    platform, files, manifest = reader.platform, reader.files, rows.manifest
    return WindowData(
        model=files.model.name,
        endpoint=files.endpoint,
        variant=group.variant,
        model_version=group.version.number,
        window=window,
        periods=tuple(sorted(group.periods, key=lambda found: found.start_us)),
        reference=reference,
        columns={name: files.contract.columns[name] for name in files.features if name in files.contract.columns},
        labelled_in=rows.labelled,
        answers_in=rows.answers,
        baseline_metrics=manifest.metrics,
        metrics=files.model.all_metrics,
        task=files.model.task,
        positive_class=files.model.positive_class,
        label_delay_us=files.model.label_delay // timedelta(microseconds=1),
        delivered=() if group.variant == BATCH_VARIANT else _delivered(platform, files, window),
        calibration_error=manifest.metrics.get("ece")
        if manifest.calibration is None
        else manifest.calibration.ece_after,
        baseline_groups=manifest.groups,
        explain=Explainer(platform, files, group.version, group.variant, manifest),
        finest_in=_finest(platform, files, group, window),
        share=group.share,
        is_over=window.end_us <= platform.now_us(),
        period_us=files.monitoring.period_s * 1_000_000,
    )


@lru_cache(maxsize=8)
def _baseline(bundle_path: str, digest: str) -> tuple[Manifest, Reference]:
    """Read what a version is held against; a bundle never changes, and hashing a large one at each look takes long."""
    bundle = Path(bundle_path)
    return read_manifest(bundle, expected_digest=digest), read_reference(bundle / "reference")
