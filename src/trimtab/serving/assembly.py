"""Puts the parts of a server process together."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from trimtab.core.errors import ConfigError
from trimtab.core.ids import IdFactory
from trimtab.records.cursor import backlog_bytes
from trimtab.records.journal import JournalWriter, file_bytes_within
from trimtab.serving.access import Gate
from trimtab.serving.app import ServingApp
from trimtab.serving.draws import DrawLedgers
from trimtab.serving.endpoints import EndpointTable
from trimtab.serving.follow import Follower
from trimtab.serving.handler import Handler
from trimtab.serving.hosting import Hosting
from trimtab.serving.jobs import Jobs
from trimtab.serving.limits import Bounds
from trimtab.serving.lives import Lives, deaths_of
from trimtab.serving.loading import EndpointLoader
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.options import ServerOptions
from trimtab.serving.place import Place, journal_folder
from trimtab.serving.residence import Residence
from trimtab.serving.residence_metrics import ResidenceMetrics
from trimtab.serving.shadow import Shadows
from trimtab.serving.shadow_counts import ShadowLedgers
from trimtab.serving.shared_metrics import SharedMetrics
from trimtab.serving.signatures import SignatureCheck
from trimtab.serving.told_counts import ToldCounts
from trimtab.serving.waking import Waking

__all__ = ["Parts", "assemble", "now_us"]

_SHADOW_FILE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs: the application, and what goes on beside it."""

    app: ServingApp
    follower: Follower
    shadows: Shadows
    jobs: Jobs
    lives: Lives
    shared: SharedMetrics | None


def assemble(place: Place, options: ServerOptions, journal: JournalWriter) -> Parts:
    """Return the parts of a server process, on real clocks; nothing is loaded yet."""
    worker = place.worker or 0
    series = f"{worker}.{os.getpid()}.{now_us()}"
    ledgers, copies = DrawLedgers(series, worker=worker, workers=place.workers), ShadowLedgers(series)
    table, metrics = EndpointTable(ledgers), ServingMetrics()
    # Not for secrets: it draws variants.
    residence = Residence(
        table=table,
        loader=EndpointLoader(metrics, random.Random(), SignatureCheck.of(options.trusted_keys)),
        journal=journal,
        metrics=ResidenceMetrics(metrics.registry),
        budget_bytes=options.memory_budget_bytes,
    )
    new_id = IdFactory()
    new_journal = partial(_shadow_journal, place, options)
    shadows = Shadows(new_journal, new_id=new_id, rng=random.Random(), ledgers=copies)

    def written() -> dict[Path, int]:
        return journal.filled | shadows.positions()

    shared = None if place.worker is None else SharedMetrics(metrics, place.told_in, written, ledgers, copies)
    jobs = Jobs(
        place.state / "jobs",
        limit=options.max_jobs,
        limit_bytes=options.max_jobs_bytes,
        keep_s=options.job_keep_s,
        now_us=now_us,
    )
    bounds = Bounds(options)
    app = ServingApp(
        table=table,
        waking=Waking(table, residence),
        handler=Handler(journal, new_id=new_id, monotonic_ns=time.perf_counter_ns, tensors=bounds.tensors),
        journal=journal,
        metrics=metrics,
        new_id=new_id,
        now_us=now_us,
        monotonic_ns=time.perf_counter_ns,
        gate=Gate.of(options.keys, options.allowed_hosts, place.host),
        bounds=bounds,
        exposition=None if shared is None else shared.exposition,
        told=ToldCounts(ledgers, copies, shared, partial(deaths_of, place.state)),
        hosting=_hosting(options, place, table, residence),
        shadows=shadows,
        jobs=jobs,
    )
    metrics.watch(
        in_flight=lambda: app.in_flight,
        backlog_bytes=lambda: backlog_bytes(
            journal_folder(place.state), written() | ({} if shared is None else shared.positions())
        ),
    )
    lives = Lives(place.state, now_us, worker=worker)
    follower = Follower(
        place.state, table=table, residence=residence, pid=os.getpid(), told_in=place.told_in, lives=lives
    )
    return Parts(app, follower, shadows, jobs, lives, shared)


def now_us() -> int:
    """Return the time of day in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000


def _shadow_journal(place: Place, options: ServerOptions) -> JournalWriter:
    """Make a journal for what shadows answer. With half the limit, it is the first that has no room."""
    limit_bytes = options.log_limit_bytes
    file_bytes = options.journal_file_bytes or file_bytes_within(limit_bytes, place.workers)
    file_bytes = min(file_bytes, _SHADOW_FILE_BYTES)
    return JournalWriter(
        journal_folder(place.state),
        sync_interval_s=options.sync_interval_s,
        file_bytes=file_bytes,
        limit_bytes=None if limit_bytes is None else max(limit_bytes // 2, 2 * file_bytes),
    )


def _hosting(options: ServerOptions, place: Place, table: EndpointTable, residence: Residence) -> Hosting | None:
    if options.models_root is None:
        return None
    if place.workers > 1:
        raise ConfigError(
            f"models_root: {place.workers} workers, expected one, since a model is loaded by whichever is asked; "
            "start with --workers 1, or without models_root"
        )
    return Hosting(table, residence, Path(options.models_root))
