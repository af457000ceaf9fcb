"""Which versions an endpoint can go back to: those that were promoted on it, in the order in which they fell away."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, select

from trimtab.db.engine import Connection
from trimtab.db.tables import action_request, endpoint_history
from trimtab.db.tables import rollout as rollout_table
from trimtab.rollout.phases import Phase

__all__ = ["came_back", "promoted_versions", "reinstatements", "way_back", "went_back"]

_BACK = "roll_back"


def promoted_versions(connection: Connection, endpoint: str) -> list[int]:
    """Return the version that each promotion on ``endpoint`` was of, oldest first; one may stand there repeatedly.

    They are in the order of the endpoint's generations: a clock that is set back must not turn them round. Those that
    are older than what tells which generations were theirs come first.
    """
    return [number for number, _ in _promotions(connection, endpoint)]


def reinstatements(connection: Connection, endpoint: str) -> frozenset[int]:
    """Return the places among `promoted_versions` of those that went forth to a version that had served before."""
    kinds = [kind for _, kind in _promotions(connection, endpoint)]
    return frozenset(place for place, kind in enumerate(kinds) if kind == "reinstate")


def came_back(connection: Connection, endpoint: str) -> bool:
    """Return whether what was promoted last on ``endpoint`` was gone back to."""
    promotions = _promotions(connection, endpoint)
    return bool(promotions) and promotions[-1][1] == _BACK


def went_back(connection: Connection, endpoint: str) -> frozenset[str]:
    """Return the ids of the rollouts on ``endpoint`` that went back to a version: none of them released one."""
    query = (
        select(rollout_table.c.id)
        .join(action_request, action_request.c.id == rollout_table.c.action_id)
        .where(rollout_table.c.endpoint == endpoint, action_request.c.kind == _BACK)
    )
    return frozenset(connection.execute(query).scalars())


def _promotions(connection: Connection, endpoint: str) -> list[tuple[int, str | None]]:
    """Return version and kind of action of each promotion, oldest first."""
    latest = (
        select(endpoint_history.c.rollout_id, func.max(endpoint_history.c.generation).label("generation"))
        .where(endpoint_history.c.endpoint == endpoint)
        .group_by(endpoint_history.c.rollout_id)
        .subquery()
    )
    query = (
        select(rollout_table.c.candidate, action_request.c.kind)
        .join(latest, latest.c.rollout_id == rollout_table.c.id, isouter=True)
        .join(action_request, action_request.c.id == rollout_table.c.action_id, isouter=True)
        .where(rollout_table.c.endpoint == endpoint, rollout_table.c.phase == Phase.PROMOTED.value)
        .order_by(
            func.coalesce(latest.c.generation, 0),
            rollout_table.c.finished_us,
            rollout_table.c.started_us,
            rollout_table.c.id,
        )
    )
    return [(int(row.candidate), row.kind) for row in connection.execute(query)]


def way_back(promoted: Sequence[int], forth: Collection[int] = ()) -> list[int]:
    """Return the versions below the one that serves, the nearest first, given all promotions, oldest first.

    Going back to a version takes those off that came after it: a second rollback goes further back, and not forth to
    the version that the first one left. At the places ``forth`` a version did not go back but was chosen anew, so that
    what it replaced is what lies below it.

    >>> way_back([1, 2, 3]), way_back([1, 2, 3, 2]), way_back([1, 2, 3, 2, 4]), way_back([])
    ([2, 1], [1], [2, 1], [])
    >>> way_back([1, 2, 3, 2], forth={3})
    [3, 1]
    """
    standing: list[int] = []
    for place, number in enumerate(promoted):
        if number in standing:
            if place in forth:
                standing.remove(number)
            else:
                del standing[standing.index(number) :]
        standing.append(number)
    return standing[-2::-1]
