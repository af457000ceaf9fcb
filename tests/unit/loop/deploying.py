"""Versions brought into production and back, as people do, for tests of what follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.unit.loop.projects import MODEL, World

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.arrivals import note_arrivals
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.operation import perform
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.store import Rollout

__all__ = ["DANA", "Deploying"]

DANA = Actor("dana", Role.APPROVER)
_CANARY = """
strategy:
  type: canary
  steps: [{weight_pct: 20, duration: 1h, min_requests: 20}]
"""


@dataclass(frozen=True)
class Deploying:
    """One model whose new versions take all traffic at once, unless `by_canary` says otherwise."""

    world: World

    @staticmethod
    def on(world: World) -> Deploying:
        """Return the model of ``world``."""
        deploying = Deploying(world)
        deploying._config.write_text("strategy: {type: recreate}\n")
        return deploying

    @property
    def _config(self) -> Path:
        return self.world.platform.project.root / "models" / MODEL / "deployment_config.yaml"

    def by_canary(self) -> None:
        """Have new versions start with a fifth of the traffic, for an hour."""
        self._config.write_text(_CANARY)

    def ask(self, name: str, actor: Actor = DANA, /, **fields: object) -> JsonObject:
        """Perform an operation."""
        return perform(self.world.platform, actor, name, fields)

    def bring_in(self, *numbers: int) -> None:
        """Have versions served, one after the other, an hour apart."""
        for number in numbers:
            self.register(number)
            self.deploy(number)
            self.world.clock.advance(timedelta(hours=1))

    def register(self, number: int) -> None:
        """Register an approved version, unless it is there."""
        if number not in {known for known, _state in self.world.versions()}:
            self.world.version(number)

    def deploy(self, number: int) -> None:
        """Roll a version out, as far as it goes."""
        self.ask("rollouts.start", model=MODEL, number=number)
        self.settle()

    def roll_back(self, number: int | None = None, reason: str = "it is worse") -> JsonObject:
        """Ask to go back; nothing has moved yet."""
        return self.ask("rollouts.rollback", model=MODEL, number=number, reason=reason)

    def settle(self, *, look: bool = True) -> None:
        """Let rollouts go on until nothing moves; without ``look`` nobody notices what has arrived."""
        watch = RolloutWatch(self.world.platform)
        moved = True
        while moved:
            apply_desired(self.world.platform)
            arrived = look and note_arrivals(self.world.platform)
            moved = advance_rollouts(self.world.platform, watch) or arrived

    def weights(self) -> dict[str, int]:
        """Return what is desired of production."""
        spec = self.world.platform.database.read(lambda connection: endpoint_store.desired(connection, MODEL))
        return {} if spec is None else {variant.name: int(variant.weight_pct) for variant in spec.live}

    def running(self) -> Rollout | None:
        """Return the rollout under way."""
        return self.world.platform.database.read(lambda connection: store.active_rollout(connection, MODEL))
