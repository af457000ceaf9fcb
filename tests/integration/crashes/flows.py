"""What a killed process was about to do, and what the next one does again: each flow runs until nothing is left to do.

A flow begins with its client, who had no answer from a process that died: it looks what came of its request, and asks
again if nothing did.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Select, func, select
from tests.integration.crashes.remedies import change_a_limit, see_that_it_was_no_use

from trimtab.bootstrap import build_conductor, build_platform
from trimtab.config.cron import newest_moment
from trimtab.config.logs import configure_logs
from trimtab.config.project import ProjectFolder
from trimtab.core.clock import from_micros
from trimtab.core.enums import Role
from trimtab.db.engine import Connection
from trimtab.db.tables import (
    delivery,
    event_delivery,
    job,
    model_version,
    queue_message,
    rollout,
    schedule_run,
)
from trimtab.loop.actor import Actor
from trimtab.loop.checkpoints import Checkpoints
from trimtab.loop.gate import propose
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.operation import perform
from trimtab.loop.platform import Platform
from trimtab.records.shipper import Shipper
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.rollout.endpoint_store import list_desired

MODEL = "tiny"
YEARLY = "0 0 1 1 *"
"""When the monitors run: not each hour, or a story that goes over the hour would be monitored twice."""
OPERATOR, APPROVER = Actor("otto", Role.OPERATOR), Actor("vera", Role.APPROVER)

_WITHIN_S = 450.0

Flow = Callable[[Platform], None]


def run(project: Path, flow: str, *, at: str | None, job_at: str | None) -> bool:
    """Run ``flow`` in this process, which dies at ``at``, its trainings at ``job_at``; return whether all is done."""
    _set("TRIMTAB_CRASH_AT", at)
    configure_logs("json", process=f"flow:{flow}:{at}")
    platform = build_platform(ProjectFolder.open(project))
    _set("TRIMTAB_CRASH_AT", job_at)
    FLOWS[flow](platform)
    done = _is_quiet if job_at is None else _job_runs
    finished = build_conductor(platform).run_until(lambda: done(platform), timeout_s=_WITHIN_S)
    if finished and flow == "go_back":
        _checkpoint(platform)
    platform.database.close()
    return finished


def _set(name: str, value: str | None) -> None:
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


def deliver(platform: Platform) -> None:
    """Every file is sent again (its sender cannot know whether it came), and the shipper ships."""
    for path in sorted(platform.project.root.glob("delivery-*.csv")):
        perform(platform, OPERATOR, "data.ingest", {"model": MODEL, "path": str(path)})
    Shipper(platform.project.serving / "journal", platform.project.intake).ship_once()


def train(platform: Platform) -> None:
    """A training is asked for, unless there is one."""
    if not _count(platform, select(func.count()).select_from(job).where(job.c.id.not_in(["j1"]))):
        perform(platform, OPERATOR, "training.start", {"model": MODEL})


def release(platform: Platform) -> None:
    """Version 2 is approved and rolled out, unless it was."""
    state = platform.database.read(
        lambda c: c.execute(select(model_version.c.state).where(model_version.c.number == 2)).scalar_one()
    )
    if state == "pending":
        decision = {"model": MODEL, "number": 2, "approve": True, "reason": "good"}
        perform(platform, APPROVER, "versions.decide", decision)
    if not _count(platform, select(func.count()).select_from(rollout).where(rollout.c.candidate == 2)):
        perform(platform, APPROVER, "rollouts.start", {"model": MODEL, "number": 2})


def go_back(platform: Platform) -> None:
    """An action to roll back is proposed and approved, unless it was."""
    with platform.database.transaction() as connection:
        if not list_actions(connection, kind=ActionKind.ROLL_BACK):
            proposal = Proposal(origin=Origin.PERSON, model=MODEL, action=ActionKind.ROLL_BACK)
            context = RequestContext(requested_by=OPERATOR.name, purpose={}, endpoint=MODEL)
            propose(connection, platform, proposal, context)
    with platform.database.reading() as connection:
        [action] = list_actions(connection, kind=ActionKind.ROLL_BACK)
    if action.state is ActionState.WAITING_APPROVAL:
        perform(platform, APPROVER, "approvals.decide", {"action_id": action.id, "approve": True, "reason": "yes"})


def retrain(platform: Platform) -> None:
    """A retraining is asked for and approved, unless it was."""
    with platform.database.reading() as connection:
        asked = any(action.kind is ActionKind.RETRAIN for action in list_actions(connection))
    if not asked:
        perform(platform, OPERATOR, "retraining.trigger", {"model": MODEL, "reason": "the world has changed"})
    with platform.database.reading() as connection:
        [action] = [action for action in list_actions(connection) if action.kind is ActionKind.RETRAIN]
    if action.state is ActionState.WAITING_APPROVAL:
        perform(platform, APPROVER, "approvals.decide", {"action_id": action.id, "approve": True, "reason": "yes"})


def checks(_platform: Platform) -> None:
    """The schedule of the monitors is due: nobody need ask."""


def remedy(platform: Platform) -> None:
    """A limit is changed to mend a case, unless it was."""
    change_a_limit(platform, MODEL)


def undo(platform: Platform) -> None:
    """The change proves to be of no use, unless it did."""
    see_that_it_was_no_use(platform, MODEL)


FLOWS: Mapping[str, Flow] = {
    "deliver": deliver,
    "train": train,
    "release": release,
    "go_back": go_back,
    "checks": checks,
    "retrain": retrain,
    "remedy": remedy,
    "undo": undo,
}


def _checkpoint(platform: Platform) -> None:
    Checkpoints(platform).write()


def _count(platform: Platform, query: Select[int]) -> int:
    return platform.database.read(lambda c: c.execute(query).scalar_one())


def _is_quiet(platform: Platform) -> bool:
    """Return whether nothing is left to do: in intake and queue, of events, jobs, rollouts, actions and schedules."""
    if any(platform.project.intake.glob("*.arrow")):
        return False
    with platform.database.reading() as connection:
        ran_us = connection.execute(select(schedule_run.c.last_us)).scalars().all()
        overdue = any(newest_moment(YEARLY, from_micros(us), platform.clock.now()) for us in ran_us)
        return not overdue and not any(_open_work(connection).values()) and _specs_agree(platform, connection)


def _open_work(connection: Connection) -> dict[str, int]:
    queries = {
        "deliveries": select(func.count()).select_from(delivery).where(delivery.c.state == "received"),
        "messages": select(func.count()).select_from(queue_message).where(queue_message.c.state == "pending"),
        "events": select(func.count()).select_from(event_delivery).where(event_delivery.c.state == "pending"),
        "jobs": select(func.count()).select_from(job).where(job.c.finished_us.is_(None), job.c.id != "j1"),
        "rollouts": select(func.count()).select_from(rollout).where(rollout.c.finished_us.is_(None)),
    }
    found = {name: int(connection.execute(query).scalar_one()) for name, query in queries.items()}
    moving = {ActionState.APPROVED, ActionState.RUNNING}
    return found | {"actions": sum(action.state in moving for action in list_actions(connection))}


def _specs_agree(platform: Platform, connection: Connection) -> bool:
    return all(
        (status := platform.deployer.observe(spec.endpoint)) is not None and status.generation == spec.generation
        for spec in list_desired(connection)
    )


def _job_runs(platform: Platform) -> bool:
    """Return whether the training's process lives, and its row says so."""
    running = select(job.c.out_dir).where(job.c.state == "running")
    found = platform.database.read(lambda c: c.execute(running).scalars().all())
    return any(platform.jobs.state(Path(out_dir)) is JobProcessState.RUNNING for out_dir in found)
