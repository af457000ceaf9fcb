"""Going back: an earlier version takes all traffic at once."""

from __future__ import annotations

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.leaving import in_words, left_by_going_back
from trimtab.loop.operation import operation
from trimtab.loop.operations.deployment import weights_of
from trimtab.loop.platform import Platform
from trimtab.loop.requests import ModelRequest, Number, Reason
from trimtab.loop.rollbacks import endpoint_of, start_rollback
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store, store


class Rollback(ModelRequest):
    """To which version, and why; without a number to the one that served before."""

    number: Number | None = Field(
        default=None, description="A version that served before; null: the one before this, or what a rollout replaces."
    )
    reason: Reason = ""


@operation("rollouts.rollback", "POST", "/api/models/{model}/rollback", Role.APPROVER, Rollback)
def roll_back(platform: Platform, actor: Actor, request: Rollback) -> JsonObject:
    """Go back to an earlier version at once: abort what is under way, or bring the version in without a canary.

    That waits for nobody, unless a rule of the policy says so of people.
    """
    reason = request.reason or f"rolled back by {actor.name}"
    with platform.database.transaction() as connection:
        endpoint = endpoint_of(connection, platform, request.model)
        # Who names no version means to leave the one that they see: by the time another has agreed it may be another.
        left = left_by_going_back(connection, endpoint) if request.number is None else {}
        to = f"go back to version {request.number} of {request.model}"
        wish = Wish(
            ActionKind.ROLL_BACK,
            request.model,
            purpose=in_words(request.model, left) if request.number is None else to,
            params={"number": request.number, "reason": reason, **left},
            about=None if request.number is None else str(request.number),
        )
        asked = ask(connection, platform, actor, wish)
        done = asked.done
        if asked.request is None:
            # The same is under way: it goes on.
            answer = start_rollback(
                connection, platform, request.model, to=request.number, by=actor.name, reason=reason
            )
            done = answer.done
        told = waiting_told(connection, asked)
        running = None if asked.waits else store.active_rollout(connection, endpoint)
        wanted = endpoint_store.desired(connection, endpoint)
    platform.wake.set()
    return {
        "model": request.model,
        "endpoint": endpoint,
        "done": done,
        "rollout_id": None if running is None else running.id,
        "number": None if running is None else running.spec.candidate.number,
        "generation": 0 if wanted is None else wanted.generation,
        "serves": {} if wanted is None else weights_of(wanted),
        **told,
    }
