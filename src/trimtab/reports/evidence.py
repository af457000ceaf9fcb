"""What reports of every kind show alike: a timeline, and the proof that the log behind it is whole."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.core.wording import counted

__all__ = ["AuditProof", "TimelineEntry"]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened: when (microseconds UTC), who did it, what, and why."""

    at_us: int
    actor: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class AuditProof:
    """Which entries of the audit log tell of this, and the head of the chain when the report was written.

    ``verified`` is None when nobody verified the chain for this report. ``signed``: how many signed checkpoints agree
    with it. Without any it was only found consistent in itself, as a chain is whose end was cut off, or that somebody
    computed anew as a whole.
    """

    sequences: tuple[int, ...]
    head_sequence: int
    head_hash: str
    verified: bool | None = None
    signed: int = 0

    @property
    def verdict(self) -> str:
        """What was found of the chain, to be put after 'it'.

        >>> AuditProof((), head_sequence=9, head_hash="", verified=True, signed=2).verdict
        'agrees with 2 signed checkpoints'
        """
        if self.verified is None:
            return "was not verified"
        if not self.verified:
            return "DID NOT VERIFY"
        if self.signed:
            return f"agrees with {counted(self.signed, 'signed checkpoint')}"
        return "is consistent in itself, and no signed checkpoint stands behind it"

    @property
    def ranges(self) -> str:
        """The sequence numbers, consecutive ones joined.

        >>> AuditProof(sequences=(7, 3, 4, 5), head_sequence=9, head_hash="").ranges
        '3–5, 7'
        """
        spans: list[list[int]] = []
        for number in sorted(set(self.sequences)):
            if spans and number == spans[-1][1] + 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in spans)
