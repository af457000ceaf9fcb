"""Which process dies where: every crash point of the platform, in the order in which one story reaches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.integration.crashes.stage import Stage

__all__ = ["ACTS", "ON_A_BUCKET", "TRAINING_POINTS", "play"]

ACTS: Mapping[str, tuple[str, ...]] = {
    "deliver": (
        "audit.appended",
        "bucket.file_ready",
        "bucket.file_put",
        "delivery.copied",
        "delivery.registered",
        "delivery.announced",
        "shipper.planned",
        "shipper.segment_written",
        "shipper.moved",
        "shipper.released",
        "intake.registered",
        "intake.moved",
        "intake.announced",
        "ingest.passed_written",
        "ingest.files_written",
        "ingest.recorded",
        "ingest.acked",
    ),
    "train": (
        "training.requested",
        "snapshot.files_written",
        "snapshot.added",
        "snapshot.recorded",
        "training.prepared",
        "training.tuned",
        "training.bundle_written",
        "training.started",
        "training.running",
        "training.result_written",
        "training.finished",
        "adoption.bundle_copied",
        "registration.written",
        "projection.version_created",
        "projection.tagged",
        "projection.alias_moved",
        "event.committed",
    ),
    "release": (
        "approval.decided",
        "rollout.looked",
        "rollout.stepped",
        "rollout.desired",
        "rollout.spec_written",
        "serving.switched",
    ),
    "go_back": ("approval.granted", "approval.answered", "action.executed", "audit.checkpointed"),
    "checks": ("monitors.judged", "monitors.recorded", "trigger.recorded"),
    "retrain": (
        "retraining.requested",
        "approval.decided",
        "retraining.concluded",
        "rollout.stepped",
        "rollout.desired",
        "rollout.spec_written",
        "serving.switched",
    ),
    "serve": ("serving.recorded",),
    "remedy": (
        "webhook.taken",
        "decision.made",
        "link.used",
        "vote.counted",
        "action.outside_done",
        "verification.planned",
    ),
    "undo": ("report.printed", "verification.judged", "action.undone", "action.outside_done"),
}
"""The points that processes of each flow die at, in their order. What the retraining brings is better, and released."""

ON_A_BUCKET = ("bucket.file_ready", "bucket.file_put")
"""The points that a story whose lake is a folder does not reach."""

TRAINING_POINTS = ("training.tuned", "training.bundle_written", "training.result_written")
"""Where the training's own process dies, while the control plane goes on."""


@dataclass(frozen=True)
class Died:
    """A point at which a process died, after which ``flow`` went on."""

    flow: str
    point: str


def play(
    stage: Stage,
    points: Sequence[str],
    *,
    acts: Sequence[str] = tuple(ACTS),
    before: Callable[[str], None] = lambda _: None,
    after: Callable[[Died], None] = lambda _: None,
) -> list[Died]:
    """Play ``acts`` of the story; at each of ``points`` a process dies.

    ``before`` is called with each act that begins; ``after`` looks at what each death left.
    """
    died = []
    for flow in acts:
        in_order = ACTS[flow]
        before(flow)
        if flow == "checks":
            stage.make_schedule_due()
        if flow == "retrain":
            stage.change_the_world()
            stage.finish("deliver")
        for point in in_order:
            if point in points:
                _die(stage, flow, point, points)
                died.append(Died(flow, point))
                after(died[-1])
        if flow == "deliver":
            stage.feed()
        if flow == "serve":
            stage.answer_some()
            flow = "deliver"
        stage.finish(flow)
    return died


def _die(stage: Stage, flow: str, point: str, points: Sequence[str]) -> None:
    if point == "serving.switched":
        stage.die_serving_at_start()
    elif point == "serving.recorded":
        stage.die_serving_under_load()
    elif point in TRAINING_POINTS:
        stage.die_training(point)
    elif point == "training.started" and "training.result_written" in points:
        # Three attempts is all that a training has: the one that goes on dies later.
        stage.die(flow, point, training_at="training.result_written")
    else:
        if flow == "deliver":
            stage.feed()
        stage.die(flow, point)
