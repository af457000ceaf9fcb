"""Trainings and rollouts as run events of OpenLineage 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json).

A training is a run of the job ``train.MODEL``: its id is our job's, its input the snapshot and what this was made of,
its output the bundle. A rollout is a run of ``release.MODEL`` from the bundle to the endpoint. The same event told
twice has the same run, type and time, so that a receiver knows it as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from trimtab import __version__
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros

__all__ = ["Namespace", "release_event", "training_event"]

_PRODUCER: Final = f"https://pypi.org/project/trimtab/{__version__}/"
_SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = "https://openlineage.io/spec/facets"
_OURS: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/BaseFacet"
"""Facets of our own have no schema but that of all facets."""


class Namespace(str):
    """The namespace of a project's jobs and datasets."""

    __slots__ = ()

    @staticmethod
    def of(project: str, configured: str | None) -> Namespace:
        """Return the one that is configured, else ``trimtab://`` and the project's name.

        >>> Namespace.of("shop", None)
        'trimtab://shop'
        """
        return Namespace(configured or f"trimtab://{project}")


def training_event(
    namespace: Namespace,
    *,
    event_type: str,
    at_us: int,
    model: str,
    job_id: str,
    chain: JsonObject | None = None,
    error: str | None = None,
) -> JsonObject:
    """Return the event of a training; ``event_type`` is START, COMPLETE, FAIL or ABORT.

    Args:
        namespace: of jobs and datasets.
        event_type: what happened.
        at_us: when, in microseconds UTC.
        model: whose training it is.
        job_id: our job's id, a UUID.
        chain: of the version that came of it, as `trimtab.loop.lineage.tracing` returns it.
        error: why it failed.
    """
    facets: dict[str, Any] = {"processing_engine": _engine()}
    if error is not None:
        facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", message=error, programmingLanguage="Python")
    inputs: list[JsonObject] = []
    outputs: list[JsonObject] = []
    if chain is not None:
        inputs = _inputs(namespace, model, chain)
        outputs = [_bundle(namespace, model, chain)]
    return _event(namespace, event_type, at_us, job_id, f"train.{model}", facets, inputs, outputs)


def release_event(
    namespace: Namespace, *, event_type: str, at_us: int, model: str, rollout_id: str, endpoint: str, chain: JsonObject
) -> JsonObject:
    """Return the event of a rollout that ended: COMPLETE where the version serves now, else ABORT."""
    serving = {"namespace": namespace, "name": f"endpoints/{quote(endpoint)}", "facets": {}}
    inputs = [_bundle(namespace, model, chain)]
    facets = {"processing_engine": _engine()}
    return _event(namespace, event_type, at_us, rollout_id, f"release.{model}", facets, inputs, [serving])


def _event(
    namespace: Namespace,
    event_type: str,
    at_us: int,
    run_id: str,
    job: str,
    run_facets: Mapping[str, Any],
    inputs: Sequence[JsonObject],
    outputs: Sequence[JsonObject],
) -> JsonObject:
    kind = _facet("2-0-3/JobTypeJobFacet", processingType="BATCH", integration="TRIMTAB", jobType="TASK")
    return {
        "eventType": event_type,
        "eventTime": from_micros(at_us).isoformat(timespec="microseconds"),
        "run": {"runId": run_id, "facets": dict(run_facets)},
        "job": {"namespace": namespace, "name": job, "facets": {"jobType": kind}},
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
    }


def _inputs(namespace: Namespace, model: str, chain: JsonObject) -> list[JsonObject]:
    data = chain["data"]
    if data is None:
        return []
    fields = [{"name": feature["name"], "type": feature["kind"]} for feature in chain["features"]]
    snapshot = {
        "namespace": namespace,
        "name": f"snapshots/{quote(model)}/{data['dataset_hash']}",
        "facets": {
            "schema": _facet("1-1-1/SchemaDatasetFacet", fields=fields),
            "version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=data["dataset_hash"]),
        },
        "inputFacets": {
            "dataQualityMetrics": _facet(
                "1-0-2/DataQualityMetricsInputDatasetFacet", rowCount=data["rows"], columnMetrics={}
            )
        },
    }
    delivered = [
        {"namespace": namespace, "name": f"deliveries/{quote(model)}/{source['digest']}", "facets": {}}
        for source in chain["sources"]
        if source["kind"] == "delivery"
    ]
    return [snapshot, *delivered]


def _bundle(namespace: Namespace, model: str, chain: JsonObject) -> JsonObject:
    version = chain["version"]
    ours = {
        "_producer": _PRODUCER,
        "_schemaURL": _OURS,
        "model": model,
        "number": version["number"],
        "digest": version["digest"],
        "algorithm": version["algorithm"],
        "runId": chain["training"]["run_id"],
        "gitCommit": chain["training"]["git_commit"],
        "configHash": chain["training"]["config_hash"],
    }
    return {
        "namespace": namespace,
        "name": f"bundles/{quote(model)}/{version['digest']}",
        "facets": {
            "version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=str(version["number"])),
            "trimtab_modelVersion": ours,
        },
    }


def _engine() -> JsonObject:
    return _facet("1-1-1/ProcessingEngineRunFacet", name="Trimtab", version=__version__)


def _facet(schema: str, **content: Any) -> JsonObject:
    name = schema.partition("/")[2]
    return {"_producer": _PRODUCER, "_schemaURL": f"{_FACETS}/{schema}.json#/$defs/{name}", **content}
