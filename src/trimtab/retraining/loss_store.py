"""The ledger of losses in the database: one row for a version, one of its series and a decision period."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, insert, or_, select

from trimtab.db.engine import Connection
from trimtab.db.tables import version_loss
from trimtab.retraining.ledger import PeriodLoss, VersionLosses

__all__ = ["ANSWERS", "FEWEST_ROWS", "Entry", "forget", "known_evidence", "load_ledger", "save_entries"]

ANSWERS = "answers"
FEWEST_ROWS = 20
"""With fewer labelled rows a period is no evidence."""
_TWIN = "twin:"


@dataclass(frozen=True, slots=True)
class Entry:
    """All series of one version on one period, made from ``evidence``: a number that names rows and outcomes."""

    version: int
    evidence: int
    answers: PeriodLoss
    twins: Mapping[str, PeriodLoss]


def save_entries(connection: Connection, model: str, endpoint: str, entries: Sequence[Entry]) -> None:
    """Store the entries in the place of those of the same version and period; the same ones twice change nothing."""
    mine = version_loss.c.model == model, version_loss.c.endpoint == endpoint
    for entry in entries:
        of_entry = version_loss.c.model_version == entry.version, version_loss.c.start_us == entry.answers.start_us
        connection.execute(delete(version_loss).where(*mine, *of_entry))
        series = {ANSWERS: entry.answers} | {f"{_TWIN}{name}"[:64]: loss for name, loss in entry.twins.items()}
        rows = [
            {
                "model": model,
                "endpoint": endpoint,
                "model_version": entry.version,
                "series": name,
                "start_us": loss.start_us,
                "end_us": loss.end_us,
                "rows": loss.rows,
                "loss": loss.total,
                "spec": {"blocks": list(loss.blocks), "hardness": loss.hardness},
                "revision": entry.evidence,
            }
            for name, loss in series.items()
        ]
        connection.execute(insert(version_loss), rows)


def forget(
    connection: Connection,
    model: str,
    endpoint: str,
    *,
    judged: Collection[int],
    since_us: int,
    period_us: int,
    periods: Collection[int] = (),
) -> None:
    """Delete what is not asked for any more: the ledger stays as small as what is judged, however long it is kept.

    These are versions that are not ``judged``, ``periods`` (by their starts) that do not count any more, those of
    another length, and twins of what began before ``since_us``. A version's own answers stay as long as it: they tell
    how it began.
    """
    connection.execute(
        delete(version_loss).where(
            version_loss.c.model == model,
            version_loss.c.endpoint == endpoint,
            or_(
                version_loss.c.model_version.not_in(list(judged)),
                version_loss.c.start_us.in_(list(periods)),
                version_loss.c.end_us - version_loss.c.start_us != period_us,
                and_(version_loss.c.start_us < since_us, version_loss.c.series != ANSWERS),
            ),
        )
    )


def known_evidence(connection: Connection, model: str, endpoint: str, *, since_us: int) -> dict[tuple[int, int], int]:
    """Return what each entry of a period from ``since_us`` on was made from, by version and start of the period."""
    query = select(version_loss.c.model_version, version_loss.c.start_us, version_loss.c.revision).where(
        version_loss.c.model == model,
        version_loss.c.endpoint == endpoint,
        version_loss.c.start_us >= since_us,
        version_loss.c.series == ANSWERS,
    )
    return {(row.model_version, row.start_us): row.revision for row in connection.execute(query)}


def load_ledger(
    connection: Connection, model: str, endpoint: str, *, champion: int, since_us: int, period_us: int
) -> dict[int, VersionLosses]:
    """Return the ledgers of all versions, as far as their periods begin at ``since_us`` or later, and last so long.

    The champion's own answers are there from the first on: its present loss is held against what it lost then.
    Periods of another length, from before the setting was changed, are left out: their sums cannot be added to these.
    """
    query = select(version_loss).where(
        version_loss.c.model == model,
        version_loss.c.endpoint == endpoint,
        or_(version_loss.c.start_us >= since_us, version_loss.c.model_version == champion),
        version_loss.c.end_us - version_loss.c.start_us == period_us,
        version_loss.c.rows >= FEWEST_ROWS,
    )
    is_twin = and_(version_loss.c.series.startswith(_TWIN), version_loss.c.start_us >= since_us)
    answers: dict[int, dict[int, PeriodLoss]] = {}
    twins: dict[int, dict[str, dict[int, PeriodLoss]]] = {}
    for row in connection.execute(query.where(or_(version_loss.c.series == ANSWERS, is_twin))):
        spec = row.spec
        loss = PeriodLoss(row.start_us, row.end_us, row.rows, tuple(spec["blocks"]), spec["hardness"])
        if row.series == ANSWERS:
            answers.setdefault(row.model_version, {})[row.start_us] = loss
        else:
            name = row.series.removeprefix(_TWIN)
            twins.setdefault(row.model_version, {}).setdefault(name, {})[row.start_us] = loss
    return {
        number: VersionLosses(number, dict(sorted(found.items())), twins.get(number, {}))
        for number, found in sorted(answers.items())
    }
