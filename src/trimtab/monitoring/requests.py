"""What an inference server counted of the requests that a variant was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["RequestCounts"]


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests of one variant and version until ``at_us``, since its server began to count.

    ``answered`` with 2xx, ``refused`` with 4xx, ``failed`` with 5xx. ``refused_by_column``: of the refused those for
    which one feature can be named, each once, by the first that did not fit.
    """

    at_us: int
    answered: int
    refused: int
    failed: int
    refused_by_column: Mapping[str, int] = field(default_factory=dict)
