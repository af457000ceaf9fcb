"""Holds the whole log against all its checkpoints and their signatures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from trimtab.audit.checkpoint import Checkpoint
from trimtab.audit.key_chain import KEY_SUBJECT, KeyChain, KeyNotice, notice_of, stored_notices
from trimtab.audit.keys import PublicKey
from trimtab.audit.signing import CheckpointFile, Seal, judge
from trimtab.audit.walk import BEGINNING, Place, Problem, Walked, contradictions, walk
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry

__all__ = ["Verified", "verify_log"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of log and checkpoints.

    ``start``: after which entry was read. ``end``: the last entry that is whole. ``problems``: what is wrong, that of
    the earliest entry first. ``witnesses``: checkpoints that agree with the log; ``signed``: how many of them are
    signed, ``newest``: the farthest. ``notices``: the keys that the log names, and ``unvouched`` those that the key
    before did not sign for.
    """

    start: Place
    end: Place
    problems: tuple[Problem, ...]
    witnesses: int
    signed: int
    newest: Checkpoint | None
    notices: tuple[KeyNotice, ...]
    unvouched: tuple[KeyNotice, ...]


def verify_log(
    connection: Connection,
    files: Sequence[CheckpointFile],
    *,
    trusted: Collection[PublicKey] = (),
    checkpoints: Sequence[Checkpoint] = (),
    since_last: bool = False,
) -> Verified:
    """Read the log once and say what does not fit: entries, head, checkpoints, signatures.

    Args:
        connection: where the log is.
        files: checkpoints with their signatures, the farthest last.
        trusted: public keys that somebody knows from elsewhere: then each checkpoint since there was a key must be
            signed by one of them, or by one that they vouch for.
        checkpoints: what somebody wrote down elsewhere; they need no signature.
        since_last: read only what came after the farthest checkpoint that is signed rightly; what is before it is
            taken as that checkpoint saw it.

    Raises:
        NotFoundError: ``since_last``, and there is no such checkpoint.
    """
    start = _last_signed(connection, files, trusted) if since_last else BEGINNING
    wanted = {file.sequence for file in files} | {checkpoint.sequence for checkpoint in checkpoints}
    walked = walk(connection, start=start, wanted=wanted, subject=KEY_SUBJECT)
    earlier = (
        [notice for notice in stored_notices(connection) if notice.sequence <= start.sequence] if since_last else []
    )
    read = [notice for entry in walked.picked if (notice := notice_of(entry)) is not None]
    chain = KeyChain([*earlier, *read], trusted)
    # Of what lies beyond a fault nothing is known, the keys neither.
    end = walked.end.sequence if walked.problem is not None else max(wanted, default=0)
    seals = [seal for seal in judge(files, chain, needs_trust=bool(trusted)) if start.sequence <= seal.sequence <= end]
    return _verified(start, walked, seals, checkpoints, chain)


def _last_signed(connection: Connection, files: Sequence[CheckpointFile], trusted: Collection[PublicKey]) -> Place:
    """Return where the farthest checkpoint stands that is signed rightly; the beginning if the log contradicts it."""
    seals = judge(files, KeyChain(stored_notices(connection), trusted), needs_trust=bool(trusted))
    signed = [seal.checkpoint for seal in seals if seal.checkpoint and seal.signed_by and seal.fault is None]
    if not signed:
        raise NotFoundError("audit log: no checkpoint is signed rightly, expected one to go on from; read it all")
    last = signed[-1]
    query = select(audit_entry.c.sequence).where(
        audit_entry.c.sequence == last.sequence, audit_entry.c.hash == last.hash
    )
    return BEGINNING if connection.execute(query).first() is None else Place(last.sequence, last.hash)


def _verified(
    start: Place, walked: Walked, seals: Sequence[Seal], checkpoints: Sequence[Checkpoint], chain: KeyChain
) -> Verified:
    believed = [seal.checkpoint for seal in seals if seal.checkpoint is not None and seal.fault is None]
    agree = [one for one in believed if walked.hashes.get(one.sequence) == one.hash]
    signed = [one for one in agree if one.key_id is not None]
    problems = [] if walked.problem is None else [walked.problem]
    problems += contradictions(walked, [*believed, *checkpoints])
    problems += [
        Problem(seal.sequence, seal.fault, only_unvouched=seal.only_unvouched)
        for seal in seals
        if seal.fault is not None
    ]
    if chain.has_trusted and not any(chain.is_trusted(one.key_id or "") for one in signed):
        problems.append(
            Problem(
                start.sequence + 1,
                "no checkpoint that agrees with the log is signed by a trusted key",
                only_unvouched=True,
            )
        )
    return Verified(
        start=start,
        end=walked.end,
        problems=tuple(sorted(problems, key=lambda problem: problem.sequence)),
        witnesses=len(agree),
        signed=len(signed),
        newest=agree[-1] if agree else None,
        notices=chain.notices,
        unvouched=chain.unvouched(),
    )
