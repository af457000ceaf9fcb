"""The conductor's lanes: what runs beside what, so that slow work never holds up a rollback."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import structlog

from trimtab.db.engine import machine_us
from trimtab.loop.approval_links import LinkWriter
from trimtab.loop.arrivals import note_arrivals
from trimtab.loop.conductor import Lane, Worker, deliver_once
from trimtab.loop.fencing import Fence
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.overdue import end_overdue, settle_served
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import tell_open_cases_again
from trimtab.loop.reporting.mailing import write_weekly
from trimtab.loop.reporting.printing import print_due
from trimtab.loop.rolling_up import roll_up_profiles
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import run_due_monitors
from trimtab.loop.subscriptions import HANDLERS
from trimtab.loop.trainings import advance_jobs
from trimtab.loop.upkeep import Upkeep, expire_requests
from trimtab.loop.verifying import give_up_late
from trimtab.notify.messenger import Messenger

__all__ = ["DECISIONS", "LANE_OF", "MONITORS", "TRIGGERS", "of"]

_log = structlog.get_logger(__name__)

DECISIONS = "decisions"
"""The lane of all subscribers that `LANE_OF` does not name."""

MONITORS = "monitors"
"""The lane of the monitors: what they take long over holds up no approval."""

TRIGGERS = "triggers"
"""The lane of the retraining conditions: versions that answer weeks of rows once more hold up no approval either."""

LANE_OF = {
    "triggers": TRIGGERS,
    "trainings": "snapshots",
    "rows": "snapshots",
    "projection": "projection",
    "messages": "messages",
    "evidence": "messages",
    "lineage": "lineage",
}
"""Subscribers that are slow, or ask somebody outside: their lanes."""

_FILES_S = 0.5
_ROLL_UP_S = 30.0
_BEFORE_TRIGGERS = ("incidents", "remediation", "verification")
"""What a run of checks means, and whether the last remedy helped, is found out first: nobody retrains on data that are
diagnosed as broken."""

_DIAGNOSED_S = 5.0
"""How long messages wait for what remediation makes of a case, so that they can say it; people wait no longer."""

_IDLE_AT_MOST_S = {
    DECISIONS: 1.0,
    MONITORS: 2.0,
    TRIGGERS: 1.0,
    "snapshots": 2.0,
    "projection": 2.0,
    "messages": 2.0,
    "reports": 2.0,
    "lineage": 2.0,
}
"""How seldom an idle lane looks for what no bell tells of: `_FILES_S` where people wait for files and servers; longer
where work comes as events, which ring, unless another process has published them."""


def of(platform: Platform, *, beats: bool = True) -> tuple[Lane, ...]:
    """Return the lanes that work for ``platform``; ``beats`` says whether they tell that a control plane is there."""
    names = (
        "rollouts",
        DECISIONS,
        MONITORS,
        TRIGGERS,
        "data",
        "snapshots",
        "projection",
        "messages",
        "reports",
        "lineage",
    )
    fences = {name: Fence() for name in names}
    of_lane = {name: fence.guard(platform) for name, fence in fences.items()}
    decides, ingestion = of_lane[DECISIONS], Ingestion(of_lane["data"])
    upkeep = Upkeep(decides, beats=beats)

    def lane(name: str, *workers: Worker, start: Callable[[], None] | None = None) -> Lane:
        idle_at_most_s = _IDLE_AT_MOST_S.get(name, _FILES_S)
        return Lane(name, workers, start=start, idle_at_most_s=idle_at_most_s, fence=fences[name])

    return (
        lane(
            "rollouts",
            _advancing(of_lane["rollouts"]),
            lambda: apply_desired(of_lane["rollouts"]),
            lambda: note_arrivals(of_lane["rollouts"]),
        ),
        lane(
            DECISIONS,
            _delivering(decides, *[name for name in HANDLERS if name not in LANE_OF]),
            lambda: advance_jobs(decides),
            _paced(lambda: expire_requests(decides), 2.0),
            _paced(lambda: settle_served(decides), 1.0),
            _paced(lambda: end_overdue(decides), 5.0),
            _paced(lambda: give_up_late(decides), 5.0),
            _paced(lambda: tell_open_cases_again(decides), 30.0),
            upkeep.run,
        ),
        lane(MONITORS, _paced(lambda: run_due_monitors(of_lane[MONITORS]), 2.0)),
        lane(TRIGGERS, _delivering(of_lane[TRIGGERS], "triggers", after=_BEFORE_TRIGGERS)),
        lane(
            "data",
            ingestion.run,
            _paced(lambda: roll_up_profiles(of_lane["data"]), _ROLL_UP_S),
            start=ingestion.warm_up,
        ),
        lane("lineage", _delivering(of_lane["lineage"], "lineage")),
        lane("snapshots", _delivering(of_lane["snapshots"], "trainings", "rows")),
        lane("projection", _delivering(of_lane["projection"], "projection"), start=_warming(platform)),
        lane(
            "messages",
            _delivering(of_lane["messages"], "messages", "evidence", after=("remediation",), patience_s=_DIAGNOSED_S),
            _sending(of_lane["messages"]),
        ),
        # A lane of its own: a page takes seconds to print, and no message waits for that.
        lane(
            "reports",
            _paced(lambda: write_weekly(of_lane["reports"]), 30.0),
            _paced(lambda: print_due(of_lane["reports"]), 2.0),
        ),
    )


def _delivering(
    platform: Platform, *subscribers: str, after: tuple[str, ...] = (), patience_s: float = math.inf
) -> Worker:
    """Return a worker that delivers one event to each of ``subscribers``; an idle one asks a single question.

    It delivers none as long as one is due for those that come first (``after``), in whichever lane these are; it has
    ``patience_s`` for them, from when it first found something due for them and nothing in between that was not.
    """
    held_since: float | None = None

    def deliver() -> bool:
        nonlocal held_since
        with platform.database.reading() as connection:
            waiting = platform.outbox.who_has_due(connection, (*subscribers, *after), machine_us=machine_us())
        if waiting.isdisjoint(after):
            held_since = None
        else:
            held_since = time.monotonic() if held_since is None else held_since
            if time.monotonic() - held_since < patience_s:
                return False
        return any([deliver_once(platform, HANDLERS, name) for name in subscribers if name in waiting])

    return deliver


def _advancing(platform: Platform) -> Worker:
    watch = RolloutWatch(platform)
    return lambda: advance_rollouts(platform, watch)


def _sending(platform: Platform) -> Worker:
    messenger = Messenger(
        platform.database,
        platform.project.config.notifications,
        now_us=machine_us,
        templates=platform.project.message_templates,
        reports=platform.project.reports,
        complete=LinkWriter(platform.project, platform.database).complete,
    )
    return _paced(messenger.run, 0.5)


def _paced(work: Worker, every_s: float) -> Worker:
    """Return ``work``, which after it found nothing waits ``every_s``: an idle platform leaves the machine alone."""
    due = 0.0

    def paced() -> bool:
        nonlocal due
        if time.monotonic() < due:
            return False
        found = bool(work())
        if not found:
            due = time.monotonic() + every_s
        return found

    return paced


def _warming(platform: Platform) -> Callable[[], None]:
    def warm() -> None:
        try:
            platform.projection()
        except Exception as error:  # noqa: BLE001 - only a head start: the first projection meets the fault and tells it
            _log.warning("projection.cold", error=str(error))

    return warm
