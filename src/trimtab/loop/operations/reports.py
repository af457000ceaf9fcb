"""Reports: list them."""

from __future__ import annotations

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Limited
from trimtab.reports.store import reports


@operation("reports.list", "GET", "/api/reports", Role.VIEWER, Limited)
def list_reports(platform: Platform, _actor: Actor, request: Limited) -> JsonObject:
    """List the newest reports, newest first."""
    with platform.database.reading() as connection:
        found = reports(connection, limit=request.limit)
    return {
        "reports": [
            {"kind": one.kind.value, "subject": one.subject, "path": str(one.path), "at_us": one.at_us} for one in found
        ]
    }
