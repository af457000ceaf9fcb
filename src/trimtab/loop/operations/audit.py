"""The audit log: show and verify."""

from __future__ import annotations

import dataclasses
from typing import Self

from pydantic import Field, model_validator

from trimtab.audit import log
from trimtab.audit.checkpoint import Checkpoint, newest_checkpoint
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform


class ShowAudit(Strict):
    """Which entries."""

    subject: str | None = Field(
        default=None,
        max_length=200,
        description="Of this one; ending in ':' or '/' it stands for all below.",
    )
    actor: str | None = Field(default=None, max_length=128, description="Only what this actor did.")
    limit: int = Field(default=100, ge=1, le=1000, description="How many of the newest.")


class VerifyAudit(Strict):
    """A checkpoint taken before, to find a cut tail as well; without one, the newest that lies in the lake."""

    sequence: int | None = Field(default=None, ge=0, le=2**63 - 1, description="The checkpoint's sequence.")
    hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Its hash.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.sequence is None) != (self.hash is None):
            raise ValueError("a checkpoint is a sequence and a hash; pass both, or neither for the newest in the lake")
        return self


@operation("audit.show", "GET", "/api/audit", Role.VIEWER, ShowAudit)
def show_audit(platform: Platform, _actor: Actor, request: ShowAudit) -> JsonObject:
    """Return the newest audit entries, oldest first."""
    with platform.database.reading() as connection:
        entries = log.show(connection, subject=request.subject, actor=request.actor, limit=request.limit)
    return {"entries": [dataclasses.asdict(entry) for entry in entries]}


@operation("audit.verify", "GET", "/api/audit/verify", Role.VIEWER, VerifyAudit)
def verify_audit(platform: Platform, _actor: Actor, request: VerifyAudit) -> JsonObject:
    """Check the audit chain, and say where it breaks if it does."""
    checkpoint = (
        Checkpoint(sequence=request.sequence, hash=request.hash, at_us=platform.now_us())
        if request.sequence is not None and request.hash is not None
        else newest_checkpoint(platform.lake.newest_checkpoints())
    )
    with platform.database.reading() as connection:
        found = log.verify(connection, checkpoint=checkpoint)
        head = log.checkpoint_now(connection, at_us=platform.now_us()) if found.ok else None
    problem = None if found.problem is None else {"sequence": found.problem.sequence, "what": found.problem.what}
    return {
        "ok": found.ok,
        "entries": found.entries,
        "problem": problem,
        "head": None if head is None else {"sequence": head.sequence, "hash": head.hash},
    }
