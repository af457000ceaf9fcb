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
    CANARY = "canary"
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


@dataclass(frozen=True, slots=True)
class Move:
    """One legal transition, and what causes it."""

    source: Phase
    target: Phase
    cause: str


def _moves() -> tuple[Move, ...]:
    staging, smoke, canary = Phase.STAGING, Phase.SMOKE, Phase.CANARY
    paused, waiting = Phase.PAUSED, Phase.WAITING_FOR_PERSON
    promoted, rolled_back, failed = Phase.PROMOTED, Phase.ROLLED_BACK, Phase.FAILED
    return (
        Move(staging, smoke, "candidate loaded"),
        Move(staging, failed, "candidate does not load"),
        Move(smoke, canary, "golden rows agree"),
        Move(smoke, promoted, "golden rows agree; first version, or strategy recreate"),
        Move(smoke, failed, "golden rows differ"),
        Move(canary, canary, "verdict ok: next weight"),
        Move(canary, promoted, "verdict ok after the last step, or by a person"),
        Move(canary, rolled_back, "limit breached, or aborted"),
        *(Move(stage, paused, "paused") for stage in (staging, smoke, canary)),
        *(Move(stage, waiting, "inconclusive for too long") for stage in (staging, smoke, canary)),
        *(Move(held, stage, "resumed") for held in (paused, waiting) for stage in (staging, smoke, canary)),
        *(Move(held, promoted, "promoted by a person") for held in (paused, waiting)),
        *(Move(held, rolled_back, "limit breached, or aborted") for held in (paused, waiting)),
        *(Move(stage, rolled_back, "aborted") for stage in (staging, smoke)),
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
