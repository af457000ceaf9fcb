"""What a person is told."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.core.enums import Severity

__all__ = ["Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing worth telling, once: ``dedup_key`` names the thing, and a second message with it is not sent again.

    ``route`` asks for one notification route by name (a feed's owner); without it severity and model decide.
    """

    title: str
    body: str
    severity: Severity
    dedup_key: str
    model: str | None = None
    route: str | None = None
