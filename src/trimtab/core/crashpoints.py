"""Named places at which a process can be made to die: a testing aid, asleep unless ``TRIMTAB_CRASH_AT`` names one.

Each stands where work is half done: after an effect and before the commit that tells of it, or after the commit and
before whoever asked is told. The crash suite kills real processes there, starts them again, and looks at what is left.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from trimtab.core.errors import ConfigError

__all__ = ["POINTS", "CrashPoint", "arm", "reached"]


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A place to die: the room it stands in, what has happened before it, what must hold after a restart."""

    name: str
    room: str
    before: str
    after: str


_SENT_AGAIN = "the sender got no answer and sends again: one delivery, each row once"
_SENT_AGAIN_ALERT = "the sender sends again, and has the answer of then: one case"
_TAKEN_UP = "the work is taken up again: each row once"
_TRAINED_ONCE = "one training, one version, judged once"
_ASKED_ONCE = "who asked finds it done: it is not asked for twice"

POINTS: tuple[CrashPoint, ...] = tuple(
    CrashPoint(*row)
    for row in (
        ("delivery.copied", "lake", "the file lies in the raw zone, no row tells of it", _SENT_AGAIN),
        ("delivery.registered", "lake", "row and audit entry are stored, no message is sent", _SENT_AGAIN),
        ("delivery.announced", "lake", "the message is sent, the sender has no answer", _SENT_AGAIN),
        ("shipper.planned", "records", "the range to ship is written down, no segment is", "the same range, same ids"),
        ("shipper.segment_written", "records", "a segment is in the intake, the cursor before it", "known by its id"),
        ("shipper.moved", "records", "the cursor stands behind the segments, the journal is there", "shipped once"),
        ("shipper.released", "records", "the journal is deleted, its cursor is not", "nothing is shipped again"),
        ("intake.registered", "lake", "rows are stored, the files still lie in the intake", _TAKEN_UP),
        ("intake.moved", "lake", "the files lie in the raw zone, no message is sent", _TAKEN_UP),
        ("intake.announced", "lake", "the messages are sent", _TAKEN_UP),
        ("ingest.passed_written", "lake", "rows that passed lie in their zone, those that broke in none", _TAKEN_UP),
        ("ingest.files_written", "lake", "rows lie in both zones, the database knows nothing", _TAKEN_UP),
        ("ingest.recorded", "lake", "counts, profiles and alert are stored, the message is not done", _TAKEN_UP),
        ("ingest.acked", "lake", "the message is done", _TAKEN_UP),
        ("training.requested", "loop", "the job is stored, who asked has no answer", _ASKED_ONCE),
        ("snapshot.files_written", "lake", "the rows lie in their folder, DVC does not know them", "one snapshot"),
        ("snapshot.added", "lake", "DVC has the version, the database does not", "one snapshot"),
        ("snapshot.recorded", "lake", "the snapshot is stored, its job does not name it", "one snapshot"),
        ("training.prepared", "loop", "the request is in the open transaction", "the same snapshot is used"),
        ("training.started", "loop", "the process runs, the row says submitted", "the process that runs is kept"),
        ("training.running", "loop", "the row says running", "the process that runs is kept"),
        ("training.tuned", "training", "the trials are done, nothing is written", "another attempt, one version"),
        ("training.bundle_written", "training", "the bundle lies there, no result", "another attempt, one version"),
        ("training.result_written", "training", "the result lies there, the process lives", "the result is taken"),
        ("training.finished", "loop", "the row says succeeded, nothing is adopted", "one version"),
        ("adoption.bundle_copied", "loop", "the bundle is in the platform's keeping, no version is", "one version"),
        ("registration.written", "loop", "the version is in the open transaction", "one version, one number"),
        ("event.committed", "loop", "an event's effects are stored, its worker does not know", "delivered once"),
        ("projection.version_created", "registry", "MLflow has the version, without aliases", "one entry in MLflow"),
        ("projection.tagged", "registry", "MLflow's tags agree, aliases do not", "one entry in MLflow"),
        ("projection.alias_moved", "registry", "MLflow agrees, our row does not say so", "one entry in MLflow"),
        ("approval.decided", "loop", "a version's approval is in the open transaction", "it was never given"),
        ("approval.granted", "loop", "an action's grant is in the open transaction", "it was never given"),
        ("approval.answered", "loop", "an action's grant is stored, the approver has no answer", "it counts, once"),
        ("webhook.taken", "loop", "alerts are in their cases, the sender has no answer", _SENT_AGAIN_ALERT),
        ("decision.made", "loop", "the policy's decision is in the open transaction", "it is decided again, the same"),
        ("link.used", "loop", "a link is used up in the open transaction", "the link is good still"),
        ("vote.counted", "loop", "a vote is in the open transaction", "it was never given"),
        ("rollout.desired", "loop", "the desired state is stored, no spec is written", "the spec is written"),
        ("rollout.spec_written", "rollout", "the spec is written, nobody looked at what serves", "the same generation"),
        ("rollout.looked", "loop", "a look at a rollout is in the open transaction", "what was counted is read again"),
        ("rollout.stepped", "loop", "a step is in the open transaction", "the step is decided again"),
        ("action.executed", "loop", "an action's effect is in the open transaction", "it is done once"),
        ("action.outside_done", "loop", "files are written, the action runs still", "they are written again, the same"),
        (
            "retraining.requested",
            "loop",
            "the job is asked for, in the open transaction",
            _TRAINED_ONCE,
        ),
        ("retraining.concluded", "loop", "the verdict on its version is in the open transaction", _TRAINED_ONCE),
        ("monitors.judged", "loop", "checks are made, none is stored", "the schedule is still due: one run"),
        ("monitors.recorded", "loop", "checks are stored, with the schedule", "one run"),
        ("trigger.recorded", "loop", "firing, request and memory are in the open transaction", "it fires once"),
        ("verification.planned", "loop", "the verification is in the open transaction", "planned once"),
        ("verification.judged", "loop", "the verdict is in the open transaction", "judged once"),
        ("action.undone", "loop", "what takes an action back is in the open transaction", "taken back once"),
        ("report.printed", "loop", "the PDF lies in its folder, its report does not say so", "printed again, the same"),
        ("audit.appended", "audit", "entry and head are in the open transaction", "the chain has no gap and no fork"),
        ("audit.checkpointed", "loop", "the checkpoint lies in the lake", "the chain agrees with it"),
        ("bucket.file_ready", "lake", "the file lies on the disk, the bucket does not have it", _TAKEN_UP),
        ("bucket.file_put", "lake", "the bucket has the file, the folder before it does not", _TAKEN_UP),
        ("serving.recorded", "serving", "the record is in the journal, no answer left", "the record is shipped once"),
        ("serving.switched", "serving", "the new generation answers, its status is not written", "it is loaded again"),
    )
)
"""Every point there is, in the order of the loop."""


@dataclass(slots=True)
class _Armed:
    name: str
    left: int


_armed: _Armed | None = None


def arm(where: str | None) -> None:
    """Have this process die at ``where``: a point, or ``point#n`` for the n-th time it is reached; None: never.

    Raises:
        ConfigError: there is no such point.
    """
    # One check of one name: that is all that a point may cost where records are accepted.
    global _armed
    if where is None:
        _armed = None
        return
    name, _, nth = where.partition("#")
    known = [point.name for point in POINTS]
    if name not in known or not (nth or "1").isdecimal() or int(nth or 1) < 1:
        raise ConfigError(
            f"TRIMTAB_CRASH_AT: {where[:80]!r} is no crash point, expected one of {', '.join(known)} "
            "(with '#2' the second time); unset it, unless you test"
        )
    _armed = _Armed(name, int(nth or 1))


def reached(name: str) -> None:
    """Die here by SIGKILL if this process was armed for ``name``; else do nothing, within 100 ns."""
    if _armed is not None:
        _die_if_named(_armed, name)


def _die_if_named(armed: _Armed, name: str) -> None:
    if armed.name != name:
        return
    armed.left -= 1
    if armed.left == 0:
        # Not an exception and no exit: nothing may be tidied up.
        os.kill(os.getpid(), signal.SIGKILL)
