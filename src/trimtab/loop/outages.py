"""Finds what takes a candidate back whatever production says: processes died of it, or nothing is heard any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trimtab.core.enums import Verdict
from trimtab.loop.platform import Platform
from trimtab.rollout import endpoint_store
from trimtab.rollout.state import Evidence
from trimtab.rollout.store import Rollout
from trimtab.serving.draws import DrawsReading
from trimtab.serving.lives import deaths_of

__all__ = ["MOST_DEATHS", "SILENT_S", "OutageWatch"]

MOST_DEATHS: Final = 3
"""So many processes may not die while a candidate is served: a supervisor gives up after five a minute."""
SILENT_S: Final = 60.0
"""For so long production may tell nothing of a candidate."""

_GAP_S: Final = 30.0
_GENERATIONS: Final = 1_000


class OutageWatch:
    """Remembers since when production is silent; how often its processes died it reads, where they left it."""

    def __init__(self, platform: Platform, monotonic_s: Callable[[], float]) -> None:
        self._platform = platform
        self._monotonic_s = monotonic_s
        self._silent: dict[str, tuple[float, float]] = {}

    def of(self, rollout: Rollout, reading: DrawsReading | None, hindered: str | None) -> tuple[Evidence, ...]:
        """Return breaches alone. ``hindered``: why a server that runs tells nothing; None: it does, or none runs here.

        That none runs here is no fault of the candidate's: it was stopped, or those that serve are on other machines.
        """
        return (*self._deaths(rollout, reading), *self._silence(rollout, hindered))

    def _deaths(self, rollout: Rollout, reading: DrawsReading | None) -> tuple[Evidence, ...]:
        # Its own words are not enough: a server that dies of each first request never comes to say them.
        found = dict(deaths_of(self._platform.project.serving, rollout.spec.endpoint))
        for generation, count in () if reading is None else reading.deaths:
            found[generation] = max(count, found.get(generation, 0))
        if sum(found.values()) < MOST_DEATHS:
            return ()
        count = sum(found.get(generation, 0) for generation in self._generations_of(rollout))
        if count < MOST_DEATHS:
            return ()
        why = (
            f"{count} processes of the server died while they served {rollout.spec.candidate.variant}, without having "
            f"been told to end; fewer than {MOST_DEATHS} are allowed"
        )
        return (Evidence("deaths", Verdict.BREACH, float(count), float(MOST_DEATHS), why),)

    def _silence(self, rollout: Rollout, hindered: str | None) -> tuple[Evidence, ...]:
        if hindered is None or rollout.spec.stable is None:
            self._silent.pop(rollout.id, None)
            return ()
        now_s = self._monotonic_s()
        since_s, last_s = self._silent.get(rollout.id, (now_s, now_s))
        if now_s - last_s > _GAP_S:
            # Nobody looked meanwhile: it may be this process that was stopped.
            since_s = now_s
        recent = {name: one for name, one in self._silent.items() if now_s - one[1] <= _GAP_S}
        self._silent = {**recent, rollout.id: (since_s, now_s)}
        silent_s = now_s - since_s
        if silent_s < SILENT_S:
            return ()
        why = f"production has told nothing of its variants for {silent_s:.0f} s: {hindered}"
        return (Evidence("counts", Verdict.BREACH, silent_s, SILENT_S, why),)

    def _generations_of(self, rollout: Rollout) -> list[int]:
        """Return the generations in which the rollout's candidate was behind its endpoint."""
        with self._platform.database.reading() as connection:
            told = endpoint_store.endpoint_generations(connection, rollout.spec.endpoint, limit=_GENERATIONS)
        name = rollout.spec.candidate.variant
        return [
            one.spec.generation
            for one in told
            if one.rollout_id == rollout.id and any(variant.name == name for variant in one.spec.variants)
        ]
