"""Feeds that were set aside for cases are trusted again, once all of these are over: proposed, like everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from trimtab.db.engine import Connection
from trimtab.loop.cancelling import cancel_action
from trimtab.loop.deciding import propose_again, propose_and_note
from trimtab.loop.feed_holds import cases_holding, quarantines
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext

__all__ = ["free_feeds", "keep_feeds"]


def free_feeds(connection: Connection, platform: Platform, model: str, *, ended: str | None = None) -> None:
    """Propose, in the caller's transaction, to trust the feeds of ``model`` again whose cases are all over.

    A feed that an open case has set aside as well waits for that one's end; one that a person set aside, for that
    person. It is trusted from where on all that had breached in its cases is known to be right. Where a person put a
    case away before that was known, an approver decides, whatever the rule says, and it is trusted from now on.

    ``ended`` is the case that has just ended: its feeds are proposed for the first time. Without it those are proposed
    that could not be released then, since the action cooled down or nobody answered. What a person turned down since
    the case ended is that person's to release.
    """
    freed: dict[str, list[str]] = defaultdict(list)
    cases: dict[str, list[Incident]] = {}
    for feed, held in sorted(quarantines(connection, model).items()):
        holding = cases_holding(connection, held)
        if holding is None or any(case.state.is_open for case in holding):
            continue
        last = max(holding, key=lambda case: (case.closed_us or 0, case.id))
        if not _is_asked(connection, feed, last):
            freed[last.id].append(feed)
            cases[last.id] = [*cases.get(last.id, []), *holding]
    for case_id, feeds in freed.items():
        last = next(case for case in cases[case_id] if case.id == case_id)
        proposal = Proposal(
            origin=Origin.INCIDENT,
            model=model,
            action=ActionKind.RELEASE_FEED,
            diagnosis=None if last.diagnosis is None else last.diagnosis.kind,
        )
        context = _context(platform, last, feeds, cases[case_id])
        (propose_and_note if case_id == ended else propose_again)(connection, platform, proposal, context)


def keep_feeds(connection: Connection, platform: Platform, incident: Incident) -> None:
    """Take back, in the caller's transaction, that feeds be trusted again, since their case is open again."""
    for action in list_actions(connection, incident_id=incident.id, kind=ActionKind.RELEASE_FEED, open_only=True):
        cancel_action(connection, platform, action, by="trimtab", why="its case is open again")


def _context(platform: Platform, last: Incident, feeds: Sequence[str], cases: Sequence[Incident]) -> RequestContext:
    named = ", ".join(feeds)
    moments = [case.right_since_us for case in cases]
    known = [moment for moment in moments if moment is not None]
    doubt = None if len(known) == len(moments) else "a case was put away before its checks were well again"
    why = "its rows are as they were" if doubt is None else doubt
    return RequestContext(
        requested_by="policy",
        purpose={ActionKind.RELEASE_FEED: f"trust {named} again: {why}"},
        about=",".join(feeds),
        endpoint=last.endpoint,
        incident_id=last.id,
        params={
            ActionKind.RELEASE_FEED: {
                "feeds": list(feeds),
                "until_us": max(known) if doubt is None else platform.now_us(),
            }
        },
        doubted={} if doubt is None else {ActionKind.RELEASE_FEED: doubt},
    )


def _is_asked(connection: Connection, feed: str, last: Incident) -> bool:
    """Whether somebody is asked about the feed at present, or has said no since the last of its cases ended."""
    asked = list_actions(connection, model=last.model, kind=ActionKind.RELEASE_FEED)
    said_no = [one for one in asked if one.state is ActionState.REJECTED and one.created_us >= (last.closed_us or 0)]
    return any(feed in one.params["feeds"] for one in (*said_no, *(one for one in asked if one.state.is_open)))
