"""What the policy is judged against beside its rules: pauses, traffic; and the trace that a new policy leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from trimtab.audit import log as audit
from trimtab.config.loading import Loaded
from trimtab.core.clock import to_micros
from trimtab.db.engine import Connection
from trimtab.db.tables import delivery
from trimtab.loop.platform import Platform
from trimtab.remediation.decision_store import policy_in_force
from trimtab.remediation.pause import pauses_in_force
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.proposal import Proposal, Standing
from trimtab.remediation.requests import RequestContext

__all__ = ["note_policy", "standing_beside"]

_DAY = timedelta(days=1)


def standing_beside(
    connection: Connection, policy: PolicyConfig, proposal: Proposal, context: RequestContext, *, now: datetime
) -> Standing:
    """Return how things stand beside the proposal, as far as this policy asks."""
    pauses = pauses_in_force(connection, to_micros(now), model=proposal.model)
    asks = policy.limits.max_traffic_share is not None and context.endpoint is not None
    return Standing(
        paused=str(pauses[0]) if pauses else None,
        endpoint=context.endpoint,
        traffic_share=_share_of(connection, str(context.endpoint), to_micros(now - _DAY)) if asks else None,
        impossible=dict(context.impossible),
        doubted=dict(context.doubted),
    )


def note_policy(connection: Connection, platform: Platform, policy: Loaded[PolicyConfig]) -> None:
    """Audit a policy under which nothing was decided before, in the transaction of its first decision.

    The file can be edited at any time, and leaves no other trace of the rules that something was decided by.
    """
    before = policy_in_force(connection)
    if before == policy.digest:
        return
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="policy.changed",
        subject="policy",
        reason="the first decision under this policy.yaml",
        before={} if before is None else {"sha256": before},
        after={
            "sha256": policy.digest,
            "policy": policy.value.model_dump(mode="json", by_alias=True, exclude_unset=True),
        },
    )


def _share_of(connection: Connection, endpoint: str, since_us: int) -> float | None:
    """Return the part of all rows answered since a moment that ``endpoint`` answered; None when nobody answered any."""
    rows = connection.execute(
        select(delivery.c.endpoint, func.sum(delivery.c.rows))
        .where(delivery.c.kind == "records", delivery.c.received_us >= since_us, delivery.c.rows.is_not(None))
        .group_by(delivery.c.endpoint)
    ).all()
    answered = {name: int(count) for name, count in rows}
    total = sum(answered.values())
    return answered.get(endpoint, 0) / total if total else None
