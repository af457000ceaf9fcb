"""The contract of an action's handler, and what most of them have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Protocol

from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind

__all__ = ["ActionHandler", "AtOnce", "Began", "Outside", "Undo"]


@dataclass(frozen=True, slots=True)
class Began:
    """How far an action came: ``outcome`` in words, None where its end comes later.

    ``effect``: what it changed, as whoever undoes or verifies it has to know; it is stored with the request.
    """

    outcome: str | None
    effect: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes an action back: another one, with its parameters, for a purpose in words."""

    kind: ActionKind
    purpose: str
    params: JsonObject


class ActionHandler(Protocol):
    """Does one kind of action. Called by one process at a time; each call may be repeated after a crash.

    An action begins by `start`, in the transaction that says that it runs. One that changes nothing but our database
    may end there. One that is ``outside`` (it writes files, say) begins with nothing, and does its work in
    `reach_outside`: before the commit that says that it ended, and again if the process dies between the two. So what
    is done for a request is named by the request's id, and doing it twice has the effect of once.

    Errors are `TrimtabError`: a `BackendError` of `reach_outside` is tried again, until the deadline; all others end
    the action as failed, and then nothing of what `start` did is stored.
    """

    kind: ClassVar[ActionKind]
    outside: ClassVar[bool]

    def lasts(self, platform: Platform, request: ActionRequest) -> timedelta:
        """Return after what time of the platform's clock it is given up, if it has not ended."""

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Begin, in the caller's transaction.

        Raises:
            TrimtabError: it cannot be done; the sentence says why.
        """

    def reach_outside(self, platform: Platform, request: ActionRequest) -> Began:
        """Do what lies outside of the database, and return how it ended. Only for those that are ``outside``.

        Raises:
            TrimtabError: it cannot be done.
        """

    def cancel(self, connection: Connection, platform: Platform, request: ActionRequest, *, by: str, why: str) -> None:
        """Stop a request that runs, in the caller's transaction; what it has changed by then stays, unless it says so.

        Raises:
            TrimtabError: it cannot be stopped any more.
        """

    def undo(self, request: ActionRequest) -> Undo | None:
        """Return what takes an ended request back, None where nothing does, or where it took something back itself."""


class AtOnce:
    """What handlers have in common that end in the transaction in which they start: no cancel, no way back."""

    outside: ClassVar[bool] = False

    def lasts(self, _platform: Platform, _request: ActionRequest) -> timedelta:
        """Five minutes: it ends where it starts."""
        return timedelta(minutes=5)

    def reach_outside(self, _platform: Platform, request: ActionRequest) -> Began:
        """Refuse: all of it is in the database, and whoever runs actions asks only those that are ``outside``."""
        raise NotImplementedError(f"{request.kind}: has nothing to do outside")

    def cancel(
        self, _connection: Connection, _platform: Platform, _request: ActionRequest, *, by: str, why: str
    ) -> None:
        """Do nothing: it is over before anybody could ask."""

    def undo(self, _request: ActionRequest) -> Undo | None:
        """Return None: nothing takes it back."""
        return None


class Outside(AtOnce):
    """What handlers have in common that work outside of the database: they begin with nothing, and last an hour."""

    outside: ClassVar[bool] = True

    def start(self, _connection: Connection, _platform: Platform, _request: ActionRequest) -> Began:
        """Begin nothing: the work follows once it is stored that the action runs."""
        return Began(None)

    def lasts(self, _platform: Platform, _request: ActionRequest) -> timedelta:
        """An hour: disk or lake may be away for a while."""
        return timedelta(hours=1)
