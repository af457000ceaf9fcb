"""A rollout that goes on, a server that counts, and what looks at it: for tests of what a rollout sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec
from tests.unit.loop.counted import CountedRequests
from tests.unit.loop.projects import MODEL, World

from trimtab.loop.observing import RolloutWatch
from trimtab.loop.outcomes_watch import OutcomesWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import Seen, advance_rollouts, apply_desired
from trimtab.rollout import analysis_store, store
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import Evidence
from trimtab.rollout.store import Rollout

__all__ = ["CANARY", "Going"]

CANARY = """
sticky_key: {sticky}
strategy:
  type: canary
  steps:
    - {{weight_pct: 20, duration: 1h, min_requests: 20}}
    - {{weight_pct: 50, duration: 1h, min_requests: 20}}
    - {{weight_pct: 100, duration: 1h, min_requests: 20}}
"""


def _at_once(work: Callable[[], None]) -> None:
    work()


class Going:
    """A rollout of version 2 over version 1, with a server that counts."""

    def __init__(self, world: World, config: str = CANARY, *, sticky: str = "null") -> None:
        self.world = world
        self.counted = CountedRequests(world.server)
        (world.platform.project.root / "models" / MODEL / "deployment_config.yaml").write_text(
            config.format(sticky=sticky)
        )
        self.now_s = 0.0
        self.look_again()
        self.id = self._start(1)
        self.advance()
        self.id = self._start(2)
        self.advance()

    def _start(self, number: int) -> str:
        self.world.version(number)
        with self.world.platform.database.transaction() as connection:
            return start_rollout(connection, self.world.platform, self.world.platform.files(MODEL), number, by="d").id

    @property
    def now(self) -> Rollout:
        return self.world.platform.database.read(lambda connection: store.load_rollout(connection, self.id))

    def advance(self, *, after: timedelta = timedelta(0)) -> Phase:
        """Let some time go by, and the rollout go as far as it can."""
        self.world.clock.advance(after)
        apply_desired(self.world.platform)
        while advance_rollouts(self.world.platform, self.watch):
            pass
        apply_desired(self.world.platform)
        return self.now.state.phase

    def busy(self) -> None:
        """Have so many requests go well that no limit is in doubt."""
        for _ in range(10):
            self.counted.ask_both(4_000)
            assert self.advance(after=timedelta(seconds=10)) is Phase.CANARY

    def look(self) -> Seen:
        rollout = self.now
        spec = [spec for spec in self.world.server.applied if spec.endpoint == MODEL][-1]
        rollout = replace(rollout, state=replace(rollout.state, generation=spec.generation))
        return self.watch.look(
            rollout, self.world.platform.database.read(lambda c: analysis_store.load_analysis(c, rollout.id))
        )

    def keep(self) -> None:
        """Store what is known, as the loop does now and then, without a look."""
        with self.world.platform.database.transaction() as connection:
            known = analysis_store.load_analysis(connection, self.id)
            content = self.look().analysis
            assert content is not None
            analysis_store.save_analysis(connection, known, content, None, at_us=known.updated_us)

    def evidence(self) -> dict[str, Evidence]:
        return {piece.name: piece for piece in self.look().observation.evidence}

    def look_again(self, beside: Callable[[Callable[[], None]], None] = _at_once) -> None:
        """Another control plane takes over; ``beside``: how soon its lake answers."""

        def monotonic_s() -> float:
            return self.now_s

        outcomes = OutcomesWatch(self.world.platform, monotonic_s=monotonic_s, beside=beside)
        self.watch = RolloutWatch(self.world.platform, self.counted, outcomes=outcomes, monotonic_s=monotonic_s)

    def production_says(self, error: str | None) -> None:
        """Have production keep the generation before the last one, for ``error``; None: it serves the last one."""
        status = self.world.server.serves[MODEL]
        generation = status.desired_generation - (0 if error is None else 1)
        self.world.server.serves[MODEL] = msgspec.structs.replace(status, generation=generation, error=error)
