"""Shows model versions in MLflow's registry. Ours are the truth; MLflow is written to until it agrees.

Importing this file imports MLflow (3.5 s): only the process that projects does so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SADeprecationWarning, SQLAlchemyError

from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError
from trimtab.registry.mlflow_store import open_client, without_login
from trimtab.registry.versions import ModelVersion, VersionState

__all__ = ["OUR_ALIASES", "MlflowProjection", "StageShown"]

StageShown = Literal["Staging", "Production", "Archived"] | None

OUR_ALIASES = ("champion", "challenger")
"""Aliases that are ours to set and to remove; others belong to whoever set them."""

_DIGEST_TAG = "trimtab.digest"
_NUMBER_TAG = "trimtab.version"
_BUNDLE_ARTIFACT = "bundle"
_MAX_TAG_CHARS = 2_000


class MlflowProjection:
    """Writes model versions, tags, aliases and stages into one MLflow registry.

    Idempotent: the digest, kept as a tag, finds the entry again, and what agrees already is not written. One process
    at a time may project a model (two could both create its entry): take a lease.

    Args:
        tracking_uri: where runs are.
        registry_uri: where registered models are; the same place unless given.

    Raises:
        BackendError: MLflow is not reached or refuses.
    """

    def __init__(self, tracking_uri: str, registry_uri: str | None = None) -> None:
        self._where = registry_uri or tracking_uri
        with _translated(self._where):
            self._client = open_client(tracking_uri, self._where)

    def project(self, version: ModelVersion, *, aliases: Mapping[str, int], stage_shown: StageShown = None) -> str:
        """Make MLflow agree with ``version``; return the number that MLflow gave it.

        ``aliases`` are those of the whole model: ``champion`` and ``challenger`` → number of our version. One that it
        lacks is removed; one that points to a version which MLflow does not know yet is set when that is projected.

        Raises:
            BackendError: MLflow is not reached or refuses.
        """
        with _translated(self._where):
            self._ensure_model(version.model)
            entry = self._find(version.model, _DIGEST_TAG, version.digest) or self._create(version)
            for key, value in _tags(version).items():
                if entry.tags.get(key) != value:
                    self._client.set_model_version_tag(version.model, entry.version, key, value)
            reached("projection.tagged")
            stage = stage_shown or "None"
            if entry.current_stage != stage:
                self._client.transition_model_version_stage(version.model, entry.version, stage)
            self._set_aliases(version.model, aliases)
        reached("projection.alias_moved")
        return str(entry.version)

    def _ensure_model(self, model: str) -> None:
        try:
            self._client.get_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self._client.create_registered_model(model, tags={"trimtab": "true"})

    def _find(self, model: str, tag: str, value: str) -> MlflowVersion | None:
        found = self._client.search_model_versions(f"name = '{model}' and tags.`{tag}` = '{value}'", max_results=10)
        return min(found, key=lambda entry: int(entry.version), default=None)

    def _create(self, version: ModelVersion) -> MlflowVersion:
        source = version.bundle_path
        if version.run_id is not None:
            source = f"{self._client.get_run(version.run_id).info.artifact_uri}/{_BUNDLE_ARTIFACT}"
        created = self._client.create_model_version(
            version.model, source=source, run_id=version.run_id, tags=_tags(version), await_creation_for=0
        )
        reached("projection.version_created")
        return created

    def _set_aliases(self, model: str, aliases: Mapping[str, int]) -> None:
        now: dict[str, Any] = self._client.get_registered_model(model).aliases
        for alias in OUR_ALIASES:
            number = aliases.get(alias)
            entry = None if number is None else self._find(model, _NUMBER_TAG, str(number))
            if entry is not None and str(now.get(alias)) != str(entry.version):
                self._client.set_registered_model_alias(model, alias, str(entry.version))
            elif entry is None and alias in now:
                self._client.delete_registered_model_alias(model, alias)


def _tags(version: ModelVersion) -> dict[str, str]:
    lineage = {
        f"trimtab.{key}": value[:_MAX_TAG_CHARS]
        for key, value in version.spec.items()
        if isinstance(value, str) and value
    }
    return lineage | {
        _DIGEST_TAG: version.digest,
        _NUMBER_TAG: str(version.number),
        "trimtab.state": version.state.value,
        "trimtab.algorithm": version.algorithm,
        "trimtab.snapshot_id": version.snapshot_id,
        # Only what passed the gates of training is registered at all; a rejected version leaves staging.
        "staging_ready": "true" if version.state in {VersionState.PENDING, VersionState.APPROVED} else "false",
    }


@contextmanager
def _translated(where: str) -> Iterator[None]:
    with warnings.catch_warnings():
        # Stages are deprecated by MLflow, and asked for by those who look at them.
        warnings.filterwarnings("ignore", category=FutureWarning, message=r"(?s).*stage")
        # MLflow 3.17 configures its tables with an option that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", category=SADeprecationWarning)
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = without_login(" ".join(str(error).split()), where)[:500]
            raise BackendError(
                f"MLflow at {without_login(where, where)}: {said}; check that it runs; it is tried again"
            ) from error
