"""All tables of the metadata database.

Narrow typed columns for what is queried, one JSON column (``spec``) for the rest, ``version`` for optimistic locking.
Times end in ``_us``: microseconds since 1970 UTC. ``at_us`` and its like are domain time; what leases and retries use
(``leased_until_us``, ``available_us``) is machine time.
"""

from __future__ import annotations

from trimtab.db.tables.agreement import approval_link, autonomy_pause, vote
from trimtab.db.tables.columns import metadata
from trimtab.db.tables.data import delivery, feed, profile, snapshot
from trimtab.db.tables.judgement import (
    action_grant,
    action_request,
    alert,
    check_result,
    incident,
    policy_decision,
    report,
    retraining_event,
    verification,
)
from trimtab.db.tables.memory import monitor_state, trigger_state, version_loss
from trimtab.db.tables.serving import endpoint, endpoint_history, rollout, rollout_analysis, rollout_look
from trimtab.db.tables.trust import (
    api_key,
    audit_about,
    audit_entry,
    audit_head,
    request_once,
    session,
    webhook_receipt,
)
from trimtab.db.tables.versions import job, model_version
from trimtab.db.tables.work import event, event_delivery, heartbeat, lease, notification, queue_message, schedule_run

__all__ = [
    "action_grant",
    "action_request",
    "alert",
    "api_key",
    "approval_link",
    "audit_about",
    "audit_entry",
    "audit_head",
    "autonomy_pause",
    "check_result",
    "delivery",
    "endpoint",
    "endpoint_history",
    "event",
    "event_delivery",
    "feed",
    "heartbeat",
    "incident",
    "job",
    "lease",
    "metadata",
    "model_version",
    "monitor_state",
    "notification",
    "policy_decision",
    "profile",
    "queue_message",
    "report",
    "request_once",
    "retraining_event",
    "rollout",
    "rollout_analysis",
    "rollout_look",
    "schedule_run",
    "session",
    "snapshot",
    "trigger_state",
    "verification",
    "version_loss",
    "vote",
    "webhook_receipt",
]
