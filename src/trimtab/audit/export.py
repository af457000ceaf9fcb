"""The log as files that anybody can verify, with or without Trimtab."""

from __future__ import annotations

from importlib import resources
from typing import Final

from trimtab.core.canonical import JsonObject, canonical_json

__all__ = ["CHECKER", "checker", "line_of"]

CHECKER: Final = "check.py"
"""What the program is called that lies beside an export."""


def line_of(entry: JsonObject) -> bytes:
    """Return the line of an exported ``entry``, which has all fields of an `AuditEntry`.

    What was hashed stands in it as it was hashed: between ``{"entry":`` and ``,"hash":``.
    """
    hashed = canonical_json({name: value for name, value in entry.items() if name != "hash"})
    return f'{{"entry":{hashed},"hash":"{entry["hash"]}"}}\n'.encode()


def checker() -> bytes:
    """Return the program that verifies an export."""
    return resources.files("trimtab.audit").joinpath("check_export.py").read_bytes()
