"""The ways to reach people: the structured log, Apprise's channels, and signed JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from trimtab.config.notifications import MessageKind, NotificationRoute
from trimtab.config.process import expand_secrets
from trimtab.core.enums import Severity
from trimtab.core.errors import BackendError, ConfigError

__all__ = ["LogSender", "Outgoing", "RefusedForNowError", "Sender", "sender_for"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What leaves: texts as people read them, and what programs want to know besides.

    ``id`` is the same whenever the same message is sent again.
    """

    id: str
    title: str
    body: str
    severity: Severity
    kind: MessageKind = MessageKind.PLATFORM
    model: str | None = None
    at_us: int = 0
    attachment: Path | None = None


class RefusedForNowError(BackendError):
    """The channel refuses, and says when to come again: in ``after_s`` seconds."""

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message)
        self.after_s = after_s


class Sender(Protocol):
    """A way to reach people. Called by one thread at a time for each route; may be called again for the same message.

    A message can arrive twice (the process died after it left), never not at all.
    """

    def send(self, url: str, message: Outgoing) -> None:
        """Deliver the message to ``url``, whose secrets are expanded.

        Raises:
            ConfigError: ``url`` names no place that can be sent to.
            BackendError: the place is not reached or refuses; the same call may succeed later.
        """


class LogSender:
    """Writes messages into the structured log."""

    def send(self, url: str, message: Outgoing) -> None:
        """Write one log line, as loud as the message."""
        write = _log.warning if message.severity.rank >= Severity.MEDIUM.rank else _log.info
        attached = {} if message.attachment is None else {"attachment": message.attachment.name}
        write("notification", title=message.title, body=message.body, severity=message.severity.value, **attached)


def sender_for(route: NotificationRoute) -> Sender:
    """Return the way that ``route`` goes.

    Raises:
        ConfigError: it needs Apprise or a secret, and that is not there.
    """
    if route.url.startswith("log://"):
        return LogSender()
    if route.secret is not None:
        # Start-up cost: a project that signs nothing needs no HTTP client here.
        from trimtab.notify.signed import SignedSender

        return SignedSender(expand_secrets(route.secret))
    try:
        # Start-up cost: Apprise takes 0.2 s, and a project that only logs never needs it.
        from trimtab.notify.apprise import AppriseSender
    except ImportError as error:
        raise ConfigError(f"notification URL: needs Apprise ({error}); install 'trimtab[platform]'") from error
    return AppriseSender()
