"""Which notification routes a message takes."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.config.notifications import NotificationRoute
from trimtab.notify.message import Message

__all__ = ["LOG_ROUTE", "routes_for"]

LOG_ROUTE = NotificationRoute(name="log", url="log://")
"""Where messages go when a project names no route at all."""


def routes_for(message: Message, routes: Sequence[NotificationRoute]) -> tuple[NotificationRoute, ...]:
    """Return the routes that ``message`` takes, in the order of the configuration.

    A message for a named route takes that one, whatever its severity. A name that is not configured is no reason to
    tell nobody: then, and without a name, it takes all routes whose severity it reaches, whose kinds it is of and whose
    models it is about (a message about no model reaches routes of all models only). Without any route configured it
    goes to the log.

    >>> from trimtab.core.enums import Severity
    >>> low = Message(title="t", body="", severity=Severity.LOW, dedup_key="k")
    >>> oncall = NotificationRoute(name="oncall", url="log://", min_severity=Severity.HIGH)
    >>> [route.name for route in routes_for(low, [oncall])], [route.name for route in routes_for(low, [])]
    ([], ['log'])
    """
    if not routes:
        return (LOG_ROUTE,)
    if message.route is not None:
        named = tuple(route for route in routes if route.name == message.route)
        if named:
            return named
    return tuple(route for route in routes if _takes(route, message))


def _takes(route: NotificationRoute, message: Message) -> bool:
    loud_enough = message.severity.rank >= route.min_severity.rank
    of_kind = not route.kinds or message.kind in route.kinds
    return loud_enough and of_kind and (not route.models or message.model in route.models)
