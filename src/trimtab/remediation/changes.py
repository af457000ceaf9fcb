"""What a request would change, value by value, as whoever agrees to it reads it."""

from __future__ import annotations

from trimtab.core.canonical import JsonObject
from trimtab.remediation.actions import ActionRequest

__all__ = ["changes_in_words", "changes_of"]


def changes_of(request: ActionRequest) -> list[JsonObject]:
    """Return the values that a request would write into a file: its ``file``, the ``path``, ``old`` and ``new`` text.

    ``old`` is what stood there when it was asked for, None where that was not kept. Empty for what changes no values.
    """
    told = request.params.get("changes")
    if told is None:
        told = [{"path": path, "old": None, "new": str(value)} for path, value in request.params.get("set", {}).items()]
    return [{"file": str(request.params.get("file", "")), **one} for one in told]


def changes_in_words(request: ActionRequest) -> list[str]:
    """Return a line for each value: ``monitoring_config.yaml: monitors.0.limits.f1: 0.6 → 0.5``."""
    return [
        f"{one['file']}: {one['path']}: {'?' if one['old'] is None else one['old']} → {one['new']}"
        for one in changes_of(request)
    ]
