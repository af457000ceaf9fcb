"""Sends what is due, each route on a thread of its own, tries again what failed, and has another route take over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from trimtab.audit import log as audit
from trimtab.config.notifications import NotificationRoute
from trimtab.config.process import expand_secrets
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection, Database
from trimtab.notify.due import Parcel, Pending, claim, due_routes, give_back, mark_sent, put_back
from trimtab.notify.message import Message
from trimtab.notify.redaction import redact
from trimtab.notify.routes import LOG_ROUTE
from trimtab.notify.sender import Outgoing, RefusedForNowError, Sender, sender_for
from trimtab.notify.store import enqueue_instead
from trimtab.notify.wording import Wording, Words

__all__ = ["Messenger"]

_LEASE_S = 180
_BATCH_S = 20.0
_HUNG_S = 120.0
_MOST_HANGING = 3
"""Threads of a route whose channel never came back: as many as there are attempts until its fallback takes over."""
_RETRY_S = (5, 15, 60, 300, 900, 3600)
_MAX_ATTEMPTS = 12
_FALL_BACK_AFTER = 3
_MAX_ATTACHED_BYTES = 10 * 1024 * 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a parcel: it left (``error`` None), failed, or was not tried."""

    parcel: Parcel
    tried: bool = True
    error: str | None = None
    after_s: float | None = None
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Flight:
    """Parcels that a thread is sending on one route."""

    parcels: tuple[Parcel, ...]
    since_s: float
    outcomes: list[_Outcome] = field(default_factory=list)
    thread: threading.Thread | None = None


class Messenger:
    """Sends what waits in the database; used by one thread, which it never keeps waiting for a channel.

    At most one thread sends on a route, so that a channel which hangs or is down delays nobody but its own readers.
    What fails is tried again after 5 s, 15 s, 1 min … 1 h, and given up (state ``dead``) after 12 attempts; after three
    the route's fallback takes it over as well. Errors are stored without secrets.
    """

    def __init__(
        self,
        database: Database,
        routes: Sequence[NotificationRoute],
        *,
        now_us: Callable[[], int],
        templates: Path | None = None,
        reports: Path | None = None,
        sender: Sender | None = None,
        complete: Callable[[NotificationRoute, str], str] = lambda _route, text: text,
    ) -> None:
        """Send for ``routes``; ``now_us`` tells machine time, ``sender`` replaces all channels.

        ``complete`` writes into a text what must leave by one route alone and never be stored: links that decide.

        ``templates`` holds the project's own words, ``reports`` the files that messages may have attached.
        """
        self._database = database
        self._routes = {LOG_ROUTE.name: LOG_ROUTE} | {route.name: route for route in routes}
        self._now_us = now_us
        self._words, self._reports, self._sender = Words(templates), reports, sender
        self._complete = complete
        self._flights: dict[str, _Flight] = {}
        self._hanging: dict[str, list[threading.Thread]] = {}
        self._faults: set[str] = set()

    def run(self) -> bool:
        """Store what came back, and let leave what is due on routes that are free; return whether anything moved.

        Raises:
            BackendError: the database cannot be reached. A channel that fails raises nothing.
        """
        settled = [self._settle(name, flight) for name, flight in tuple(self._flights.items())]
        return any([*settled, self._start_due()])

    @property
    def busy(self) -> bool:
        """Whether something is on its way that has not been given up."""
        return bool(self._flights)

    def _start_due(self) -> bool:
        # Looked at first in a read transaction: an idle sender must not take the write lock every time.
        due = self._database.read(lambda connection: due_routes(connection, machine_us=self._now_us()))
        started = False
        for name in sorted(due - self._flights.keys()):
            started = self._start(self._routes.get(name) or _removed(name)) or started
        return started

    def _start(self, route: NotificationRoute) -> bool:
        with self._database.transaction() as connection:
            parcels = claim(connection, route, machine_us=self._now_us(), lease_s=_LEASE_S)
        if not parcels:
            return False
        if len(self._still_hanging(route.name)) >= _MOST_HANGING:
            # As if it had been tried: it would only hang as well, and the fallback waits for these attempts.
            self._store(route.name, [_Outcome(parcel, error=_hangs(route.name)) for parcel in parcels])
            return True
        flight = _Flight(parcels, time.monotonic())
        known = route.name in self._routes
        # A daemon: a channel that hangs must not keep the control plane from ending.
        flight.thread = threading.Thread(target=self._fly, args=(flight, route, known), daemon=True, name="sending")
        self._flights[route.name] = flight
        flight.thread.start()
        return True

    def _fly(self, flight: _Flight, route: NotificationRoute, known: bool) -> None:
        until_s = time.monotonic() + _BATCH_S
        for position, parcel in enumerate(flight.parcels):
            if time.monotonic() > until_s and position > 0:
                flight.outcomes.append(_Outcome(parcel, tried=False))
                continue
            outcome = self._attempt(parcel, route, known)
            flight.outcomes.append(outcome)
            if outcome.error is not None:
                # It would fail as well, and keep this route busy meanwhile.
                flight.outcomes.extend(_Outcome(rest, tried=False) for rest in flight.parcels[position + 1 :])
                return

    def _attempt(self, parcel: Parcel, route: NotificationRoute, known: bool) -> _Outcome:
        if not known:
            error = f"route {route.name!r}: no longer in trimtab.yaml; add it again, or let the message lapse"
            return _Outcome(parcel, error=error)
        url = route.url
        faults: tuple[str, ...] = ()
        try:
            url = expand_secrets(route.url)
            wording = self._words.of(parcel)
            faults = () if wording.fault is None else (wording.fault,)
            sender = self._sender or sender_for(route)
            sender.send(url, self._outgoing(parcel, wording, route))
        except RefusedForNowError as error:
            return _Outcome(parcel, error=_told(route, error, url), after_s=error.after_s, faults=faults)
        except TrimtabError as error:
            return _Outcome(parcel, error=_told(route, error, url), faults=faults)
        except Exception as error:  # noqa: BLE001 - a channel's library may raise anything, and the rest must still go
            return _Outcome(parcel, error=_told(route, error, url), faults=faults)
        return _Outcome(parcel, faults=faults)

    def _outgoing(self, parcel: Parcel, wording: Wording, route: NotificationRoute) -> Outgoing:
        first = parcel.messages[0]
        body, attachment = self._complete(route, wording.body), None
        named = first.attachment if len(parcel.messages) == 1 else None
        if named is not None:
            attachment, why_not = self._attached(named)
            body += "" if why_not is None else f"\n({why_not})"
        return Outgoing(
            id=first.id,
            title=wording.title,
            body=body,
            severity=parcel.severity,
            kind=first.kind,
            model=first.model,
            at_us=first.at_us,
            attachment=attachment,
        )

    def _attached(self, named: str) -> tuple[Path | None, str | None]:
        """Return the file, or why it is not sent: one outside of the reports, or too large, must not leave by mail."""
        if self._reports is None:
            return None, None
        root = self._reports.resolve()
        path = (root / named).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            return None, f"the report {named[:100]!r} is no longer there"
        if path.stat().st_size > _MAX_ATTACHED_BYTES:
            return None, f"the report {named[:100]!r} is larger than 10 MiB; see 'trimtab reports list'"
        return path, None

    def _settle(self, name: str, flight: _Flight) -> bool:
        if flight.thread is None or flight.thread.is_alive():
            if flight.thread is None or time.monotonic() - flight.since_s <= _HUNG_S:
                return False
            self._store(name, _hung(flight, name))
            self._still_hanging(name).append(flight.thread)
        else:
            self._store(name, flight.outcomes)
        # Only now: what could not be stored for a busy database is stored at the next look, not sent once more.
        del self._flights[name]
        return True

    def _still_hanging(self, name: str) -> list[threading.Thread]:
        """Return the threads of a route that were given up and have not come back."""
        self._hanging[name] = [thread for thread in self._hanging.get(name, []) if thread.is_alive()]
        return self._hanging[name]

    def _store(self, name: str, outcomes: Sequence[_Outcome]) -> None:
        route, now_us = self._routes.get(name), self._now_us()
        with self._database.transaction() as connection:
            for outcome in outcomes:
                if not outcome.tried:
                    put_back(connection, outcome.parcel)
                elif outcome.error is None:
                    mark_sent(connection, outcome.parcel, machine_us=now_us)
                else:
                    for message in outcome.parcel.messages:
                        self._postpone(connection, message, route, outcome.error, outcome.after_s)
                for fault in outcome.faults:
                    self._note_fault(connection, fault, outcome.parcel)

    def _postpone(
        self,
        connection: Connection,
        message: Pending,
        route: NotificationRoute | None,
        error: str,
        after_s: float | None,
    ) -> None:
        dead = message.attempt >= _MAX_ATTEMPTS
        wait_s = max(_RETRY_S[min(message.attempt, len(_RETRY_S)) - 1], after_s or 0.0)
        give_back(connection, message, error, available_us=self._now_us() + int(wait_s * 1_000_000), dead=dead)
        _log.warning("notification_failed", route=message.route, attempt=message.attempt, given_up=dead, error=error)
        if message.attempt == _FALL_BACK_AFTER and route is not None and route.fallback in self._routes:
            instead = self._routes[route.fallback]
            taken_over = Message(
                title=message.title,
                body=f"{message.body}\n\n(route {message.route!r} could not be reached: {error})",
                severity=message.severity,
                dedup_key=f"instead:{message.id}",
                model=message.model,
                kind=message.kind,
                attachment=message.attachment,
            )
            enqueue_instead(connection, taken_over, instead, at_us=message.at_us, failed_id=message.id)

    def _note_fault(self, connection: Connection, fault: str, parcel: Parcel) -> None:
        if fault in self._faults:
            return
        self._faults.add(fault)
        _log.warning("notification.template_failed", error=fault)
        audit.append(
            connection,
            at_us=parcel.messages[0].at_us,
            actor="conductor",
            action="notification.template_failed",
            subject=f"route:{parcel.messages[0].route}",
            reason=f"{fault}; the message left in our own words",
        )


def _told(route: NotificationRoute, error: Exception, url: str) -> str:
    text = str(error) if isinstance(error, TrimtabError) else f"{type(error).__name__}: {error}; it is tried again"
    return f"route {route.name!r}: {redact(text, url)}"


def _hung(flight: _Flight, name: str) -> list[_Outcome]:
    done = flight.outcomes[:]
    rest = flight.parcels[len(done) :]
    hanging = [_Outcome(parcel, error=_hangs(name)) for parcel in rest[:1]]
    return [*done, *hanging, *(_Outcome(parcel, tried=False) for parcel in rest[1:])]


def _hangs(name: str) -> str:
    return f"route {name!r}: no answer within {_HUNG_S:g} s; it is tried again"


def _removed(name: str) -> NotificationRoute:
    return NotificationRoute(name=name, url="log://", per_hour=None)
