"""The page of the events and of who hears of them."""

from __future__ import annotations

from docs.generators.markdown import code, listed, plain, table

from trimtab.loop.lanes import DECISIONS, LANE_OF
from trimtab.loop.subscriptions import HANDLERS, SUBSCRIPTIONS

__all__ = ["events"]


def events() -> str:
    """Return the page: each event and subscriber."""
    lines = [
        "# Events, and who hears of them",
        "",
        "An event is a row, written in the transaction of the change that it tells of. There is one delivery row for",
        "each event and subscriber, tried again with growing pauses. To one subscriber, events of one aggregate keep",
        "their order.",
        "",
        *table(("event", "subscribers"), ((code(kind), listed(who)) for kind, who in SUBSCRIPTIONS.items())),
        "## Subscribers",
        "",
    ]
    rows = (
        (code(name), code(LANE_OF.get(name, DECISIONS)), plain((handler.__doc__ or "").strip().splitlines()[0]))
        for name, handler in HANDLERS.items()
    )
    return "\n".join([*lines, *table(("subscriber", "lane", "what it does"), rows)])
