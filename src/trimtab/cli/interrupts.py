"""What Ctrl-C leaves behind, said before a command that waits is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trimtab.cli.output import errors_console

__all__ = ["left_behind"]


@contextmanager
def left_behind(told: str | Callable[[], str]) -> Iterator[None]:
    """Say ``told``, or what it answers then, when Ctrl-C ends the waiting in the block; let it end the command."""
    try:
        yield
    except KeyboardInterrupt:
        errors_console.print(told if isinstance(told, str) else told(), markup=False, soft_wrap=True)
        raise
