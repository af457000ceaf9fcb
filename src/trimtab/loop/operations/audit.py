"""The audit log: show, verify, export, and the keys that sign its checkpoints."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from trimtab.audit.about import About
from trimtab.audit.checkpoint import Checkpoint
from trimtab.audit.guards import missing_guards
from trimtab.audit.index import catch_up, find, reindex
from trimtab.audit.key_chain import stored_notices
from trimtab.audit.keys import PublicKey, public_key_of
from trimtab.audit.verification import Verified, verify_log
from trimtab.audit.walk import Problem
from trimtab.config.durations import format_duration
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError
from trimtab.loop.actor import Actor
from trimtab.loop.audit_witnesses import checkpoint_files, trusted_keys
from trimtab.loop.checkpoints import renew_key
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Moment, Nothing, Reason

_MOST_PROBLEMS: Final = 50
_verifying = threading.Lock()
"""Of this process: to read a long log takes all of a core, and anybody may ask for it."""


class ShowAudit(Strict):
    """Which entries: those that are all of what is named."""

    subject: str | None = Field(
        default=None,
        max_length=200,
        description="Of this one; ending in ':' or '/' it stands for all below.",
    )
    actor: str | None = Field(default=None, max_length=128, description="Only what this actor did.")
    model: str | None = Field(default=None, max_length=200, description="About this model, and all that is its own.")
    version: str | None = Field(default=None, max_length=200, description="About this version: 'MODEL/NUMBER'.")
    endpoint: str | None = Field(default=None, max_length=200, description="About this endpoint.")
    incident: str | None = Field(default=None, max_length=200, description="About this incident, and what followed.")
    action: str | None = Field(default=None, max_length=200, description="About this action, and what it did.")
    since: Moment | None = Field(default=None, description="Of this moment or later.")
    until: Moment | None = Field(default=None, description="Of before this moment.")
    after: int | None = Field(
        default=None, ge=0, le=2**63 - 1, description="The oldest after this sequence, in place of the newest."
    )
    limit: int = Field(default=100, ge=1, le=1000, description="How many.")


class VerifyAudit(Strict):
    """What else somebody knows of the log; the checkpoints in the lake are always asked."""

    sequence: int | None = Field(default=None, ge=0, le=2**63 - 1, description="A checkpoint's sequence.")
    hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Its hash.")
    trusted_keys: tuple[str, ...] = Field(
        default=(),
        max_length=8,
        description="Public keys (PEM) that count, in place of `audit.trusted_keys` of the project.",
    )
    since: Literal["beginning", "last"] = Field(
        default="beginning",
        description="'last': go on from the farthest checkpoint that is signed, and believe it about what is before.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.sequence is None) != (self.hash is None):
            raise ValueError("a checkpoint is a sequence and a hash; pass both, or neither for those in the lake")
        return self


class ListCheckpoints(Strict):
    """Which checkpoints."""

    after: int = Field(default=0, ge=0, le=2**63 - 1, description="The first after this sequence.")
    limit: int = Field(default=100, ge=1, le=1000, description="How many.")


class RenewKey(Strict):
    """Why another key shall sign."""

    reason: Reason


@operation("audit.show", "GET", "/api/audit", Role.VIEWER, ShowAudit)
def show_audit(platform: Platform, _actor: Actor, request: ShowAudit) -> JsonObject:
    """Return the newest audit entries, oldest first."""
    asked = {kind: getattr(request, kind.value, None) for kind in About}
    told = {kind: value for kind, value in asked.items() if isinstance(value, str)}
    if told or request.since or request.until:
        catch_up(platform.database)
    with platform.database.reading() as connection:
        entries = find(
            connection,
            told,
            subject=request.subject,
            since_us=None if request.since is None else to_micros(request.since),
            until_us=None if request.until is None else to_micros(request.until),
            after=request.after,
            limit=request.limit,
        )
    # Behind the newest there is nothing: whoever wants all of them begins with ``after=0``.
    goes_on = request.after is not None and len(entries) == request.limit
    return {
        "entries": [dataclasses.asdict(entry) for entry in entries],
        "next": entries[-1].sequence if goes_on else None,
    }


@operation("audit.verify", "GET", "/api/audit/verify", Role.VIEWER, VerifyAudit)
def verify_audit(platform: Platform, _actor: Actor, request: VerifyAudit) -> JsonObject:
    """Check the audit log against its checkpoints, and say where it breaks if it does."""
    trusted = _trusted(platform, request.trusted_keys)
    known = (
        [Checkpoint(sequence=request.sequence, hash=request.hash, at_us=platform.now_us())]
        if request.sequence is not None and request.hash is not None
        else []
    )
    if not _verifying.acquire(blocking=False):
        raise ConflictError("audit log: it is being verified already, expected one at a time; ask again in a moment")
    try:
        files = checkpoint_files(platform)
        with platform.database.reading() as connection:
            found = verify_log(
                connection, files, trusted=trusted, checkpoints=known, since_last=request.since == "last"
            )
            missing = missing_guards(connection)
    finally:
        _verifying.release()
    keep = format_duration(platform.project.config.audit.keep)
    return {**_told(found, len(files), trusted), "guards_missing": missing, "keep": keep}


@operation("audit.checkpoints", "GET", "/api/audit/checkpoints", Role.VIEWER, ListCheckpoints)
def list_checkpoints(platform: Platform, _actor: Actor, request: ListCheckpoints) -> JsonObject:
    """Return checkpoints with their signatures as they lie in the lake, the earliest first."""
    found = [file for file in checkpoint_files(platform) if file.sequence > request.after][: request.limit]
    return {
        "checkpoints": [
            {
                "name": Path(file.name).name,
                "sequence": file.sequence,
                "content": file.content.decode(errors="replace"),
                "signature": None if file.signature is None else file.signature.hex(),
            }
            for file in found
        ],
        "next": found[-1].sequence if len(found) == request.limit else None,
    }


@operation("audit.keys", "GET", "/api/audit/keys", Role.VIEWER, Nothing)
def list_keys(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """Return the public keys that the log names, the one that signs last."""
    with platform.database.reading() as connection:
        notices = stored_notices(connection)
    return {
        "keys": [
            {"key_id": notice.key.id, "since_sequence": notice.sequence, "pem": notice.key.pem} for notice in notices
        ]
    }


@operation("audit.renew", "POST", "/api/audit/keys/renew", Role.ADMIN, RenewKey)
def renew_audit_key(platform: Platform, actor: Actor, request: RenewKey) -> JsonObject:
    """Have a new key sign checkpoints from now on; the one so far vouches for it, and is removed."""
    notice = renew_key(platform, by=actor.name, reason=request.reason)
    return {"key_id": notice.key.id, "since_sequence": notice.sequence, "before": notice.before, "pem": notice.key.pem}


@operation("audit.reindex", "POST", "/api/audit/reindex", Role.ADMIN, Nothing)
def reindex_audit(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """Make the index of what entries are about anew, from the entries."""
    return {"entries": reindex(platform.database)}


def _trusted(platform: Platform, given: tuple[str, ...]) -> list[PublicKey]:
    if given:
        return [public_key_of(text, where=f"trusted_keys.{number}") for number, text in enumerate(given)]
    return trusted_keys(platform)


def _told(found: Verified, files: int, trusted: list[PublicKey]) -> JsonObject:
    problems = [_problem(problem) for problem in found.problems[:_MOST_PROBLEMS]]
    whole = not found.problems
    return {
        "ok": whole,
        "entries": found.end.sequence,
        "read_from": found.start.sequence + 1,
        "problem": problems[0] if problems else None,
        "problems": problems,
        "head": {"sequence": found.end.sequence, "hash": found.end.hash} if whole else None,
        "checkpoints": {
            "found": files,
            "agree": found.witnesses,
            "signed": found.signed,
            "newest": None if found.newest is None else found.newest.sequence,
        },
        "keys": [
            {"key_id": notice.key.id, "since_sequence": notice.sequence, "vouched": notice not in found.unvouched}
            for notice in found.notices
        ],
        "trusted": [key.id for key in trusted],
    }


def _problem(problem: Problem) -> JsonObject:
    return dataclasses.asdict(problem)
