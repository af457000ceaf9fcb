"""What was new in blocks, in a few numbers that can be kept and drawn: sums by generation and segment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trimtab.rollout.block import LARGEST_LOSS, Block, Tally

__all__ = ["News", "news_of", "together"]

News = list[dict[str, Any]]
"""One entry for each generation, segment and probability: counts by version, and of losses their number and sum."""

_PLACE = ("generation", "segment", "probability")


def news_of(blocks: Iterable[Block]) -> News:
    """Return what the blocks say, as JSON values."""
    return together([], [_news(block) for block in blocks])


def together(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> News:
    """Return both as one: what is of the same place is added up.

    >>> one = {"generation": 2, "segment": 0, "probability": 0.1, "pairs": {"mae": 3}}
    >>> together([one], [one])
    [{'generation': 2, 'segment': 0, 'probability': 0.1, 'pairs': {'mae': 6}}]
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in (*before, *after):
        place = tuple(entry[name] for name in _PLACE)
        added = _added(found.get(place, {}), entry)
        found[place] = {**added, **dict(zip(_PLACE, place, strict=True))}
    return list(found.values())


def _news(block: Block) -> dict[str, Any]:
    return {
        "generation": block.generation,
        "segment": block.segment,
        "probability": block.probability,
        "candidate": _counts(block.candidate),
        "stable": _counts(block.stable),
        "losses": {
            metric: {
                name: _summed(unit.loss for unit in units if unit.is_candidate is mine and not unit.estimated)
                for name, mine in (("candidate", True), ("stable", False))
            }
            for metric, units in block.losses.items()
        },
        "pairs": {metric: len(pairs) for metric, pairs in block.pairs.items()},
        "agreement": _summed(block.agreement),
    }


def _counts(tally: Tally) -> dict[str, int]:
    return {"drawn": tally.drawn, "failed": tally.failed, "refused": tally.refused, "requests": tally.requests}


def _summed(values: Iterable[float]) -> dict[str, float]:
    # A sum that is no number would be stored as none, and could not be added to any more.
    found = [value for value in values if abs(value) <= LARGEST_LOSS]
    return {"count": len(found), "sum": sum(found)}


def _added(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(first)
    for name, value in second.items():
        if isinstance(value, Mapping):
            found[name] = _added(found.get(name, {}), value)
        else:
            found[name] = (found.get(name) or 0) + (value or 0)
    return found
