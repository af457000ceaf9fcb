"""Keeps the small processes small."""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["keep_out"]


def keep_out(*packages: str) -> None:
    """Make the import of ``packages`` fail in this process from now on; one that somebody has imported already stays.

    Some libraries import what they can do without, as soon as it is installed: Arrow imports pandas when it meets a
    Python list (0.8 s, 60 MB), structlog imports rich (0.1 s). Call it first thing in a process of one's own, never in
    a library.
    """
    wanted = frozenset(name for name in packages if name not in sys.modules)
    if wanted:
        # Not `sys.modules["pandas"] = None`: compiled code takes that None for the module.
        sys.meta_path.insert(0, _Absent(wanted))


class _Absent(importlib.abc.MetaPathFinder):
    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._packages:
            raise ModuleNotFoundError(f"{fullname} is kept out of this process", name=fullname)
        return None
