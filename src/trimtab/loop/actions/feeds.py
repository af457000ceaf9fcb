"""Feeds that are not learnt from for a while: quarantine, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.lake import feeds
from trimtab.lake.deliveries import judge_again
from trimtab.loop.actions.base import AtOnce, Began
from trimtab.loop.feed_holds import cases_holding, quarantines
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind

__all__ = ["WHICH_FEED", "Quarantine", "Release"]

WHICH_FEED: Final = (
    "which feed is broken is not known; let senders name themselves as 'source', and declare them under feeds in "
    "model.yaml"
)


class Quarantine(AtOnce):
    """Keeps what feeds sent since a moment from being learnt from.

    Nothing takes it back by itself: that it was of no use is no reason to trust what the feed sent.
    """

    kind: ClassVar[ActionKind] = ActionKind.QUARANTINE_FEED

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Open an interval of quarantine; one that is open stays, and begins no later.

        Raises:
            NotFoundError: which feed it is, is not known.
        """
        names = request.params.get("feeds", [])
        if not names:
            raise NotFoundError(f"{request.model}: {WHICH_FEED}")
        for name in names:
            feeds.quarantine_feed(
                connection,
                request.model,
                name,
                since_us=request.params["since_us"],
                reason=request.params["reason"],
                at_us=platform.now_us(),
            )
        effect = {"feeds": list(names), "since_us": request.params["since_us"]}
        return Began(f"feed {', '.join(names)} is quarantined", effect)


class Release(AtOnce):
    """Ends a quarantine."""

    kind: ClassVar[ActionKind] = ActionKind.RELEASE_FEED

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Close the open interval, and have the deliveries judged again.

        Raises:
            ConflictError: it was asked for since a case had ended, and an open case wants the feed set aside by now.
        """
        names = request.params["feeds"]
        if request.incident_id is not None:
            _require_free(connection, request, names)
        for name in names:
            feeds.release_feed(
                connection, request.model, name, until_us=request.params["until_us"], at_us=platform.now_us()
            )
        count = judge_again(connection, request.model)
        platform.wake.set()
        again = "1 delivery is" if count == 1 else f"{count} deliveries are"
        return Began(f"feed {', '.join(names)} is open; {again} judged again", {"feeds": list(names)})


def _require_free(connection: Connection, request: ActionRequest, names: Sequence[str]) -> None:
    held = quarantines(connection, request.model)
    for name in names:
        for case in cases_holding(connection, held.get(name, ())) or ():
            if case.state.is_open:
                raise ConflictError(
                    f"feed {name!r} of {request.model!r}: incident {case.id} is {case.state} and wants it set aside, "
                    "expected that all its cases are over; nothing was released: it is proposed again when they are"
                )
