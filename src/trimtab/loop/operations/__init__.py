"""Everything that can be asked of the control plane, one file a subject. Importing this fills the table."""

from trimtab.loop.operations import (
    approvals,
    audit,
    data,
    deployment,
    events,
    following,
    incidents,
    intake,
    keys,
    monitoring,
    reports,
    status,
    training,
    truths,
    versions,
)

__all__ = [
    "approvals",
    "audit",
    "data",
    "deployment",
    "events",
    "following",
    "incidents",
    "intake",
    "keys",
    "monitoring",
    "reports",
    "status",
    "training",
    "truths",
    "versions",
]
