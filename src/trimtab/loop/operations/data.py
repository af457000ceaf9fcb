"""Data: take in files, say what became of them, set feeds aside and trust them again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import func, select

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import delivery
from trimtab.lake import feeds
from trimtab.lake.deliveries import Delivery, accept_file
from trimtab.lake.snapshots import make_snapshot
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, ModelRequest, Moment, OfModel, Reason
from trimtab.remediation.kinds import ActionKind


class Ingest(ModelRequest):
    """A file of rows, and which feed sent it."""

    path: str = Field(description="The file; over HTTP its bytes are the body.")
    name: str | None = Field(default=None, description="The sender's name of it.")
    feed: Name | None = Field(default=None, description="The feed that sent it, as model.yaml names it.")


class ShowDelivery(Strict):
    """Which delivery."""

    delivery_id: Id


class CountRecords(Strict):
    """Which endpoint."""

    endpoint: Annotated[str, Field(max_length=128, description="The endpoint's name.")]


class OfFeed(ModelRequest):
    """Which feed, and why."""

    feed: Name = Field(description="The feed's name in model.yaml.")
    reason: Reason = Field(min_length=1)


class QuarantineFeed(OfFeed):
    """Which feed, and why nothing of it shall be learnt."""

    since: Moment | None = Field(
        default=None, description="From when on its rows are set aside, by when they happened; default: now."
    )


class ReleaseFeed(OfFeed):
    """Which feed, and why it may be trusted again."""

    until: Moment | None = Field(
        default=None,
        description=(
            "When the quarantine ends: rows that happened from then on are trusted, those since its beginning stay in "
            "quarantine; default: now."
        ),
    )


@operation("data.ingest", "POST", "/api/models/{model}/deliveries", Role.OPERATOR, Ingest)
def ingest(platform: Platform, actor: Actor, request: Ingest) -> JsonObject:
    """Take a file into the raw zone; its rows are judged by the contract shortly after."""
    files = platform.files(request.model)
    _known_feed(files.model.feeds, request)
    now = platform.clock.now()
    path = Path(request.path)

    def accepted_first(connection: Connection, new: Delivery) -> None:
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor=actor.name,
            action="delivery.accepted",
            subject=f"delivery:{request.model}/{new.id}",
            detail={"file": request.name or path.name, "digest": new.digest, "feed": request.feed},
        )

    accepted = accept_file(
        platform.database,
        platform.lake,
        platform.queue,
        model=request.model,
        path=path,
        name=request.name,
        feed=request.feed,
        now=now,
        on_new=accepted_first,
    )
    platform.wake.set()
    return {"delivery_id": accepted.id, "digest": accepted.digest, "repeated": accepted.repeated}


@operation("data.delivery", "GET", "/api/deliveries/{delivery_id}", Role.VIEWER, ShowDelivery)
def show_delivery(platform: Platform, _actor: Actor, request: ShowDelivery) -> JsonObject:
    """Say what became of a delivery: rows that passed, rows in quarantine and why."""
    with platform.database.reading() as connection:
        row = connection.execute(select(delivery).where(delivery.c.id == request.delivery_id)).first()
    if row is None:
        raise NotFoundError(f"delivery {request.delivery_id}: not known; see 'trimtab deliveries'")
    return _delivery(row)


@operation("data.deliveries", "GET", "/api/deliveries", Role.VIEWER, OfModel)
def list_deliveries(platform: Platform, _actor: Actor, request: OfModel) -> JsonObject:
    """List the newest deliveries of files, newest first."""
    query = select(delivery).where(delivery.c.kind == "table")
    if request.model is not None:
        query = query.where(delivery.c.model == request.model)
    ordered = newest(query, delivery.c.received_us, delivery.c.id, after=request.place, limit=request.one_more)
    with platform.database.reading() as connection:
        rows = connection.execute(ordered).all()
    shown, further = request.page(rows, lambda row: Place(row.received_us, row.id))
    return {"deliveries": [_delivery(row) for row in shown], "next": further}


@operation("data.snapshot", "POST", "/api/models/{model}/snapshots", Role.OPERATOR, ModelRequest)
def make_snapshot_now(platform: Platform, _actor: Actor, request: ModelRequest) -> JsonObject:
    """Freeze all rows that may be learnt from as a dataset version; the same rows are the same version."""
    files = platform.files(request.model)
    made = make_snapshot(
        platform.database,
        platform.lake,
        model=files.model,
        contract=files.contract,
        endpoint=files.endpoint,
        lookback=files.training.lookback,
        now=platform.clock.now(),
    )
    return {"snapshot_id": made.id, "dataset_hash": made.dataset_hash, "rows": made.rows, "path": str(made.path)}


@operation("data.records", "GET", "/api/endpoints/{endpoint}/records", Role.VIEWER, CountRecords)
def count_records(platform: Platform, _actor: Actor, request: CountRecords) -> JsonObject:
    """Count what came back from an endpoint: answered rows and true outcomes, and how many are in quarantine."""
    return platform.database.read(lambda connection: records_of(connection, request.endpoint))


@operation("feeds.list", "GET", "/api/models/{model}/feeds", Role.VIEWER, ModelRequest)
def list_feeds(platform: Platform, _actor: Actor, request: ModelRequest) -> JsonObject:
    """List the feeds of a model, and which are quarantined."""
    files = platform.files(request.model)
    with platform.database.reading() as connection:
        states = {state.name: state for state in feeds.feed_states(connection, request.model)}
    return {
        "feeds": [
            {
                "name": name,
                "owner": config.owner,
                "state": states[name].state if name in states else "open",
                "since_us": states[name].since_us if name in states else None,
            }
            for name, config in files.model.feeds.items()
        ]
    }


@operation("feeds.quarantine", "POST", "/api/models/{model}/feeds/{feed}/quarantine", Role.OPERATOR, QuarantineFeed)
def quarantine_feed(platform: Platform, actor: Actor, request: QuarantineFeed) -> JsonObject:
    """Set a feed aside: nothing that it sent since a moment is learnt from, until somebody trusts it again.

    Callers are answered as before. No case ends it: who set it aside, or an approver, does.
    """
    files = platform.files(request.model)
    _known_feed(files.model.feeds, request)
    now_us = platform.now_us()
    since_us = now_us if request.since is None else to_micros(request.since)
    if since_us > now_us:
        raise ConfigError(
            f"since: {from_micros(since_us).isoformat(timespec='seconds')} is to come, expected now or before; "
            "leave it out to begin now"
        )
    with platform.database.transaction() as connection:
        since = from_micros(since_us).isoformat(timespec="seconds")
        wish = Wish(
            ActionKind.QUARANTINE_FEED,
            request.model,
            purpose=f"learn nothing from what {request.feed} sent since {since}",
            params={"feeds": [request.feed], "since_us": since_us, "reason": request.reason},
            about=request.feed,
        )
        asked = ask(connection, platform, actor, wish)
        told = waiting_told(connection, asked)
        return {"feed": request.feed, "state": _state_of(connection, request), "since_us": since_us, **told}


@operation("feeds.release", "POST", "/api/models/{model}/feeds/{feed}/release", Role.APPROVER, ReleaseFeed)
def release_feed(platform: Platform, actor: Actor, request: ReleaseFeed) -> JsonObject:
    """End a feed's quarantine now, or at a moment; what was delivered is judged again.

    Rows that happened between the beginning of the quarantine and its end stay set aside, those from the end on are
    trusted. That waits for nobody, unless a rule of the policy says so of people.
    """
    files = platform.files(request.model)
    _known_feed(files.model.feeds, request)
    at_us = platform.now_us()
    with platform.database.transaction() as connection:
        until_us = at_us if request.until is None else to_micros(request.until)
        since = "" if request.until is None else f", from {request.until.isoformat(timespec='seconds')} on"
        wish = Wish(
            ActionKind.RELEASE_FEED,
            request.model,
            purpose=f"trust {request.feed} again{since}",
            params={"feeds": [request.feed], "until_us": until_us, "reason": request.reason},
            about=request.feed,
        )
        since_us = _since(connection, request)
        asked = ask(connection, platform, actor, wish)
        told = waiting_told(connection, asked)
        # None: it was open before, so that nothing changed.
        told |= {"since_us": since_us, "until_us": None if since_us is None else max(since_us, until_us)}
        if asked.waits:
            return {"feed": request.feed, "state": _state_of(connection, request), **told}
        audit.append(
            connection,
            at_us=at_us,
            actor=actor.name,
            action="feed.released",
            subject=f"feed:{request.model}/{request.feed}",
            reason=request.reason,
        )
    return {"feed": request.feed, "state": "open", **told}


def _since(connection: Connection, request: OfFeed) -> int | None:
    return next(
        (one.since_us for one in feeds.feed_states(connection, request.model) if one.name == request.feed), None
    )


def _state_of(connection: Connection, request: OfFeed) -> str:
    known = {state.name: state.state for state in feeds.feed_states(connection, request.model)}
    return known.get(request.feed, "open")


def records_of(connection: Connection, endpoint: str) -> JsonObject:
    """Return counts of processed records and truths of ``endpoint``."""
    rows = connection.execute(
        select(delivery.c.kind, func.sum(delivery.c.rows), func.sum(delivery.c.rows_quarantined))
        .where(delivery.c.endpoint == endpoint, delivery.c.state == "processed", delivery.c.kind != "table")
        .group_by(delivery.c.kind)
    ).all()
    found = {kind: (int(total or 0), int(quarantined or 0)) for kind, total, quarantined in rows}
    records, truths = found.get("records", (0, 0)), found.get("truth", (0, 0))
    return {"endpoint": endpoint, "records": records[0], "quarantined": records[1], "truths": truths[0]}


def _known_feed(known: Any, request: Ingest | OfFeed) -> None:
    if request.feed is not None and request.feed not in known:
        raise NotFoundError(
            f"feed {request.feed!r}: model {request.model!r} has no such feed; "
            f"it has: {', '.join(known) or 'none'}; declare it under feeds in model.yaml"
        )


def _delivery(row: Any) -> JsonObject:
    return {
        "delivery_id": row.id,
        "model": row.model,
        "kind": row.kind,
        "source": row.source,
        "state": row.state,
        "rows": row.rows,
        "rows_passed": row.rows_passed,
        "rows_quarantined": row.rows_quarantined,
        "received_us": row.received_us,
        "processed_us": row.processed_us,
        **row.spec,
    }
