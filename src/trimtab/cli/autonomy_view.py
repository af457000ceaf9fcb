"""How the command line tells what keeps the platform from acting by itself."""

from __future__ import annotations

from trimtab.cli.output import when
from trimtab.core.canonical import JsonObject

__all__ = ["told_of"]


def told_of(autonomy: JsonObject) -> list[str]:
    """Return a line for each thing that keeps anything from running by itself now; none where nothing does."""
    lines = []
    if autonomy["on"] is None:
        lines.append("autonomy: policy.yaml cannot be read, so that nothing is decided; run trimtab validate")
    elif not autonomy["on"]:
        lines.append("autonomy: switched off in policy.yaml; what would run by itself waits for approval")
    for one in autonomy["pauses"]:
        where = one["model"] or "all models"
        lines.append(
            f"autonomy: paused for {where} until {when(one['until_us'])} UTC by {one['actor']}: {one['reason']}"
        )
    lines += [f"autonomy: quiet hours, {one}" for one in autonomy["quiet_hours"]]
    return lines
