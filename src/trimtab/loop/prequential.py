"""Weighs what a training would gain: every version that may serve answers each labelled period, and is judged on it.

Rows are answered again by the bundles, offline, so that all versions are judged on the same rows, whoever answered
them then. What was judged is stored; a period is judged anew only when its rows or outcomes have changed. All is made
from what the lake holds, in its order: whatever the order in which outcomes came, the ledger ends the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from trimtab.core.canonical import digest_of
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.lake.feeds import feed_states, quarantined_intervals
from trimtab.loop.answering_again import PeriodRows, SecondAnswers, read_period
from trimtab.loop.course import Course, course_of
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.retraining.gain import Costs, GainReading, Standing, weigh
from trimtab.retraining.ledger import PeriodLoss, VersionLosses
from trimtab.retraining.loss_store import FEWEST_ROWS, Entry, known_evidence, load_ledger, save_entries
from trimtab.retraining.pool import Return, best_kept

__all__ = ["Weighed", "weigh_gain"]

_log = structlog.get_logger(__name__)

_MOST_PERIODS = 60
_LOOK_BACK = 2
_NO_END_US = 1 << 62


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a training would gain, and which kept version would be better; ``commit`` stores what was judged for it."""

    reading: GainReading | None
    back: Return | None
    commit: Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class _Period:
    """A decision period, and a number that names the files that can tell of it and of the two before."""

    start_us: int
    end_us: int
    evidence: int


def weigh_gain(platform: Platform, files: ModelFiles, at_us: int) -> Weighed:
    """Return what the labelled periods until ``at_us`` say; nothing is written before ``commit``.

    Where neither a ``gain`` condition nor a pool asks for it, and where nothing serves yet, nothing is read.
    """
    keep = 1 if files.retrain.pool is None else files.retrain.pool.keep
    nothing = Weighed(None, None, lambda _connection: None)
    if keep == 1 and not _asks_for_gain(files):
        return nothing
    with platform.database.reading() as connection:
        course = course_of(connection, files, keep=keep)
        if course is None:
            return nothing
        intervals = quarantined_intervals(feed_states(connection, files.model.name))
        known = known_evidence(connection, files.model.name, files.endpoint)
        spans = {name: [[one.since_us, one.until_us] for one in found] for name, found in intervals.items()}
        periods = _periods(platform, files, course, at_us, digest_of(spans))
        ledger = load_ledger(
            connection,
            files.model.name,
            files.endpoint,
            since_us=periods[0].start_us if periods else _NO_END_US,
            period_us=_micros(files.retrain.decision_period(files.model.label_delay)),
        )

    def read(start_us: int, end_us: int) -> PeriodRows:
        return read_period(
            platform.lake, files.endpoint, start_us=start_us, end_us=end_us, known_until_us=at_us, intervals=intervals
        )

    entries = _judged(files, course, periods, known, read)
    standing = _standing(files, course, periods, _merged(ledger, entries))
    costs = Costs(files.model.costs.retrain, files.model.costs.release)

    def commit(connection: Connection) -> None:
        save_entries(connection, files.model.name, files.endpoint, entries)

    return Weighed(weigh(standing, costs), best_kept(standing, costs, course.kept), commit)


def _asks_for_gain(files: ModelFiles) -> bool:
    def named(value: Any) -> bool:
        if isinstance(value, Mapping):
            return value.get("gain") is not None or any(named(one) for one in value.values())
        return isinstance(value, list | tuple) and any(named(one) for one in value)

    return named(files.retrain.when.model_dump(mode="json"))


def _periods(platform: Platform, files: ModelFiles, course: Course, at_us: int, held_back: str) -> Sequence[_Period]:
    """Return the periods whose outcomes are due by ``at_us`` and that some version has not learnt from, in order."""
    length = _micros(files.retrain.decision_period(files.model.label_delay))
    last = (at_us - _micros(files.model.label_delay)) // length
    first = max(min(course.learnt_until_us.values()) // length + 1, last - _MOST_PERIODS)
    spans = [(place * length, (place + 1) * length) for place in range(first, last)]
    if not spans:
        return ()
    since_us, end_us = spans[0][0] - _LOOK_BACK * length, spans[-1][1]
    records = [
        (file.path.name, file.start_us, file.end_us)
        for file in platform.lake.record_files(files.endpoint, start_us=since_us, end_us=end_us)
    ]
    truths = [
        (file.path.name, *(file.span_us or (-_NO_END_US, _NO_END_US)))
        for file in platform.lake.truth_files(files.endpoint, start_us=since_us, end_us=end_us, known_until_us=at_us)
    ]
    found = []
    for start, end in spans:
        # The twins of a period have learnt from the two before it.
        early = start - _LOOK_BACK * length
        names = sorted(name for name, first_us, last_us in (*records, *truths) if first_us < end and last_us >= early)
        found.append(_Period(start, end, int(digest_of([names, held_back, files.model.main_metric])[:15], 16)))
    return found


def _judged(
    files: ModelFiles,
    course: Course,
    periods: Sequence[_Period],
    known: Mapping[tuple[int, int], int],
    read: Callable[[int, int], PeriodRows],
) -> list[Entry]:
    """Return what has to be judged anew."""
    length = _micros(files.retrain.decision_period(files.model.label_delay))
    kept: dict[int, PeriodRows] = {}

    def rows_of(start_us: int) -> PeriodRows:
        if start_us not in kept:
            kept[start_us] = read(start_us, start_us + length)
        return kept[start_us]

    entries: list[Entry] = []
    for number, version in course.judged.items():
        learnt_us = course.learnt_until_us[number]
        unlearnt = [one for one in periods if one.start_us > learnt_us]
        todo = [one for one in unlearnt if known.get((number, one.start_us)) != one.evidence]
        if not todo:
            continue
        try:
            answers = SecondAnswers(files, version)
            for period in todo:
                earlier = [period.start_us - back * length for back in range(_LOOK_BACK, 0, -1)]
                before = [rows_of(start_us) for start_us in earlier if start_us > learnt_us]
                own, twins = answers.losses(before, rows_of(period.start_us))
                entries.append(Entry(number, period.evidence, own, twins))
        except (TrimtabError, OSError) as error:
            # Its bundle is damaged, or asks for what the rows lack: the other versions are judged all the same.
            _log.warning("ledger.version_left_out", model=files.model.name, version=number, error=str(error))
    return entries


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


def _standing(
    files: ModelFiles, course: Course, periods: Sequence[_Period], ledger: Mapping[int, VersionLosses]
) -> Standing:
    delay_us = _micros(files.model.label_delay)
    champions = {one.start_us: course.champion_at(one.end_us + delay_us) for one in periods}
    line = {start_us: number for start_us, number in champions.items() if number is not None}
    # What a version has learnt from says nothing of it: as training moves on, so do the periods that count for it.
    versions = {
        number: _unlearnt(found, course.learnt_until_us[number])
        for number, found in ledger.items()
        if number in course.judged
    }
    return Standing(course.champion, versions, line, course.trainings)


def _unlearnt(ledger: VersionLosses, learnt_us: int) -> VersionLosses:
    def later(losses: Mapping[int, PeriodLoss]) -> dict[int, PeriodLoss]:
        return {start_us: loss for start_us, loss in losses.items() if start_us > learnt_us}

    return VersionLosses(
        ledger.version, later(ledger.answers), {name: later(losses) for name, losses in ledger.twins.items()}
    )


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
