"""What an endpoint has gone through: which version was its champion when, and what came of each training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from trimtab.db.engine import Connection
from trimtab.db.tables import job, model_version, snapshot
from trimtab.db.tables import rollout as rollout_table
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.releases import aliases_of
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.retraining.gain import LATEST_TRAININGS, Training
from trimtab.retraining.pool import kept_versions
from trimtab.rollout.phases import Phase
from trimtab.rollout.way_back import went_back

__all__ = ["Course", "Promotion", "course_of", "promotions_of"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that took all traffic; ``goes_back``: again, since somebody went back to it."""

    at_us: int
    version: int
    goes_back: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """The endpoint's champion, what was promoted on it and trained for it, in order, and the versions to judge.

    ``judged`` are the champion, the kept ones and those that the last trainings replaced, with the event time up to
    which each has learnt.
    """

    champion: int
    kept: tuple[int, ...]
    promotions: tuple[Promotion, ...]
    trainings: tuple[Training, ...]
    judged: Mapping[int, ModelVersion]
    learnt_until_us: Mapping[int, int]

    def champion_at(self, at_us: int) -> int | None:
        """Return which version had all traffic at ``at_us``, None before the first."""
        return _champion_at(self.promotions, at_us)


def course_of(connection: Connection, files: ModelFiles, *, keep: int) -> Course | None:
    """Return the endpoint's course, None where nothing serves. ``keep`` versions are kept, the champion among them."""
    champion = aliases_of(connection, files.endpoint).get("champion")
    if champion is None:
        return None
    promotions = promotions_of(connection, files.endpoint)
    trainings = _trainings(connection, files, promotions)
    kept = kept_versions([one.version for one in promotions], champion, keep)
    before = [one.before for one in trainings if one.concluded][-LATEST_TRAININGS:]
    judged = _usable(connection, files.model.name, {champion, *kept, *before})
    if champion not in judged:
        return None
    learnt = {number: _learnt_until(connection, version) for number, version in judged.items()}
    kept = tuple(number for number in kept if number in judged)
    return Course(champion, kept, promotions, trainings, judged, learnt)


def promotions_of(connection: Connection, endpoint: str) -> tuple[Promotion, ...]:
    """Return which versions took all traffic, and when, in order."""
    query = (
        select(rollout_table.c.id, rollout_table.c.candidate, rollout_table.c.finished_us)
        .where(rollout_table.c.endpoint == endpoint, rollout_table.c.phase == Phase.PROMOTED.value)
        .order_by(rollout_table.c.finished_us, rollout_table.c.started_us, rollout_table.c.id)
    )
    back = went_back(connection, endpoint)
    rows = connection.execute(query).all()
    return tuple(Promotion(int(row.finished_us), int(row.candidate), row.id in back) for row in rows)


def _trainings(connection: Connection, files: ModelFiles, promotions: Sequence[Promotion]) -> tuple[Training, ...]:
    """Return the trainings since the first promotion: those that took all traffic at that moment, others at their end.

    One that crashed or was cancelled is none: it has taught nothing of what a training gains. Nor is one that a person
    started beside the conditions, unless its version took all traffic: it may have been an experiment.
    """
    query = (
        select(job.c.finished_us, job.c.spec, model_version.c.number, model_version.c.state)
        .select_from(job.outerjoin(model_version, model_version.c.job_id == job.c.id))
        .where(job.c.model == files.model.name, job.c.kind == "training", job.c.state == "succeeded")
    )
    first: dict[int, int] = {}
    for one in promotions:
        first.setdefault(one.version, one.at_us)
    taken_back = _taken_back(connection, files.endpoint)
    found = []
    for row in connection.execute(query):
        promoted_us = first.get(row.number)
        if promoted_us is None and row.spec.get("action_id") is None:
            continue
        ended_us = row.finished_us if promoted_us is None else promoted_us
        before = None if ended_us is None else _champion_at(promotions, int(ended_us) - 1)
        if before is None:
            continue
        if promoted_us is not None:
            found.append(Training(int(ended_us), before, row.number))
        else:
            # No version: a gate refused it. Any other waits for a person, or is being tried.
            concluded = row.number is None or row.state == VersionState.REJECTED.value or row.number in taken_back
            found.append(Training(int(ended_us), before, None, concluded))
    return tuple(sorted(found, key=_order))


def _taken_back(connection: Connection, endpoint: str) -> frozenset[int]:
    """Return the versions whose latest rollout ended with what served before."""
    query = (
        select(rollout_table.c.candidate, rollout_table.c.phase)
        .where(rollout_table.c.endpoint == endpoint)
        .order_by(rollout_table.c.started_us, rollout_table.c.id)
    )
    latest = {int(row.candidate): row.phase for row in connection.execute(query)}
    return frozenset(number for number, phase in latest.items() if phase == Phase.ROLLED_BACK.value)


def _order(training: Training) -> tuple[int, Any]:
    return training.ended_us, training.after or 0


def _champion_at(promotions: Sequence[Promotion], at_us: int) -> int | None:
    return next((one.version for one in reversed(promotions) if one.at_us <= at_us), None)


def _usable(connection: Connection, model: str, numbers: Collection[int]) -> dict[int, ModelVersion]:
    """Return those versions that may serve: nobody looks at what was rejected."""
    found = [registry.get(connection, model, number) for number in sorted(numbers)]
    return {version.number: version for version in found if version.state is not VersionState.REJECTED}


def _learnt_until(connection: Connection, version: ModelVersion) -> int:
    """Return the event time of the last row that a version learnt from; at the latest when it was made.

    A row may bear a time to come: by that one all rows until then would pass for learnt.
    """
    query = select(snapshot.c.span_end_us).where(snapshot.c.id == version.snapshot_id)
    span_end_us = connection.execute(query).scalar_one_or_none()
    return version.created_us if span_end_us is None else min(int(span_end_us), version.created_us)
