"""Keeps the small processes small."""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["keep_pandas_out"]


def keep_pandas_out() -> None:
    """Make ``import pandas`` fail in this process from now on, if nobody has imported it yet.

    Arrow imports pandas, where it is installed, as soon as it meets a Python list: 0.8 s and 60 MB that server and
    shipper have no use for. Call it first thing in a process of one's own, never in a library.
    """
    if "pandas" not in sys.modules:
        # Not `sys.modules["pandas"] = None`: compiled code takes that None for the module.
        sys.meta_path.insert(0, _NoPandas())


class _NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name=fullname)
        return None
