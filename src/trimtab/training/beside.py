"""Work that goes on beside the training, and that the training can do without."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["NotesBeside"]


class NotesBeside:
    """Looks for something in a thread of its own, from the first moment.

    Whoever ends the training does not wait for it; if it fails, a note says ``missing`` and why, and the training goes
    on.
    """

    def __init__(self, look: Callable[[], tuple[str, ...]], *, missing: str) -> None:
        self._missing = missing
        self._notes: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._look, args=(look,), name="notes-beside", daemon=True)
        self._thread.start()

    def notes(self) -> tuple[str, ...]:
        """Return what was found; waits until the look is over."""
        self._thread.join()
        return self._notes

    def _look(self, look: Callable[[], tuple[str, ...]]) -> None:
        try:
            self._notes = look()
        except Exception as error:  # noqa: BLE001 - the boundary of work that nothing hangs on: it becomes a note
            reason = (str(error).splitlines() or ["no reason given"])[0][:300]
            self._notes = (f"{self._missing} ({type(error).__name__}: {reason})",)
