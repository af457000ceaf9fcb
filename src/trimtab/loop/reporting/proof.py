"""What a report says of the audit log behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from trimtab.audit import log as audit
from trimtab.audit.keys import PublicKey
from trimtab.audit.signing import CheckpointFile
from trimtab.audit.verification import verify_log
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry
from trimtab.loop.audit_witnesses import checkpoint_files, trusted_keys
from trimtab.loop.platform import Platform
from trimtab.reports.evidence import AuditProof

__all__ = ["Witnesses", "proof_of", "witnesses_of"]

_MOST_VERIFIED: Final = 50_000
"""Entries: some seconds' walk. A report is written within the time that a delivery may take."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What the log is held against: checkpoints, the farthest last, and the keys that must have signed if any are."""

    files: Sequence[CheckpointFile]
    trusted: Sequence[PublicKey]


def witnesses_of(platform: Platform) -> Witnesses | None:
    """Return what the log can be held against, read before the log is; None if it cannot be read.

    A report is made all the same: it says that nobody verified the chain for it.
    """
    try:
        return Witnesses(checkpoint_files(platform), trusted_keys(platform))
    except (OSError, TrimtabError):
        return None


def proof_of(connection: Connection, subjects: Iterable[str], witnesses: Witnesses | None) -> AuditProof:
    """Return which entries tell of ``subjects``, all of them, and whether the chain agrees with ``witnesses``.

    A chain that is too long to walk for a report is not verified.
    """
    query = select(audit_entry.c.sequence).where(audit_entry.c.subject.in_(list(subjects)))
    sequences = tuple(connection.execute(query.order_by(audit_entry.c.sequence)).scalars())
    head = audit.checkpoint_now(connection, at_us=0)
    if witnesses is None or head.sequence > _MOST_VERIFIED:
        return AuditProof(sequences, head.sequence, head.hash)
    found = verify_log(connection, witnesses.files, trusted=witnesses.trusted)
    return AuditProof(sequences, head.sequence, head.hash, verified=not found.problems, signed=found.signed)
