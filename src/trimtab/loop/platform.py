"""What the loop works with: the ports that bootstrap picked, and the project they serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import Clock, to_micros
from trimtab.core.ids import IdFactory
from trimtab.db.engine import Connection, Database, machine_us
from trimtab.db.outbox import Event, Outbox
from trimtab.lake.queues.base import Queue
from trimtab.lake.storage.base import Bucket
from trimtab.lake.zones import Lake
from trimtab.loop.door_counts import DoorCounts
from trimtab.loop.hindered import Hindered
from trimtab.loop.jobs import JobRunner
from trimtab.loop.model_files import ModelFiles, load_model_files
from trimtab.loop.number_sources import source_of
from trimtab.loop.refusals import Refusals
from trimtab.loop.unmatched import Unmatched
from trimtab.loop.wake import Wake
from trimtab.monitoring.sources import NumberSource, Source
from trimtab.rollout.deployer import Deployer

if TYPE_CHECKING:
    from trimtab.registry.projection import MlflowProjection

__all__ = ["Platform"]


@dataclass(frozen=True, slots=True)
class Platform:
    """Ports and project, handed to every operation and handler."""

    project: ProjectFolder
    database: Database
    clock: Clock
    new_id: IdFactory
    outbox: Outbox
    lake: Lake
    queue: Queue
    jobs: JobRunner
    deployer: Deployer
    projection: Callable[[], MlflowProjection]
    serving_url: Callable[[], str | None]
    intake_bucket: tuple[Bucket, str] | None = None
    """Bucket, and folder in it, where shippers elsewhere leave segments."""
    tells_mlflow: bool = True
    """Whether trainings are told to MLflow; not so in a simulation, whose versions nobody will serve."""
    number_source: Callable[[Source, Path], NumberSource] = source_of
    """What answers for the numbers of business monitors; nobody does in a simulation."""
    wake: Wake = field(default_factory=Wake)
    hindered: Hindered = field(default_factory=Hindered)
    doors: DoorCounts = field(default_factory=DoorCounts)
    unmatched: Unmatched = field(default_factory=Unmatched)
    refusals: Refusals = field(default_factory=Refusals)

    def now_us(self) -> int:
        """Return domain time in microseconds."""
        return to_micros(self.clock.now())

    def files(self, model: str) -> ModelFiles:
        """Return the configuration of ``model`` as it stands on disk now."""
        return load_model_files(self.project, model)

    def publish(
        self, connection: Connection, kind: str, aggregate: str, payload: JsonObject, *, at_us: int | None = None
    ) -> None:
        """Store an event and its deliveries in the caller's transaction."""
        happened = Event(
            kind=kind,
            aggregate=aggregate,
            payload=payload,
            at_us=self.now_us() if at_us is None else at_us,
            id=self.new_id(),
        )
        self.outbox.publish(connection, happened, machine_us=machine_us())
        self.wake.set()
