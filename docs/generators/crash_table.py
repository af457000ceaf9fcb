"""Writes ``docs/reference/crash-table.md``: where processes are killed in tests, and what holds afterwards."""

from __future__ import annotations

from trimtab.core.crashpoints import POINTS

__all__ = ["crash_table"]

_DIES = {"records": "shipper", "training": "training job", "serving": "inference server"}

_INTRODUCTION = """\
# Crash table

`kill -9` of any process at any moment loses no accepted record, approval or decision. At each of these {count} points
a real process is killed by a test, another one goes on, and what is left is read from database, lake, MLflow
and audit log: every row and record once, one version a training, each decision executed once, no delivery,
job, rollout or event left open, an audit chain that verifies.

All of them run in CI. One story goes around the loop once, on the embedded database and a lake in a folder:
deliveries, a training, its release, a rollback, monitors, a retraining whose better version is rolled out. At
each point a process dies, and each death meets what the one before it left. The same story, up to the version
that a training brings, is played on PostgreSQL and a bucket, with the deaths that leave something half done
in one of the two. Minutes longer, so not in CI:

- `TRIMTAB_CRASHES=each pytest tests/integration/crashes`: the act of each point once more, with that one death
  alone.
- `TRIMTAB_CRASHES=postgres pytest tests/integration/crashes`: every point, those of a bucket too, on PostgreSQL
  and a bucket.

Beside the points, CI kills the platform's processes under their supervisor while sixteen clients ask for
predictions in batches of 1 to 16 rows: inference server, shipper and control plane, in three rounds, at
moments that are drawn. Each `prediction_id` that a client got is in the lake once; a row whose client got no
answer is there once or not at all.

`TRIMTAB_CRASH_AT=POINT` (or `POINT#2`: the second time that it is reached) has a process die there. It is an
aid for tests; unset, a point costs one comparison.

| point | dies | what has happened | what holds after the restart | in CI |
|---|---|---|---|---|"""


def crash_table() -> str:
    """Return the page: one row a crash point, in the order of the loop."""
    lines = [_INTRODUCTION.format(count=len(POINTS))]
    lines += [
        f"| `{point.name}` | {_DIES.get(point.room, 'control plane')} | {point.before} | {point.after} | yes |"
        for point in POINTS
    ]
    return "\n".join(lines)
