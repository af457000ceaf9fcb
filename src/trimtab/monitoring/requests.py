"""What an inference server counted of the requests that a variant was given."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RequestCounts"]


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests of one variant and version until ``at_us``, since its server began to count.

    ``answered`` with 2xx, ``refused`` with 4xx, ``failed`` with 5xx.
    """

    at_us: int
    answered: int
    refused: int
    failed: int
