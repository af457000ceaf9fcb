"""Weighs what a training would gain: every version that may serve answers each labelled period, and is judged on it.

Rows are answered again by the bundles, offline, so that all versions are judged on the same rows, whoever answered
them then. What was judged is stored; a period is judged anew only when its labelled rows or their outcomes have
changed. All is made from what the lake holds: whatever the order in which outcomes came, the ledger ends the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import lt

import structlog

from trimtab.core.clock import from_micros
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.files.disk import is_of_the_disk
from trimtab.lake.feeds import feed_states, quarantined_intervals
from trimtab.loop.answering_again import PeriodRows, SecondAnswers, read_period
from trimtab.loop.course import Course, course_of
from trimtab.loop.decision_periods import MOST_PERIODS, Period, decision_periods, look_back, micros, thin_periods
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.retraining.gain import Advice, Costs, GainReading, Standing, weigh
from trimtab.retraining.ledger import PeriodLoss, VersionLosses
from trimtab.retraining.loss_store import FEWEST_ROWS, Entry, forget, known_evidence, load_ledger, save_entries
from trimtab.retraining.pool import Return, best_kept
from trimtab.retraining.settings import GainCondition, asks
from trimtab.retraining.weeks import in_weeks

__all__ = ["Weighed", "weigh_gain"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a training would gain, and which kept version would be better; ``commit`` stores what was judged for it."""

    reading: GainReading | None
    back: Return | None
    commit: Callable[[Connection], None]

    @staticmethod
    def nothing(why: str | None = None) -> Weighed:
        """Return that nothing is known: nobody asked, or ``why``."""
        reading = None if why is None else GainReading(Advice.UNKNOWN, None, why, 0)
        return Weighed(reading, None, lambda _connection: None)


def weigh_gain(platform: Platform, files: ModelFiles, at_us: int) -> Weighed:
    """Return what the labelled periods until ``at_us`` say; nothing is written before ``commit``.

    Where neither a ``gain`` condition nor a pool asks for it, and where nothing serves yet, nothing is read. Where the
    rows cannot be judged, nothing is known of it, and the reading says why.

    Raises:
        BackendError: the database or the lake is away; the same call may succeed later.
        OSError: the disk refuses; so too.
    """
    try:
        return _weighed(platform, files, at_us)
    except Exception as error:
        if isinstance(error, BackendError) or is_of_the_disk(error):
            raise
        # A boundary: what one condition breaks on must not stop the others.
        _log.exception("ledger.failed", model=files.model.name)
        return Weighed.nothing(f"the labelled periods could not be judged ({type(error).__name__}: {error})")


def _weighed(platform: Platform, files: ModelFiles, at_us: int) -> Weighed:
    keep = 1 if files.retrain.pool is None else files.retrain.pool.keep
    model, endpoint = files.model.name, files.endpoint
    if keep == 1 and not asks(files.retrain.when, GainCondition):
        return Weighed.nothing()
    with platform.database.reading() as connection:
        course = course_of(connection, files, keep=keep)
        if course is None:
            return Weighed.nothing()
        intervals = quarantined_intervals(feed_states(connection, model))
    length = micros(files.retrain.decision_period(files.model.label_delay))
    last = (at_us - micros(files.model.label_delay)) // length
    since_us = (last - MOST_PERIODS) * length
    periods = decision_periods(platform, files, course, at_us, intervals)
    with platform.database.reading() as connection:
        known = known_evidence(connection, model, endpoint, since_us=since_us)
        since = {"champion": course.champion, "since_us": since_us, "period_us": length}
        ledger = load_ledger(connection, model, endpoint, **since)

    def read(start_us: int, classes: int) -> PeriodRows:
        return read_period(
            platform.lake,
            endpoint,
            start_us=start_us,
            end_us=start_us + length,
            known_until_us=at_us,
            intervals=intervals,
            classes=classes,
        )

    thin = thin_periods(periods)
    entries = _judged(files, course, [one for one in periods if one.start_us not in thin], known, read)
    standing = in_weeks(_standing(files, course, periods, _without(_merged(ledger, entries), thin)), length)
    costs = Costs(files.model.costs.retrain, files.model.costs.release)

    def commit(connection: Connection) -> None:
        save_entries(connection, model, endpoint, entries)
        gone = {start_us for _, start_us in known if start_us in thin}
        if entries or gone:
            forget(connection, model, endpoint, judged=course.judged, since_us=since_us, period_us=length, periods=gone)

    return Weighed(_told(weigh(standing, costs), periods, thin), best_kept(standing, costs, course.kept), commit)


def _told(reading: GainReading, periods: Sequence[Period], thin: Collection[int]) -> GainReading:
    """Say of the latest period that it waits for outcomes, if it does."""
    if not periods or periods[-1].start_us not in thin or not periods[-1].answered:
        return reading
    latest = periods[-1]
    since = from_micros(latest.start_us).isoformat(timespec="minutes")
    share = f"only {latest.share:.1%} of its {latest.answered} rows have an outcome yet"
    return dataclasses.replace(reading, why=f"{reading.why}; the period from {since} is not counted: {share}")


def _judged(
    files: ModelFiles,
    course: Course,
    periods: Sequence[Period],
    known: Mapping[tuple[int, int], int],
    read: Callable[[int, int], PeriodRows],
) -> list[Entry]:
    """Return what has to be judged anew; in memory are at most the rows of a period and those that teach its twins."""
    length = micros(files.retrain.decision_period(files.model.label_delay))
    todo = {
        one: [
            number
            for number, learnt_us in course.learnt_until_us.items()
            if one.start_us > learnt_us and known.get((number, one.start_us)) != one.evidence
        ]
        for one in periods
    }
    versions = _loaded(files, course, {number for numbers in todo.values() for number in numbers})
    classes = max((one.classes for one in versions.values()), default=1)
    kept: dict[int, PeriodRows] = {}

    def rows_of(start_us: int) -> PeriodRows:
        if start_us not in kept:
            kept[start_us] = read(start_us, classes)
        return kept[start_us]

    entries: list[Entry] = []
    for period, numbers in todo.items():
        earlier = [period.start_us - back * length for back in range(look_back(length), 0, -1)]
        for start_us in [start_us for start_us in kept if start_us < earlier[0]]:
            del kept[start_us]
        for number in [number for number in numbers if number in versions]:
            unlearnt = [start_us for start_us in earlier if start_us > course.learnt_until_us[number]]
            entry = _entry(versions[number], number, period, unlearnt, rows_of)
            entries += [] if entry is None else [entry]
    return entries


def _loaded(files: ModelFiles, course: Course, numbers: Collection[int]) -> dict[int, SecondAnswers]:
    """Return the versions that can be asked; one whose bundle is damaged leaves the others to be judged."""
    found = {}
    for number in sorted(numbers):
        try:
            found[number] = SecondAnswers(files, course.judged[number])
        except (TrimtabError, OSError) as error:
            _log.warning("ledger.version_left_out", model=files.model.name, version=number, error=str(error))
    return found


def _entry(
    answers: SecondAnswers,
    number: int,
    period: Period,
    earlier: Sequence[int],
    rows_of: Callable[[int], PeriodRows],
) -> Entry | None:
    """Return what a version loses on a period, None where another attempt may tell.

    Rows that it cannot answer are no evidence, which is stored too: until they change nobody tries again.
    """
    try:
        own, twins = answers.losses([rows_of(start_us) for start_us in earlier], rows_of(period.start_us))
    except (BackendError, OSError, MemoryError) as error:
        _log.warning("ledger.period_left_out", version=number, start_us=period.start_us, error=str(error))
        return None
    except Exception as error:  # noqa: BLE001 - a boundary: rows of one period must not cost the others their say
        _log.warning("ledger.period_unanswered", version=number, start_us=period.start_us, error=str(error))
        return Entry(number, period.evidence, PeriodLoss(period.start_us, period.end_us, 0, ()), {})
    return Entry(number, period.evidence, own, twins)


def _merged(ledger: Mapping[int, VersionLosses], entries: Sequence[Entry]) -> dict[int, VersionLosses]:
    """Return the ledger as it will be when the entries are stored."""
    answers = {number: dict(found.answers) for number, found in ledger.items()}
    twins = {number: {name: dict(losses) for name, losses in found.twins.items()} for number, found in ledger.items()}
    for entry in entries:
        start_us, mine = entry.answers.start_us, twins.setdefault(entry.version, {})
        for losses in mine.values():
            losses.pop(start_us, None)
        answers.setdefault(entry.version, {}).pop(start_us, None)
        if entry.answers.rows >= FEWEST_ROWS:
            answers[entry.version][start_us] = entry.answers
            for name, loss in entry.twins.items():
                mine.setdefault(name, {})[start_us] = loss
    return {
        number: VersionLosses(number, dict(sorted(found.items())), twins.get(number, {}))
        for number, found in answers.items()
    }


def _without(ledger: Mapping[int, VersionLosses], starts: Collection[int]) -> dict[int, VersionLosses]:
    return {number: _only(found, lambda start_us: start_us not in starts) for number, found in ledger.items()}


def _standing(
    files: ModelFiles, course: Course, periods: Sequence[Period], ledger: Mapping[int, VersionLosses]
) -> Standing:
    delay_us = micros(files.model.label_delay)
    champions = {one.start_us: course.champion_at(one.end_us + delay_us) for one in periods}
    line = {start_us: number for start_us, number in champions.items() if number is not None}
    # What a version has learnt from says nothing of it: as training moves on, so do the periods that count for it.
    versions = {
        number: _only(found, partial(lt, course.learnt_until_us[number]))
        for number, found in ledger.items()
        if number in course.judged
    }
    return Standing(course.champion, versions, line, course.trainings)


def _only(ledger: VersionLosses, counts: Callable[[int], bool]) -> VersionLosses:
    """Return the ledger of those periods that count, by their starts."""

    def chosen(losses: Mapping[int, PeriodLoss]) -> dict[int, PeriodLoss]:
        return {start_us: loss for start_us, loss in losses.items() if counts(start_us)}

    return VersionLosses(
        ledger.version, chosen(ledger.answers), {name: chosen(losses) for name, losses in ledger.twins.items()}
    )
