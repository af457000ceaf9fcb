"""Who hears of what. The order in which a lane asks its subscribers is the order in which they stand in `HANDLERS`."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.loop.conductor import Handler
from trimtab.loop.handlers.actions import execute
from trimtab.loop.handlers.adoption import adopt, prepare_training
from trimtab.loop.handlers.evidence import write_evidence
from trimtab.loop.handlers.incidents import fold_checks
from trimtab.loop.handlers.messages import tell
from trimtab.loop.handlers.projection import project
from trimtab.loop.handlers.remediation import remedy
from trimtab.loop.handlers.rollouts import conclude_rollout
from trimtab.loop.handlers.triggers import consider_retraining
from trimtab.loop.handlers.verification import verify_actions

__all__ = ["HANDLERS", "SUBSCRIPTIONS"]

HANDLERS: Mapping[str, Handler] = {
    "incidents": fold_checks,
    "remediation": remedy,
    "triggers": consider_retraining,
    "verification": verify_actions,
    "actions": execute,
    "adoption": adopt,
    "rollouts": conclude_rollout,
    "trainings": prepare_training,
    "projection": project,
    "messages": tell,
    "evidence": write_evidence,
}

SUBSCRIPTIONS: Mapping[str, tuple[str, ...]] = {
    "alert.raised": ("messages",),
    "checks.completed": ("incidents", "triggers", "verification"),
    "incident.opened": ("remediation", "messages"),
    "incident.reopened": ("remediation", "messages"),
    "incident.updated": ("remediation",),
    "incident.louder": ("messages",),
    "incident.repeated": ("messages",),
    "incident.diagnosed": ("evidence",),
    "incident.recovered": ("remediation", "messages", "evidence"),
    "incident.closed": ("messages", "evidence"),
    "action.waiting": ("messages",),
    "action.approved": ("actions",),
    "action.rejected": ("messages",),
    "action.finished": ("messages", "evidence"),
    "action.verified": ("evidence",),
    "training.requested": ("trainings",),
    "job.finished": ("adoption",),
    "version.registered": ("projection", "messages"),
    "version.decided": ("projection",),
    "rollout.moved": ("projection",),
    "endpoint.served": ("projection",),
    "rollout.finished": ("rollouts", "projection", "evidence"),
}
