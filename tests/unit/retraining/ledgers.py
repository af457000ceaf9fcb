"""Ledgers made of numbers, for tests of what is read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.retraining.gain import Standing, Training
from trimtab.retraining.ledger import PeriodLoss, VersionLosses

__all__ = ["ledger_of", "period", "standing_of"]

BLOCKS = 7


def period(start: int, total: float, *, hardness: float = 100.0) -> PeriodLoss:
    """Return a period whose blocks have lost the same."""
    return PeriodLoss(start, start + 1, 700, (total / BLOCKS,) * BLOCKS, hardness)


def ledger_of(
    version: int, answers: Mapping[int, float], twins: Mapping[str, Mapping[int, float]] | None = None
) -> VersionLosses:
    """Return a version's ledger from the total losses of its periods."""
    return VersionLosses(
        version,
        {start: period(start, total) for start, total in answers.items()},
        {
            name: {start: period(start, total) for start, total in losses.items()}
            for name, losses in (twins or {}).items()
        },
    )


def standing_of(*ledgers: VersionLosses, trainings: Sequence[Training] = ()) -> Standing:
    """Return the standing whose champion is the first version, and always was."""
    champion = ledgers[0]
    line = dict.fromkeys(champion.answers, champion.version)
    return Standing(champion.version, {one.version: one for one in ledgers}, line, trainings)
