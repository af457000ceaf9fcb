"""The world of a simulation: the platform on a project of its own, under a clock that stands until it is moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel
from sqlalchemy import and_, or_, select, update

from trimtab.config.loading import load_yaml
from trimtab.config.project import ProjectFolder
from trimtab.core.clock import ManualClock
from trimtab.core.errors import BackendError, ConfigError
from trimtab.core.ids import IdFactory
from trimtab.db.engine import Connection, Database
from trimtab.db.migrate import upgrade
from trimtab.db.outbox import Outbox
from trimtab.db.tables import event, event_delivery, job, queue_message
from trimtab.lake.deliveries import resend_unqueued
from trimtab.lake.queues.embedded import EmbeddedQueue
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.loop.conductor import Handler, deliver_once
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.model_files import FILE_MODELS, ModelFiles, load_model_files
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.overdue import end_overdue, settle_served
from trimtab.loop.platform import Platform
from trimtab.loop.rolling_up import roll_up_profiles
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import run_due_monitors
from trimtab.loop.simulation.inline_jobs import InlineJobs
from trimtab.loop.simulation.serving import InProcessServing
from trimtab.loop.subscriptions import HANDLERS, SUBSCRIPTIONS
from trimtab.loop.trainings import advance_jobs
from trimtab.loop.upkeep import expire_requests
from trimtab.loop.verifying import give_up_late
from trimtab.monitoring.sources import NumberReading, Question
from trimtab.remediation.policy import PolicyConfig
from trimtab.retraining.settings import RetrainConfig
from trimtab.rollout.strategies import RecreateConfig

if TYPE_CHECKING:
    from trimtab.registry.projection import MlflowProjection

__all__ = ["World", "build_world", "copy_project", "rewrite"]

_UNHEARD = frozenset({"projection", "messages", "evidence", "lineage"})
"""Subscribers whose work is for others: MLflow, people, and reports."""
_SUBSCRIPTIONS = {kind: tuple(n for n in names if n not in _UNHEARD) for kind, names in SUBSCRIPTIONS.items()}
_HANDLERS: Mapping[str, Handler] = {name: handler for name, handler in HANDLERS.items() if name not in _UNHEARD}
_MOST_ATTEMPTS = 3
_MOST_TURNS = 10_000


@dataclass(frozen=True, slots=True)
class _Platform(Platform):
    """A platform whose configuration nobody edits meanwhile: read once, and again when a simulation rewrites a file."""

    known: dict[str, ModelFiles] = field(default_factory=dict)

    def files(self, model: str) -> ModelFiles:
        """Return the configuration of ``model`` as it was first read."""
        if model not in self.known:
            self.known[model] = load_model_files(self.project, model)
        return self.known[model]


@dataclass(frozen=True, slots=True)
class World:
    """The platform of a simulation, and what moves it. `settle` does all that is to be done at the present moment."""

    platform: _Platform
    clock: ManualClock
    serving: InProcessServing
    jobs: InlineJobs
    ingestion: Ingestion
    watch: RolloutWatch
    model: str
    endpoint: str

    @property
    def files(self) -> ModelFiles:
        """The configuration of the model that is simulated."""
        return self.platform.files(self.model)

    def rewrite(self, name: str, config: BaseModel) -> None:
        """Let ``config`` stand in the model's file ``name`` from now on."""
        rewrite(self.platform.project.model_folder(self.model) / name, config)
        self.platform.known.clear()

    def move_to(self, moment: datetime) -> None:
        """Set the clock; it never goes back."""
        self.clock.advance(moment - self.clock.now())

    def load_what_serves(self) -> None:
        """Make the endpoints what the database says that they should be."""
        apply_desired(self.platform)

    def settle(self) -> None:
        """Work until nothing is left to do at the present moment.

        Raises:
            BackendError: an event or a delivery fails whenever it is tried, or something waits for the machine.
        """
        for turn in range(_MOST_TURNS):
            if not self._turn(is_first=turn == 0) and not self._retries():
                return
        raise BackendError(
            f"simulation of {self.model!r}: {_MOST_TURNS} turns at {self.clock.now():%Y-%m-%d %H:%M} did not come to "
            "an end; report it with the simulation's folder"
        )

    def _turn(self, *, is_first: bool) -> bool:
        """Do one turn of what the lanes do, in their order; return whether anything moved.

        Not by the lanes themselves: those pace their work by the machine's time.
        """
        platform, changes = self.platform, self.serving.changes
        resent = resend_unqueued(platform.database, platform.queue)
        moved = [resent > 0]
        while self.ingestion.run():
            # All of it before anything is judged or learnt: how it was cut into batches must make no difference.
            moved.append(True)
        if is_first or any(moved):
            # Hours and days are over when the clock has moved, and have other rows when some were ingested.
            while roll_up_profiles(platform):
                pass
        moved += [deliver_once(platform, _HANDLERS, name) for name in _HANDLERS]
        moved += [advance_jobs(platform), expire_requests(platform), run_due_monitors(platform)]
        moved += [settle_served(platform), end_overdue(platform), give_up_late(platform)]
        moved.append(advance_rollouts(platform, self.watch))
        apply_desired(platform)
        return any(moved) or self.serving.changes != changes

    def _retries(self) -> bool:
        """Let what failed, or was under way at a kill, be tried at once; return whether there is any.

        Its waits are in the machine's time, and nobody else works here.

        Raises:
            BackendError: it failed often enough.
        """
        with self.platform.database.transaction() as connection:
            stuck = _stuck(connection)
            if stuck is not None:
                raise BackendError(
                    f"simulation at {self.clock.now():%Y-%m-%d %H:%M}: {stuck}; mend it, then go on with --resume"
                )
            return _release(connection)

    def close(self) -> None:
        """End what runs beside this process, and close the database."""
        self.jobs.stop_all()
        self.serving.close()
        self.platform.database.close()


def build_world(
    folder: ProjectFolder,
    model: str,
    at: datetime,
    *,
    serving: InProcessServing | None = None,
    jobs: InlineJobs | None = None,
    serving_url: Callable[[], str | None] = lambda: None,
) -> World:
    """Return the world of the project in ``folder`` (a copy, see `copy_project`) at the moment ``at``.

    The twin of bootstrap: all that it writes lies in the folder, whatever the environment names. ``serving`` and
    ``jobs``: ones that have faults, say; ``serving_url``: where a server tells what it counted, if any does.
    """
    state, endpoint = folder.state, load_model_files(folder, model).endpoint
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What an earlier process had open; rows are recorded by tick, never here.
    shutil.rmtree(folder.journal, ignore_errors=True)
    database = Database.at(folder.database)
    upgrade(database)
    with database.transaction() as connection:
        # What was under way when an earlier process was killed: monitors that ran before it would judge less.
        _release(connection)
    clock = ManualClock(at)
    serving = InProcessServing(folder.journal) if serving is None else serving
    jobs = InlineJobs(folder.logs / "trainings.txt") if jobs is None else jobs
    platform = _Platform(
        project=folder,
        database=database,
        clock=clock,
        new_id=IdFactory(),
        outbox=Outbox(_SUBSCRIPTIONS),
        lake=Lake(FolderStorage(folder.lake)),
        queue=EmbeddedQueue(database),
        jobs=jobs,
        deployer=serving,
        projection=_no_mlflow,
        serving_url=serving_url,
        tells_mlflow=False,
        number_source=lambda _source, _root: _Unasked(),
    )
    return World(platform, clock, serving, jobs, Ingestion(platform), RolloutWatch(platform), model, endpoint)


def _release(connection: Connection) -> bool:
    """Let all that waits be taken at once; return whether anything does."""
    at_once = {"available_us": 0, "leased_until_us": None}
    pending = update(event_delivery).where(event_delivery.c.state == "pending").values(at_once)
    queued = update(queue_message).where(queue_message.c.state == "pending").values(at_once)
    return sum(connection.execute(one).rowcount for one in (pending, queued)) > 0


def _stuck(connection: Connection) -> str | None:
    """Return what does not get on however often it is tried, and why; None where nothing is stuck."""
    delivery, message = event_delivery.c, queue_message.c
    failed = connection.execute(
        select(delivery.subscriber, event.c.kind, delivery.error)
        .join(event, event.c.id == delivery.event_id)
        .where(or_(delivery.state == "dead", and_(delivery.state == "pending", delivery.attempts >= _MOST_ATTEMPTS)))
        .where(delivery.error.is_not(None))
    ).first()
    if failed is not None:
        return f"{failed.subscriber} could not handle {failed.kind} ({failed.error})"
    unread = connection.execute(
        select(message.error).where(message.attempts >= _MOST_ATTEMPTS, message.state.in_(("pending", "dead")))
    ).first()
    if unread is not None:
        return f"a delivery could not be processed ({unread.error})"
    waiting = connection.execute(select(job.c.spec).where(job.c.state == "waiting")).first()
    return None if waiting is None else f"a training waits for {waiting.spec['waits']['waits_for']}"


class _Unasked:
    """Answers for the numbers of databases and Prometheus: real ones, which know today and nothing of the stream."""

    def read(self, _question: Question) -> NumberReading:
        """Return that there is no number."""
        return NumberReading(None, "not asked in a simulation: the number would be today's")


def _no_mlflow() -> MlflowProjection:
    raise BackendError("simulation: its versions are told to no MLflow; look at simulation.json")


def copy_project(
    project: ProjectFolder, model: str, target: Path, *, policy: Path | None = None, retrain: Path | None = None
) -> ProjectFolder:
    """Copy what a person wrote about ``model`` to ``target``, with another policy or retraining file if asked for.

    New versions take over at once (strategy recreate), and nobody is notified.

    Raises:
        ConfigError: a file does not fit.
        NotFoundError: the project has no such model.
    """
    load_model_files(project, model)
    folder = target / "models" / model
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILE_MODELS:
        shutil.copyfile(project.model_folder(model) / name, folder / name)
    config = {"project": project.config.project, "notifications": []}
    (target / "trimtab.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    _copy_as(policy or project.root / "policy.yaml", target / "policy.yaml", PolicyConfig)
    asked = load_yaml(target / "policy.yaml", PolicyConfig).value
    if any(rule.when.models for rule in asked.rules):
        # The copy holds this model alone, and a policy that names another is refused.
        rewrite(target / "policy.yaml", asked.for_model(model))
    if retrain is not None:
        _copy_as(retrain, folder / "retrain_config.yaml", RetrainConfig)
    copied = ProjectFolder.open(target)
    deployment = load_model_files(copied, model).deployment
    # A canary's evidence is the traffic of seconds, which a recorded table does not have.
    rewrite(
        folder / "deployment_config.yaml", deployment.model_copy(update={"strategy": RecreateConfig(type="recreate")})
    )
    return copied


def rewrite(path: Path, config: BaseModel) -> None:
    """Write ``config`` to ``path`` as YAML, with what was set in it."""
    content = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _copy_as(source: Path, target: Path, kind: type[BaseModel]) -> None:
    if not source.is_file():
        raise ConfigError(f"{source}: is not there; expected a file as {target.name} is; name another one")
    load_yaml(source, kind)
    shutil.copyfile(source, target)
