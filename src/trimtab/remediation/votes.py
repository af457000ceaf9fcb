"""Whose word counts for a request, and whether enough people have agreed. One person is one, however many keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["PARTS_OF_OURS", "SOMEBODY_HERE", "Tally", "Via", "Vote", "Word", "counted", "tally", "why_not_counted"]

SOMEBODY_HERE = "local-admin"
"""The owner of the key that ``trimtab up`` makes, until an admin says who that is: it may be any of the others."""

PARTS_OF_OURS = frozenset({"alertmanager", "conductor", "link", "policy", "simulation", "trigger", "trimtab"})
"""Names that the audit log gives to parts of the platform: no key has one of them, and none is a person."""


class Word(StrEnum):
    """What somebody said about a request."""

    APPROVE = "approve"
    REJECT = "reject"
    COMMENT = "comment"


class Via(StrEnum):
    """By what way it was said."""

    API = "api"
    LINK = "link"
    EARLIER = "earlier"
    """By agreeing to something that covers this, too."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What ``owner``, a person, said about a request; ``actor`` is the key they used."""

    id: str
    action_id: str
    owner: str
    actor: str
    word: Word
    at_us: int
    via: Via = Via.API
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Who has agreed so far, and how many have to."""

    agreed: tuple[str, ...]
    needed: int

    @property
    def count(self) -> int:
        """How many people that is: one who may be any of the others is no further one beside them."""
        known = set(self.agreed) - {SOMEBODY_HERE}
        return max(len(known), len(self.agreed[:1]))

    @property
    def is_enough(self) -> bool:
        """Whether nobody more is needed."""
        return self.count >= self.needed


def why_not_counted(voter: str, asker: str | None, approvers: Collection[str]) -> str | None:
    """Return why ``voter`` cannot agree to what ``asker`` wants, None where they can.

    ``approvers`` are the people who could agree, by owner. Nobody agrees to their own wish while there is another of
    them. Whoever is somebody at this machine may be the asker: they agree only where the asker could, too.

    >>> why_not_counted("ann", "ann", {"ann", "bob"})
    'ann asked for it and cannot agree to it; ask bob'
    >>> why_not_counted("ann", "ann", {"ann"}) is None
    True
    """
    if asker is None:
        return None
    others = sorted(set(approvers) - {voter, asker, SOMEBODY_HERE})
    if not others:
        return None
    if voter == asker:
        return f"{voter} asked for it and cannot agree to it; ask {_listed(others)}"
    if voter == SOMEBODY_HERE:
        return (
            f"{voter} may be {asker}, who asked for it, and cannot agree to it; ask {_listed(others)}, or have an "
            f"admin say whose the key is: trimtab keys owner {SOMEBODY_HERE} PERSON"
        )
    return None


def counted(votes: Sequence[Vote], asker: str | None, approvers: Collection[str]) -> list[Vote]:
    """Return the votes whose owners could still say the same: they hold a key that may agree, and it is not their wish.

    Whoever lost their key or role since has no say in what happens now; what they said is still told.
    """
    return [vote for vote in votes if vote.owner in approvers and why_not_counted(vote.owner, asker, approvers) is None]


def tally(votes: Sequence[Vote], needed: int) -> Tally:
    """Count those who agreed, each once, in the order in which they did."""
    return Tally(tuple(dict.fromkeys(vote.owner for vote in votes if vote.word is Word.APPROVE)), needed)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} or one of {len(names) - 3} more"
