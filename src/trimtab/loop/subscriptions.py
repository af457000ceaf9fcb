"""Who hears of what. The order in which a lane asks its subscribers is the order in which they stand in `HANDLERS`."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.loop.conductor import Handler
from trimtab.loop.handlers.actions import execute
from trimtab.loop.handlers.adoption import adopt, prepare_training
from trimtab.loop.handlers.evidence import write_evidence
from trimtab.loop.handlers.feeds import look_at_feeds
from trimtab.loop.handlers.incidents import fold_checks
from trimtab.loop.handlers.job_failures import tell_of_ended_job
from trimtab.loop.handlers.messages import tell
from trimtab.loop.handlers.projection import project
from trimtab.loop.handlers.remediation import remedy
from trimtab.loop.handlers.rollouts import conclude_rollout
from trimtab.loop.handlers.triggers import consider_retraining
from trimtab.loop.handlers.verification import verify_actions, verify_rows
from trimtab.loop.lineage.sending import tell_lineage

__all__ = ["HANDLERS", "SUBSCRIPTIONS"]

HANDLERS: Mapping[str, Handler] = {
    "incidents": fold_checks,
    "remediation": remedy,
    "triggers": consider_retraining,
    "verification": verify_actions,
    "rows": verify_rows,
    "feeds": look_at_feeds,
    "actions": execute,
    "adoption": adopt,
    "failures": tell_of_ended_job,
    "rollouts": conclude_rollout,
    "trainings": prepare_training,
    "projection": project,
    "messages": tell,
    "evidence": write_evidence,
    "lineage": tell_lineage,
}

SUBSCRIPTIONS: Mapping[str, tuple[str, ...]] = {
    "alert.raised": ("messages",),
    "checks.completed": ("incidents", "triggers", "verification", "feeds"),
    "incident.opened": ("remediation", "messages"),
    "incident.reopened": ("remediation", "messages"),
    "incident.updated": ("remediation",),
    "incident.louder": ("messages",),
    "incident.repeated": ("messages",),
    "incident.diagnosed": ("evidence",),
    "incident.recovered": ("verification", "remediation", "messages", "evidence"),
    "incident.closed": ("remediation", "messages", "evidence"),
    "action.waiting": ("messages",),
    "action.approved": ("actions",),
    "action.started": ("actions",),
    "action.rejected": ("messages",),
    "action.finished": ("verification", "messages", "evidence"),
    "action.verified": ("evidence",),
    "verification.planned": ("rows",),
    "autonomy.paused": ("messages",),
    "autonomy.resumed": ("messages",),
    "training.requested": ("trainings", "lineage"),
    "job.finished": ("adoption", "failures", "lineage"),
    "version.registered": ("projection", "messages", "lineage"),
    "version.decided": ("projection",),
    "rollout.moved": ("projection",),
    "endpoint.served": ("projection",),
    "rollout.finished": ("rollouts", "projection", "evidence", "lineage"),
}
