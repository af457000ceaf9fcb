"""Actions on what serves: more workers, empty caches, a pause. Each is a new generation of the endpoint's spec."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.loop.actions.base import AtOnce, Began, Undo
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store
from trimtab.serving.spec import EndpointSpec, PauseSpec

__all__ = ["ClearCache", "Pause", "Resume", "Scale", "workers_at_least"]

_RETRY_AFTER_S = 60


class _Serving(AtOnce):
    """What ends when every worker serves the generation that it made."""

    def lasts(self, _platform: Platform, _request: ActionRequest) -> timedelta:
        """Ten minutes: a server takes up a spec within seconds, once it runs."""
        return timedelta(minutes=10)

    def cancel(self, connection: Connection, platform: Platform, request: ActionRequest, *, by: str, why: str) -> None:
        """Desire again what was desired before, of that which this action changed."""
        spec = _present(connection, request)
        before = {name: self._as_spec(value) for name, value in request.effect.get("before", {}).items()}
        if any(getattr(spec, name) != value for name, value in before.items()):
            _desire(connection, platform, request, spec, f"cancelled: {why}", by=by, **before)

    def _change(self, connection: Connection, platform: Platform, request: ActionRequest, **changed: Any) -> Began:
        spec = _present(connection, request)
        before = {name: msgspec.to_builtins(getattr(spec, name)) for name in changed}
        by = request.decided_by or request.requested_by
        after = _desire(connection, platform, request, spec, request.reason or request.purpose, by=by, **changed)
        return Began(None, {"generation": after.generation, "before": before})

    @staticmethod
    def _as_spec(value: Any) -> Any:
        return msgspec.convert(value, type=PauseSpec) if isinstance(value, dict) else value


class Scale(_Serving):
    """Has an endpoint answered by more workers, or by as many as before."""

    kind: ClassVar[ActionKind] = ActionKind.SCALE

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Desire ``workers`` at least; without a number twice as many as are wanted at least now.

        Raises:
            ConflictError: the server has no more, or nothing would change.
        """
        spec, most = _present(connection, request), platform.project.config.serving.workers
        present = workers_at_least(spec)
        if present is None:
            raise ConflictError(
                f"endpoint {spec.endpoint!r}: has all {most} workers of its server already, expected autoscaling in "
                "deployment_config.yaml; raise serving.workers in trimtab.yaml, and start the platform again"
            )
        more = "workers" not in request.params
        asked = min(2 * present, most) if more else request.params["workers"]
        wanted = None if asked is None else int(asked)
        nothing_new = wanted is not None and (more or spec.scaled_to is None) and wanted <= present
        if wanted == spec.scaled_to or nothing_new:
            raise ConflictError(
                f"endpoint {spec.endpoint!r}: has {present} workers at least already, of {most}; nothing to scale; "
                "raise serving.workers in trimtab.yaml"
            )
        if wanted is not None and wanted > most:
            raise ConflictError(
                f"endpoint {spec.endpoint!r}: {wanted} workers, but its server has {most} at most; ask for fewer, or "
                "raise serving.workers in trimtab.yaml"
            )
        return self._change(connection, platform, request, scaled_to=wanted)

    def undo(self, request: ActionRequest) -> Undo | None:
        """Return the scaling to what it was."""
        if request.undoes is not None or "before" not in request.effect:
            return None
        params = {"workers": request.effect["before"]["scaled_to"]}
        return Undo(ActionKind.SCALE, "have as many workers as before: more did not help", params)


class ClearCache(_Serving):
    """Makes every worker forget what it has read from the feature source."""

    kind: ClassVar[ActionKind] = ActionKind.CLEAR_CACHE

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Desire the next epoch of caches.

        Raises:
            ConflictError: the endpoint caches nothing.
        """
        spec = _present(connection, request)
        if spec.features is None or spec.features.cache_s is None:
            raise ConflictError(
                f"endpoint {spec.endpoint!r}: caches nothing, expected features with cache_s in "
                "deployment_config.yaml; nothing to clear"
            )
        return self._change(connection, platform, request, cache_epoch=spec.cache_epoch + 1)

    def cancel(
        self, _connection: Connection, _platform: Platform, _request: ActionRequest, *, by: str, why: str
    ) -> None:
        """Do nothing: a cache that was emptied fills by itself."""


class Pause(_Serving):
    """Has an endpoint refuse all requests (503) until it is resumed."""

    kind: ClassVar[ActionKind] = ActionKind.PAUSE_ENDPOINT

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Desire the pause.

        Raises:
            ConflictError: it is paused already.
        """
        spec = _present(connection, request)
        if spec.paused is not None:
            raise ConflictError(f"endpoint {spec.endpoint!r}: is paused already ({spec.paused.reason}); resume it")
        reason = str(request.params.get("reason") or request.reason or request.purpose)[:500]
        retry_after_s = int(request.params.get("retry_after_s", _RETRY_AFTER_S))
        pause = PauseSpec(reason=reason, retry_after_s=retry_after_s)
        return self._change(connection, platform, request, paused=pause)

    def undo(self, request: ActionRequest) -> Undo | None:
        """Return the resumption."""
        if request.undoes is not None:
            return None
        return Undo(ActionKind.RESUME_ENDPOINT, "answer callers again: the pause was of no use", {})


class Resume(_Serving):
    """Ends a pause."""

    kind: ClassVar[ActionKind] = ActionKind.RESUME_ENDPOINT

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Desire an endpoint that answers.

        Raises:
            ConflictError: it is not paused.
        """
        spec = _present(connection, request)
        if spec.paused is None:
            raise ConflictError(f"endpoint {spec.endpoint!r}: is not paused; nothing to resume")
        return self._change(connection, platform, request, paused=None)


def workers_at_least(spec: EndpointSpec) -> int | None:
    """Return how many workers an endpoint wants at least; None without autoscaling: it has all of its server's."""
    return None if spec.autoscaling is None else max(spec.autoscaling.min_workers, spec.scaled_to or 1)


def _present(connection: Connection, request: ActionRequest) -> EndpointSpec:
    endpoint = request.endpoint or request.model
    spec = endpoint_store.desired(connection, endpoint)
    if spec is None or not spec.variants:
        raise NotFoundError(f"endpoint {endpoint!r}: serves nothing; deploy a version first")
    return spec


def _desire(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    spec: EndpointSpec,
    reason: str,
    *,
    by: str,
    **changed: Any,
) -> EndpointSpec:
    wanted = msgspec.structs.replace(spec, generation=spec.generation + 1, **changed)
    return endpoint_store.desire(
        connection,
        wanted,
        model=request.model,
        actor=by,
        reason=reason,
        at_us=platform.now_us(),
        # It stays a step of its rollout: whoever looks at that sees when the new generation serves.
        rollout_id=endpoint_store.rollout_of(connection, spec),
    )
