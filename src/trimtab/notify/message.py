"""What a person is told."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.config.notifications import MessageKind
from trimtab.core.enums import Severity

__all__ = ["LINK_MARK", "Message"]

LINK_MARK = "trimtab-link:"
"""Begins the place of a link that is written in when the message leaves, and never stored."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing worth telling, once: ``dedup_key`` names the thing, and a second message with it is not sent again.

    ``route`` asks for one notification route by name (a feed's owner); without it severity, model and kind decide.
    ``attachment`` is a file below the project's reports, as a path from there.
    """

    title: str
    body: str
    severity: Severity
    dedup_key: str
    model: str | None = None
    route: str | None = None
    kind: MessageKind = MessageKind.PLATFORM
    attachment: str | None = None
