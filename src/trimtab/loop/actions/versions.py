"""The action by which people say that a version may serve."""

from __future__ import annotations

from typing import ClassVar

from trimtab.db.engine import Connection
from trimtab.loop.actions.base import AtOnce, Began
from trimtab.loop.platform import Platform
from trimtab.loop.releases import decide_version
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind

__all__ = ["ApproveVersion"]


class ApproveVersion(AtOnce):
    """Approves a version, so that it may be deployed."""

    kind: ClassVar[ActionKind] = ActionKind.APPROVE_VERSION

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Store the approval; a version that was approved meanwhile stays so.

        Raises:
            IllegalTransitionError: it was rejected.
        """
        number = int(request.params["number"])
        by = request.decided_by or request.requested_by
        reason = str(request.params.get("reason", request.reason))
        decide_version(connection, platform, request.model, number, approved=True, by=by, reason=reason)
        return Began(f"version {number} is approved", {"number": number})
