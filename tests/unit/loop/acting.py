"""Actions that were agreed to, and what came of them, for tests of what they do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, World

from trimtab.core.clock import to_micros
from trimtab.core.enums import Tier
from trimtab.db.tables import notification
from trimtab.loop.gate import publish_action
from trimtab.loop.overdue import settle_served
from trimtab.loop.rollouts import apply_desired
from trimtab.remediation.action_store import create_action, load_action, save_grant
from trimtab.remediation.actions import ActionRequest, ActionState, Grant, PredictedImpact, advance
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store
from trimtab.serving.spec import EndpointSpec

__all__ = ["Acting"]


@dataclass(frozen=True)
class Acting:
    """A platform that serves version 1 of its model, and actions on it."""

    world: World

    @staticmethod
    def on(world: World) -> Acting:
        """Have version 1 served."""
        deploying = Deploying.on(world)
        deploying.bring_in(1)
        world.deliver()
        return Acting(world)

    def agreed(
        self,
        kind: ActionKind,
        params: dict[str, Any] | None = None,
        *,
        model: str = MODEL,
        by: str = "dana",
        lasts: timedelta = timedelta(days=1),
        incident_id: str | None = None,
        impact: PredictedImpact | None = None,
    ) -> str:
        """Store a request that ``by`` has agreed to, and tell the loop; return its id."""
        platform = self.world.platform
        now = platform.clock.now()
        request = ActionRequest(
            id=platform.new_id(),
            dedup_key=f"{kind}:{model}",
            kind=kind,
            model=model,
            tier=Tier.APPROVAL,
            purpose=kind.value,
            requested_by="policy",
            created_us=to_micros(now),
            endpoint=model,
            incident_id=incident_id,
            params=params or {},
            predicted_impact=impact,
            reason="a test",
        )
        approved = advance(request, ActionState.APPROVED, at_us=to_micros(now), by=by)
        with platform.database.transaction() as connection:
            assert create_action(connection, approved).id == approved.id
            until_us = to_micros(now + lasts)
            save_grant(connection, Grant(platform.new_id(), approved.id, "", (kind,), by, to_micros(now), until_us))
            publish_action(connection, platform, approved)
        return approved.id

    def done(self, kind: ActionKind, params: dict[str, Any] | None = None, **more: Any) -> ActionRequest:
        """Have an action agreed to, run and taken up by the server; return how it ended."""
        action_id = self.agreed(kind, params, **more)
        self.settle()
        return self.action(action_id)

    def settle(self) -> None:
        """Let events, server and what watches it come to rest."""
        while True:
            self.world.deliver()
            apply_desired(self.world.platform)
            if not settle_served(self.world.platform):
                return

    def action(self, action_id: str) -> ActionRequest:
        """Return a request as it stands."""
        return self.world.platform.database.read(lambda connection: load_action(connection, action_id))

    def spec(self) -> EndpointSpec:
        """Return what is desired of production."""
        found = self.world.platform.database.read(lambda connection: endpoint_store.desired(connection, MODEL))
        assert found is not None
        return found

    def asked_for_people(self) -> list[str]:
        """Return the messages that ask a person to take over."""
        query = select(notification.c.body).where(notification.c.title.contains("a person is wanted"))
        return list(self.world.platform.database.read(lambda c: c.execute(query).scalars().all()))
