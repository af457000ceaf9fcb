"""The phases of a rollout, and the one table of moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trimtab.core.errors import IllegalTransitionError

__all__ = ["MOVES", "Move", "Phase", "as_mermaid", "require_legal"]


class Phase(StrEnum):
    """Where a rollout stands."""

    STAGING = "staging"
    SMOKE = "smoke"
    SHADOW = "shadow"
    CANARY = "canary"
    SPLIT = "split"
    BAKING = "baking"
    PAUSED = "paused"
    WAITING_FOR_PERSON = "waiting_for_person"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in {Phase.PROMOTED, Phase.ROLLED_BACK, Phase.FAILED}

    @property
    def is_held(self) -> bool:
        """Whether the rollout waits for a person and moves on only by an operation (or back, by a breach)."""
        return self in {Phase.PAUSED, Phase.WAITING_FOR_PERSON}

    @property
    def has_traffic(self) -> bool:
        """Whether the candidate gets real requests, or copies of them."""
        return self in {Phase.SHADOW, Phase.CANARY, Phase.SPLIT, Phase.BAKING}


@dataclass(frozen=True, slots=True)
class Move:
    """One legal transition, and what causes it."""

    source: Phase
    target: Phase
    cause: str


_TAKEN_BACK = "limit breached, production refuses it or goes down, or aborted"


def _moves() -> tuple[Move, ...]:
    staging, smoke, shadow, canary = Phase.STAGING, Phase.SMOKE, Phase.SHADOW, Phase.CANARY
    split, baking = Phase.SPLIT, Phase.BAKING
    promoted, rolled_back, failed = Phase.PROMOTED, Phase.ROLLED_BACK, Phase.FAILED
    waiting, held = Phase.WAITING_FOR_PERSON, (Phase.PAUSED, Phase.WAITING_FOR_PERSON)
    working = (staging, smoke, shadow, canary, split, baking)
    return (
        Move(staging, smoke, "candidate loaded"),
        Move(staging, failed, "candidate does not load"),
        Move(smoke, shadow, "golden rows agree; strategy shadow"),
        Move(smoke, canary, "golden rows agree; strategy canary"),
        Move(smoke, split, "golden rows agree; strategy ab"),
        Move(smoke, baking, "golden rows agree; first version, or all traffic at once"),
        Move(smoke, failed, "golden rows differ"),
        Move(shadow, baking, "answers agree, and a bake follows"),
        Move(shadow, promoted, "answers agree, or by a person"),
        Move(shadow, rolled_back, "production refuses it or goes down, or aborted"),
        Move(canary, canary, "verdict ok: next weight"),
        Move(canary, baking, "verdict ok: 100 %"),
        Move(canary, promoted, "verdict ok after the last step, or by a person"),
        Move(split, promoted, "by a person"),
        Move(baking, promoted, "served, and verdict ok after the bake, or by a person"),
        *(Move(stage, rolled_back, _TAKEN_BACK) for stage in (canary, split, baking)),
        *(Move(stage, rolled_back, "aborted") for stage in (staging, smoke)),
        *(Move(stage, Phase.PAUSED, "paused") for stage in working),
        *(Move(stage, waiting, "inconclusive for too long") for stage in (staging, smoke)),
        *(Move(stage, waiting, "predictions have shifted, or inconclusive for too long") for stage in (canary, baking)),
        Move(shadow, waiting, "answers do not agree, or inconclusive for too long"),
        Move(split, waiting, "predictions have shifted, or its time is over"),
        *(Move(one, stage, "resumed") for one in held for stage in working),
        *(Move(one, promoted, "promoted by a person") for one in held),
        *(Move(one, rolled_back, _TAKEN_BACK) for one in held),
    )


MOVES = _moves()
"""Every legal transition. Whatever is not here cannot happen."""

_LEGAL = frozenset((move.source, move.target) for move in MOVES)


def require_legal(source: Phase, target: Phase, subject: str) -> None:
    """Return if the move stands in `MOVES`.

    Raises:
        IllegalTransitionError: it does not; the sentence names the moves that there are.
    """
    if (source, target) in _LEGAL:
        return
    possible = ", ".join(sorted({move.target for move in MOVES if move.source is source})) or "none: it is finished"
    raise IllegalTransitionError(f"{subject}: no move from {source} to {target}; possible from here: {possible}")


def as_mermaid() -> str:
    """Return the table of moves as a Mermaid state diagram, for the documentation.

    >>> print(as_mermaid().splitlines()[2].strip())
    staging --> smoke: candidate loaded
    """
    lines = ["stateDiagram-v2", "    [*] --> staging"]
    lines += [f"    {move.source} --> {move.target}: {move.cause.replace(';', ',')}" for move in MOVES]
    lines += [f"    {phase} --> [*]" for phase in Phase if phase.is_final]
    return "\n".join(lines)
