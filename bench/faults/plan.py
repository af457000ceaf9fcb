"""What a fault does, as values: to the rows, to the answers' times and failures, to versions, alerts and trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
from bench.faults.releases import Alteration

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity

__all__ = ["USUAL_MS", "Notice", "Plan"]

USUAL_MS = 12.0
"""How long an answer takes where nothing is wrong, as the simulated server says."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert of somebody else, which fires while the fault lasts.

    ``labels`` are what its sender put on it; ``model``: it names ours.
    """

    name: str
    labels: dict[str, str]
    severity: Severity
    model: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A fault whose parameters are drawn. What is left out stays as it is.

    ``rows`` changes the rows of the whole time. ``latency_ms`` and ``failing_share`` are asked with the moment and the
    version that answers. ``releases``: a version goes out when the fault begins, the first one with
    ``alteration``. ``training``:
    one is asked for, and whatever trains dies while the fault lasts. ``retrain``: other conditions from then on.
    ``columns`` are those that a diagnosis should name; ``drawn`` says what was drawn.
    """

    drawn: str
    columns: frozenset[str] = frozenset()
    rows: Callable[[pa.Table], pa.Table] = lambda rows: rows
    latency_ms: Callable[[int, int], float] = lambda _at_us, _version: USUAL_MS
    failing_share: Callable[[int, int], float] = lambda _at_us, _version: 0.0
    releases: bool = False
    alteration: Alteration | None = None
    notices: tuple[Notice, ...] = ()
    training: bool = False
    retrain: JsonObject = field(default_factory=dict)
