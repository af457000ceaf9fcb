"""Work that reads through many files, and of which a process does one at a time: whoever asks often starves nobody."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from trimtab.core.errors import BackendError

__all__ = ["OneAtATime"]

_PATIENCE_S = 2.0


class OneAtATime:
    """Lets one thread of this process do the work called ``name``; the others wait for a moment, and are told then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = threading.Lock()

    @contextlib.contextmanager
    def turn(self, *, patience_s: float = _PATIENCE_S) -> Iterator[None]:
        """Hold the turn while the work is done.

        Raises:
            BackendError: somebody else's work lasts longer than ``patience_s``.
        """
        if not self._held.acquire(timeout=patience_s):
            raise BackendError(
                f"{self._name}: one is under way, which reads many files; expected one at a time; ask again in a moment"
            )
        try:
            yield
        finally:
            self._held.release()
