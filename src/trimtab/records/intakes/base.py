"""The port of an intake, and its contract."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Intake"]


class Intake(Protocol):
    """Takes segments towards the lake.

    - `put` returns when the segment is kept: neither side's death nor a power cut takes it back. Before that the sender
      keeps what it was made of.
    - Idempotent by the segment's id: a repetition with the same bytes has the effect of none.
    - Order is not promised. One caller at a time.
    """

    @property
    def where(self) -> str:
        """The place, in words for a person; never with credentials."""

    def put(self, segment_id: str, content: bytes) -> None:
        """Hand over a segment: ``content`` is an Arrow IPC file.

        Raises:
            BackendError: the intake cannot be reached, has no room, or does not take it; it may be tried again.
            OSError: the local disk failed.
        """

    def close(self) -> None:
        """Let go of connections."""
