"""How the models do, in numbers: what was measured last, how far the data have moved, which version serves."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.actor import Actor
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.operation import operation
from trimtab.loop.operations.deployment import weights_of
from trimtab.loop.platform import Platform
from trimtab.loop.stages import stages_of
from trimtab.loop.standing import newest_checks
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import StoredCheck, recent_checks
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.signals import key_of
from trimtab.retraining.store import last_retrain_us
from trimtab.rollout import endpoint_store

_DRIFT = frozenset({"data_drift", "plain_drift", "prediction_drift", "attribution_drift"})


class OfModels(Strict):
    """Of which model."""

    model: Name | None = Field(default=None, description="Only this one; null: every model of the project.")


@operation("metrics.show", "GET", "/api/metrics", Role.VIEWER, OfModels)
def show_metrics(platform: Platform, _actor: Actor, request: OfModels) -> JsonObject:
    """Say what each monitor of a model measured last: quality, latency, errors and the others, but for drift.

    For Prometheus the same stands at `/metrics`, that of the columns too.
    """

    def told(connection: Connection, files: ModelFiles) -> JsonObject:
        checks = _newest(connection, platform, files)
        return {"metrics": [_told(one) for one in checks if one.check.kind not in _DRIFT]}

    return _of_each(platform, request, told)


@operation("metrics.drift", "GET", "/api/metrics/drift", Role.VIEWER, OfModels)
def show_drift(platform: Platform, _actor: Actor, request: OfModels) -> JsonObject:
    """Say how far inputs and answers have moved: by column, and the share of columns that moved too far.

    The share is of the columns that could be judged; null where there was none. `far_out` names those that lie beyond
    their limit and are no alarm yet: they are not among the judged ones, and not in the share.
    """

    def told(connection: Connection, files: ModelFiles) -> JsonObject:
        checks = [one for one in _newest(connection, platform, files) if one.check.kind in _DRIFT]
        of_columns = [one.check for one in checks if one.check.column is not None]
        worst: dict[str, bool] = {}
        for check in of_columns:
            if check.column is not None and check.verdict is not Verdict.INCONCLUSIVE:
                worst[check.column] = worst.get(check.column, False) or check.verdict is Verdict.BREACH
        far = {check.column for check in of_columns if _is_far_out(check)}
        return {
            "drift_share": sum(worst.values()) / len(worst) if worst else None,
            "columns": len({check.column for check in of_columns}),
            "columns_judged": len(worst),
            "far_out": sorted(str(name) for name in far if name not in worst),
            "drift": [_told(one) for one in checks],
        }

    return _of_each(platform, request, told)


@operation("models.status", "GET", "/api/model-status", Role.VIEWER, OfModels)
def show_models(platform: Platform, _actor: Actor, request: OfModels) -> JsonObject:
    """Say of each model which version serves, how good it was when it was made, and when it was last retrained."""

    def told(connection: Connection, files: ModelFiles) -> JsonObject:
        model, endpoint = files.model.name, files.endpoint
        stages, spec = stages_of(connection, endpoint), endpoint_store.desired(connection, endpoint)
        champion, newest = stages.aliases.get("champion"), registry.latest(connection, model)
        serving = None if champion is None else registry.get(connection, model, champion)
        return {
            "endpoint": endpoint,
            "serves": {} if spec is None else weights_of(spec),
            "champion": None if serving is None else {**_version(serving), "stage": stages.of(serving)},
            "newest": None if newest is None else {**_version(newest), "stage": stages.of(newest)},
            "primary_metric": files.model.main_metric,
            "last_retraining_us": last_retrain_us(connection, model),
        }

    return _of_each(platform, request, told)


def _of_each(platform: Platform, request: OfModels, told: Callable[[Connection, ModelFiles], JsonObject]) -> JsonObject:
    """Answer for one model, or for all: then one whose files cannot be read says so, and hides no other."""
    if request.model is not None:
        files = platform.files(request.model)
        with platform.database.reading() as connection:
            return {"at_us": platform.now_us(), "models": [{"model": request.model, **told(connection, files)}]}
    models: list[JsonObject] = []
    with platform.database.reading() as connection:
        for name in platform.project.model_names:
            try:
                files = platform.files(name)
            except TrimtabError as error:
                models.append({"model": name, "error": str(error)})
                continue
            models.append({"model": name, **told(connection, files)})
    return {"at_us": platform.now_us(), "models": models}


def _newest(connection: Connection, platform: Platform, files: ModelFiles) -> list[StoredCheck]:
    now_us = platform.now_us()
    which = newest_checks(files, now_us)
    return recent_checks(connection, files.model.name, None, until_us=now_us, which=which)


def _is_far_out(check: Check) -> bool:
    beyond = check.value is not None and check.threshold is not None and check.value > check.threshold
    return check.verdict is Verdict.INCONCLUSIVE and beyond


def _told(stored: StoredCheck) -> JsonObject:
    check: Check = stored.check
    return {
        "monitor": check.monitor,
        "kind": check.kind,
        "part": key_of(check).part,
        "endpoint": check.endpoint,
        "variant": check.variant,
        "version": check.model_version,
        "value": check.value,
        "threshold": check.threshold,
        "effect": check.effect,
        "verdict": check.verdict.value,
        "at_us": stored.at_us,
    }


def _version(version: ModelVersion) -> JsonObject:
    return {
        "number": version.number,
        "state": version.state.value,
        "algorithm": version.algorithm,
        "metrics": dict(version.metrics),
        "created_us": version.created_us,
    }
