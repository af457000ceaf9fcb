"""Ingest: brings deliveries from the raw zone into processed zone and quarantine, each with the effect of once.

Files are written first, as an edition of their own; then one transaction says what came of it: counts, reasons,
profiles, and whatever the caller's callback writes beside (an event, an alert); then the message is acknowledged. A
worker that is killed anywhere leaves work that the next one repeats. One that is paused anywhere, also within a write,
is refused by the database, and what it writes has an older edition than what is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import pyarrow as pa
import structlog
from sqlalchemy import select, update

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError, ConflictError, DataContractError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import delivery as _table
from trimtab.files.disk import is_of_the_disk
from trimtab.lake.deliveries import TOPIC, Delivery, DeliveryKind, DeliveryState, find_delivery
from trimtab.lake.editions import FIRST, Edition
from trimtab.lake.feeds import Interval, feed_states, quarantined_intervals
from trimtab.lake.known_keys import KnownKeys
from trimtab.lake.outcome import Outcome
from trimtab.lake.profile_store import save_profiles
from trimtab.lake.queues.base import MAX_ATTEMPTS, Message, Queue
from trimtab.lake.record_rows import features_of, process_records
from trimtab.lake.table_rows import process_table
from trimtab.lake.truth_rows import process_truth
from trimtab.lake.zones import Lake
from trimtab.records.segments import read_segment

__all__ = ["Ingest", "ModelContext", "OnProcessed", "Processed"]

_log = structlog.get_logger(__name__)

_HOPELESS = (DataContractError, NotFoundError)
"""What a repetition cannot mend: the delivery has failed."""


@dataclass(frozen=True, slots=True)
class ModelContext:
    """What ingest must know of a model."""

    model: ModelConfig
    contract: ContractConfig
    profile_period_s: int


@dataclass(frozen=True, slots=True)
class Processed:
    """A delivery that is done, and what came of it.

    ``delivery`` is as the database has it now; its ``spec`` holds ``reasons`` (rows by rule broken), ``remedies`` (what
    to do about each), ``broken_by_source`` (rows by feed), ``span_us``, ``quarantine_path`` and, when it failed,
    ``error``.
    """

    delivery: Delivery
    reasons: dict[str, int]
    broken_by_source: dict[str, int]
    span_us: tuple[int, int] | None
    quarantine_path: str | None
    error: str | None


OnProcessed = Callable[[Connection, Processed], None]


@dataclass(frozen=True, slots=True)
class _Work:
    message: Message
    delivery: Delivery

    @property
    def edition(self) -> Edition:
        return Edition(self.delivery.version, self.message.attempts)


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of a delivery, and which earlier ones had been heeded for it (None: it does not depend on them).

    ``edition`` is that of its files, None when there are none, or they have but one.
    """

    outcome: Outcome
    earlier: frozenset[str] | None = None
    edition: Edition | None = None


class Ingest:
    """Takes announced deliveries from the queue and processes them.

    Args:
        database: where deliveries, profiles and feeds stand.
        lake: the zones.
        queue: where deliveries are announced.
        models: the context of a model by name; raises NotFoundError for an unknown one.
        on_processed: called in the transaction that says what came of a delivery, once for each.
        lease_s: for how long a worker may be busy with what it took.
    """

    def __init__(
        self,
        database: Database,
        lake: Lake,
        queue: Queue,
        models: Callable[[str], ModelContext],
        *,
        on_processed: OnProcessed = lambda _connection, _processed: None,
        lease_s: float = 300.0,
    ) -> None:
        self._database = database
        self._lake = lake
        self._queue = queue
        self._models = models
        self._on_processed = on_processed
        self._lease_s = lease_s
        self._storage_failed = False
        self._known_keys = KnownKeys(lake)

    def process_some(self, *, now: datetime, limit: int = 50) -> list[Processed]:
        """Process up to ``limit`` deliveries that are announced, and return what came of each.

        One that cannot be used is done too: it has failed, with a sentence why. One that met a fault of the machine is
        given back to the queue; when that gives it up, it has failed. While the lake's storage cannot be reached, or
        has no room, nothing is taken, so that an outage of hours uses up no delivery's attempts.

        Raises:
            BackendError: database, queue or storage cannot be reached.
        """
        if self._storage_failed:
            self._lake.storage.check()
            self._storage_failed = False
        done = [self._give_up(message, now) for message in self._queue.dead(TOPIC)]
        groups: dict[object, list[_Work]] = defaultdict(list)
        for each in self._take(limit):
            together = each.delivery.kind is DeliveryKind.RECORDS
            groups[(each.delivery.model, each.delivery.endpoint) if together else each.delivery.id].append(each)
        for group in groups.values():
            done.extend(self._attempt(group, now))
        return [processed for processed in done if processed is not None]

    def _take(self, limit: int) -> list[_Work]:
        """Return what is to be done; acknowledge what was done by a worker that died before it said so."""
        work = []
        for message in self._queue.receive(TOPIC, limit=limit, lease_s=self._lease_s):
            delivery = self._find(message)
            if delivery is not None and delivery.state is DeliveryState.RECEIVED:
                work.append(_Work(message, delivery))
            else:
                self._acknowledge(message)
        return work

    def _attempt(self, group: list[_Work], now: datetime) -> list[Processed | None]:
        """Process a group; when that fails, each one alone, so that a bad one does not take others with it."""
        try:
            outcomes = self._process(group)
            reached("ingest.files_written")
            return [self._finish(each, outcome, now) for each, outcome in zip(group, outcomes, strict=True)]
        except Exception as error:  # noqa: BLE001 - the boundary of one delivery: logged, and tried again
            if self._is_outage(error):
                for each in group:
                    self._return(each, error, outage=True)
                return [None]
            if len(group) > 1:
                return [done for each in group for done in self._attempt([each], now)]
            if isinstance(error, _HOPELESS):
                return [self._finish(group[0], _Result(Outcome(error=str(error))), now)]
            self._return(group[0], error)
            return [None]

    def _is_outage(self, error: Exception) -> bool:
        """Return whether it is storage or disk that failed, and not one file: what waiting mends."""
        if is_of_the_disk(error):
            self._storage_failed = True
            return True
        if not isinstance(error, BackendError):
            return False
        try:
            self._lake.storage.check()
        except (BackendError, OSError):
            self._storage_failed = True
        return self._storage_failed

    def _process(self, group: Sequence[_Work]) -> list[_Result]:
        """Read, judge and write; nothing of it is known to the database yet."""
        first, edition = group[0].delivery, group[0].edition
        if first.kind is DeliveryKind.TRUTH:
            return [_Result(process_truth(self._lake, first, self._segment(first)))]
        # Read before the model is asked for: a damaged segment names none.
        records = first.kind is DeliveryKind.RECORDS
        tables = self._lake.together(self._segment, [each.delivery for each in group]) if records else []
        context = self._models(first.model or "")
        with self._database.reading() as connection:
            intervals = quarantined_intervals(feed_states(connection, context.model.name))
            earlier = _processed_tables(connection, context.model.name)
        if not records:
            outcome = process_table(
                self._lake,
                first,
                context.model,
                context.contract,
                earlier_keys=partial(
                    self._known_keys.among, model=context.model.name, digests=earlier, contract=context.contract
                ),
                intervals=intervals,
                edition=edition,
                before_writing=partial(self._assert_to_do, [first], earlier),
            )
            return [_Result(outcome, earlier, edition)]
        outcomes = self._records(group, tables, context, intervals)
        return [_Result(outcome, edition=each.edition) for each, outcome in zip(group, outcomes, strict=True)]

    def _assert_to_do(self, deliveries: Sequence[Delivery], earlier: frozenset[str] | None = None) -> None:
        """Raise ConflictError if another worker processed one of them, or took the lane over, since they were taken."""
        # As a writer, since only those are fenced. Editions hold only if who writes had the lane after it was given the
        # message: without this, what a worker wrote that lost the lane before could be the newest.
        with self._database.transaction() as connection:
            for delivery in deliveries:
                version, state = connection.execute(
                    select(_table.c.version, _table.c.state).where(_table.c.id == delivery.id)
                ).one()
                if (version, state) != (delivery.version, DeliveryState.RECEIVED):
                    raise ConflictError(
                        f"delivery {delivery.id}: another worker has processed it ({state}); nothing was written"
                    )
                if earlier is not None:
                    _assert_judged_by(connection, delivery, earlier)

    def _segment(self, delivery: Delivery) -> pa.Table:
        return read_segment(self._lake.at_hand(self._lake.absolute(delivery.raw_path)))

    def _records(
        self,
        group: Sequence[_Work],
        tables: Sequence[pa.Table],
        context: ModelContext,
        intervals: Mapping[str, Sequence[Interval]],
    ) -> list[Outcome]:
        """Process segments of one endpoint, those with the same features in one go."""
        alike: dict[object, list[int]] = defaultdict(list)
        for place, table in enumerate(tables):
            alike[features_of(table)].append(place)
        outcomes: dict[int, Outcome] = {}
        for places in alike.values():
            found = process_records(
                self._lake,
                [(group[place].delivery, group[place].edition, tables[place]) for place in places],
                context.contract,
                profile_period_s=context.profile_period_s,
                intervals=intervals,
                before_writing=partial(self._assert_to_do, [group[place].delivery for place in places]),
            )
            outcomes.update(zip(places, found, strict=True))
        return [outcomes[place] for place in range(len(tables))]

    def _finish(self, work: _Work, result: _Result, now: datetime) -> Processed | None:
        """Say what came of a delivery, in one transaction, and acknowledge. None: another worker had done so."""
        with self._database.transaction() as connection:
            processed = self._record(connection, work.delivery, result, now)
        reached("ingest.recorded")
        self._acknowledge(work.message)
        reached("ingest.acked")
        return processed

    def _record(self, connection: Connection, delivery: Delivery, result: _Result, now: datetime) -> Processed | None:
        if result.earlier is not None:
            _assert_judged_by(connection, delivery, result.earlier)
        done = _processed(delivery, result, to_micros(now))
        changed = connection.execute(
            update(_table)
            .where(_table.c.id == delivery.id, _table.c.version == delivery.version)
            .where(_table.c.state == DeliveryState.RECEIVED)
            .values(
                state=done.delivery.state,
                rows=done.delivery.rows,
                rows_passed=done.delivery.rows_passed,
                rows_quarantined=done.delivery.rows_quarantined,
                processed_us=done.delivery.processed_us,
                spec=done.delivery.spec,
                version=done.delivery.version,
            )
        )
        if changed.rowcount != 1:
            return None
        if delivery.rows is None:
            # One that is judged again was profiled then: its parts may be folded into others by now, or forgotten.
            save_profiles(connection, delivery.digest, result.outcome.profiles)
        self._on_processed(connection, done)
        return done

    def _give_up(self, message: Message, now: datetime) -> Processed | None:
        """Fail the delivery of a message that the queue has given up."""
        delivery = self._find(message)
        processed = None
        if delivery is not None and delivery.state is DeliveryState.RECEIVED:
            error = (
                f"delivery {delivery.id}: given up after {MAX_ATTEMPTS} attempts; see the log, then deliver it again"
            )
            with self._database.transaction() as connection:
                processed = self._record(connection, delivery, _Result(Outcome(error=error)), now)
        self._queue.bury(message)
        return processed

    def _find(self, message: Message) -> Delivery | None:
        try:
            return self._database.read(
                lambda connection: find_delivery(connection, str(message.body.get("delivery_id", "")))
            )
        except NotFoundError as error:
            _log.warning("ingest_message_unknown", message_id=message.id, error=str(error))
            return None

    def _acknowledge(self, message: Message) -> None:
        try:
            self._queue.ack(message)
        except ConflictError as error:
            # The lease ran out; whoever has the message now will find its delivery done.
            _log.info("ingest_lease_lost", message_id=message.id, error=str(error))

    def _return(self, work: _Work, error: Exception, *, outage: bool = False) -> None:
        known = isinstance(error, (TrimtabError, OSError))
        _log.warning(
            "ingest_attempt_failed",
            delivery_id=work.delivery.id,
            attempt=work.message.attempts,
            error=str(error),
            exc_info=None if known else error,
        )
        try:
            self._queue.nack(work.message, f"{type(error).__name__}: {error}", outage=outage)
        except ConflictError as lost:
            _log.info("ingest_lease_lost", message_id=work.message.id, error=str(lost))


def _assert_judged_by(connection: Connection, delivery: Delivery, earlier: frozenset[str]) -> None:
    if _processed_tables(connection, str(delivery.model)) != earlier:
        raise ConflictError(
            f"delivery {delivery.id}: another one of {delivery.model!r} was processed meanwhile; "
            "its keys must be known first, so this one is judged again"
        )


def _processed_tables(connection: Connection, model: str) -> frozenset[str]:
    """Return the SHA-256 of the files of ``model`` that were processed."""
    rows = connection.execute(
        select(_table.c.digest).where(
            _table.c.model == model,
            _table.c.kind == DeliveryKind.TABLE,
            _table.c.state == DeliveryState.PROCESSED,
        )
    )
    return frozenset(row.digest.rpartition(":")[2] for row in rows)


def _processed(delivery: Delivery, result: _Result, at_us: int) -> Processed:
    outcome, edition = result.outcome, result.edition
    failed = outcome.error is not None
    spec = {
        **(delivery.spec or {}),
        "reasons": outcome.reasons,
        "remedies": outcome.remedies,
        "broken_by_source": outcome.broken_by_source,
        "span_us": None if outcome.span_us is None else list(outcome.span_us),
        "quarantine_path": outcome.quarantine_path,
        "error": outcome.error,
        **({} if edition is None or edition == FIRST else {"edition": [edition.version, edition.attempt]}),
    }
    after = replace(
        delivery,
        state=DeliveryState.FAILED if failed else DeliveryState.PROCESSED,
        rows=None if failed else outcome.rows,
        rows_passed=None if failed else outcome.rows_passed,
        rows_quarantined=None if failed else outcome.rows_quarantined,
        processed_us=at_us,
        spec=spec,
        version=delivery.version + 1,
    )
    return Processed(
        delivery=after,
        reasons=outcome.reasons,
        broken_by_source=outcome.broken_by_source,
        span_us=outcome.span_us,
        quarantine_path=outcome.quarantine_path,
        error=outcome.error,
    )
