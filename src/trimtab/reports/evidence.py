"""What reports of every kind show alike: a timeline, and the proof that the log behind it is whole."""

from __future__ import annotations

from dataclasses import dataclass

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

    ``verified`` is None when nobody verified the chain for this report.
    """

    sequences: tuple[int, ...]
    head_sequence: int
    head_hash: str
    verified: bool | None = None

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
