"""Writes ``docs/reference/crash-table.md``: where processes are killed in tests, and what holds afterwards."""

from __future__ import annotations

from trimtab.core.crashpoints import POINTS

__all__ = ["crash_table"]

_DIES = {"records": "shipper", "training": "training job", "serving": "inference server"}


def crash_table() -> str:
    """Return the page: one row a crash point, in the order of the loop."""
    lines = [
        "# Crash table",
        "",
        "`kill -9` of any process at any moment loses no accepted record, approval or decision. At each of these "
        f"{len(POINTS)} points",
        "a real process is killed by a test, another one goes on, and what is left is read from database, lake, MLflow",
        "and audit log: every row and record once, one version a training, each decision executed once, no delivery,",
        "job, rollout or event left open, an audit chain that verifies.",
        "",
        "All of them run in CI: the two of a bucket while a process delivers to one, the others in one story that goes",
        "around the loop once, where each death meets what the one before it left. `TRIMTAB_CRASHES=each pytest",
        "tests/integration/crashes` plays the act of each point once more with that one death alone; it takes minutes,",
        "so CI leaves it out. Beside the points, CI kills the platform's processes under their",
        "supervisor while clients ask for predictions: each `prediction_id` that a client got is in the lake once.",
        "",
        "`TRIMTAB_CRASH_AT=POINT` (or `POINT#2`: the second time that it is reached) has a process die there. It is an",
        "aid for tests; unset, a point costs one comparison.",
        "",
        "| point | dies | what has happened | what holds after the restart | in CI |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{point.name}` | {_DIES.get(point.room, 'control plane')} | {point.before} | {point.after} | yes |"
        for point in POINTS
    ]
    return "\n".join(lines)
