"""Sends what is due, and tries again what failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from trimtab.config.process import expand_secrets
from trimtab.config.project import NotificationRoute
from trimtab.core.enums import Severity
from trimtab.core.errors import ConfigError, TrimtabError
from trimtab.db.engine import Connection, Database
from trimtab.notify.redaction import redact
from trimtab.notify.routes import LOG_ROUTE
from trimtab.notify.store import Pending, claim, give_back, has_due, mark_sent

__all__ = ["LogSender", "Sender", "send_due"]

_LEASE_S = 60
_RETRY_S = (5, 15, 60, 300, 900, 3600)
_MAX_ATTEMPTS = 12
_log = structlog.get_logger(__name__)


class Sender(Protocol):
    """A way to reach people. Called by one thread at a time for each message; may be called again for the same one.

    A message can arrive twice (the process died after it left), never not at all.
    """

    def send(self, url: str, *, title: str, body: str, severity: Severity) -> None:
        """Deliver the message to ``url``, whose secrets are expanded.

        Raises:
            ConfigError: ``url`` names no place that can be sent to.
            BackendError: the place is not reached or refuses; the same call may succeed later.
        """


class LogSender:
    """Writes messages into the structured log."""

    def send(self, url: str, *, title: str, body: str, severity: Severity) -> None:
        """Write one log line, as loud as the message."""
        write = _log.warning if severity.rank >= Severity.MEDIUM.rank else _log.info
        write("notification", title=title, body=body, severity=severity.value)


def send_due(
    database: Database,
    routes: Sequence[NotificationRoute],
    *,
    machine_us: int,
    sender: Sender | None = None,
    limit: int = 100,
) -> int:
    """Send up to ``limit`` messages that are due at ``machine_us``; return how many left.

    Sending happens outside of any transaction. What fails is tried again after 5 s, 15 s, 1 min … 1 h, and given up
    (state ``dead``) after 12 attempts; its error is stored without secrets. ``sender`` replaces log and Apprise.

    Raises:
        BackendError: the database cannot be reached. A channel that fails raises nothing.
    """
    known = {LOG_ROUTE.name: LOG_ROUTE} | {route.name: route for route in routes}
    sent = 0
    # Looked at first in a read transaction: an idle sender must not take the write lock every time.
    if not database.read(lambda connection: has_due(connection, machine_us=machine_us)):
        return sent
    for _ in range(limit):
        with database.transaction() as connection:
            pending = claim(connection, machine_us=machine_us, lease_s=_LEASE_S)
        if pending is None:
            break
        error = _attempt(pending, known.get(pending.route), sender)
        with database.transaction() as connection:
            if error is None:
                mark_sent(connection, pending)
                sent += 1
            else:
                _postpone(connection, pending, error, machine_us)
    return sent


def _attempt(pending: Pending, route: NotificationRoute | None, sender: Sender | None) -> str | None:
    """Return None when the message left, else why not, without secrets."""
    if route is None:
        return f"route {pending.route!r}: no longer in trimtab.yaml; add it again, or let the message lapse"
    url = route.url
    try:
        url = expand_secrets(route.url)
        (sender or _sender_for(url)).send(url, title=pending.title, body=pending.body, severity=pending.severity)
    except TrimtabError as error:
        return f"route {pending.route!r}: {redact(str(error), url)}"
    return None


def _postpone(connection: Connection, pending: Pending, error: str, machine_us: int) -> None:
    dead = pending.attempt >= _MAX_ATTEMPTS
    wait_s = _RETRY_S[min(pending.attempt, len(_RETRY_S)) - 1]
    give_back(connection, pending, error, available_us=machine_us + wait_s * 1_000_000, dead=dead)
    _log.warning("notification_failed", route=pending.route, attempt=pending.attempt, given_up=dead, error=error)


def _sender_for(url: str) -> Sender:
    if url.startswith("log://"):
        return LogSender()
    try:
        # Start-up cost: Apprise takes 0.2 s, and a project that only logs never needs it.
        from trimtab.notify.apprise import AppriseSender
    except ImportError as error:
        raise ConfigError(f"notification URL: needs Apprise ({error}); install 'trimtab[platform]'") from error
    return AppriseSender()
