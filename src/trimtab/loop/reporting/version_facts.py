"""All that is stored of one version, for its card and its technical documentation. What cannot be read is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, func, select

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.writer import read_manifest
from trimtab.config.loading import load_yaml
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result, incident, snapshot
from trimtab.loop.model_files import ModelFiles, load_policy
from trimtab.loop.platform import Platform
from trimtab.loop.releases import serving_version
from trimtab.loop.reporting.subjects import version_in
from trimtab.loop.trainings import find_job
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.policy import PolicyConfig
from trimtab.reports.documentation import DOCUMENTATION_FILE, DocumentationConfig
from trimtab.rollout import endpoint_store
from trimtab.rollout.store import Rollout, list_rollouts

__all__ = ["VersionFacts", "facts_of"]

_MOST_CHECKS: Final = 400
_MOST_CASES: Final = 50
_QUALITY: Final = ("model_quality", "estimated_quality", "fairness")


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version with everything around it. ``missing`` says, by what it is, why something could not be read.

    ``lives`` are the newest checks of quality and fairness of this version, by monitor and metric; ``sources`` how many
    rows each source delivered for the model.
    """

    files: ModelFiles
    documentation: DocumentationConfig
    version: ModelVersion
    is_serving: bool
    manifest: Manifest | None
    snapshot: Row[Any] | None
    job: JsonObject
    versions: tuple[ModelVersion, ...]
    rollouts: tuple[Rollout, ...]
    lives: Mapping[tuple[str, str], Row[Any]]
    cases: tuple[Row[Any], ...]
    case_count: int
    policy: PolicyConfig | None
    policy_hash: str
    generations: int
    missing: Mapping[str, str]

    @property
    def result(self) -> JsonObject:
        """What the training left; empty where it is not known."""
        return dict(self.job.get("result") or {})

    @property
    def request(self) -> JsonObject:
        """What the training was asked; empty where it is not known."""
        return dict(self.job.get("request") or {})

    @property
    def other_files(self) -> str:
        """Why the model's files do not say how the version was made; empty where they are those it was made with."""
        made_with = self.version.spec.get("config_hash")
        if not made_with:
            return "with which configuration it was made is not on record"
        if made_with == self.files.digest:
            return ""
        commit = self.version.spec.get("git_commit")
        at = f" (commit {commit})" if commit else ""
        now = self.files.digest[:16]
        return f"it was made with configuration {made_with[:16]}…{at}; the files were changed since, to {now}…"


def facts_of(connection: Connection, platform: Platform, subject: str) -> VersionFacts:
    """Return what is stored of ``MODEL@VERSION``; of ``MODEL`` the version that serves, else the newest.

    Raises:
        ConfigError: ``subject`` names neither, or a file of the model does not fit.
        NotFoundError: there is no such model or version.
    """
    model, number = version_in(subject)
    files = platform.files(model)
    serving = serving_version(connection, model, files.endpoint)
    version = _version(connection, model, number, serving)
    missing: dict[str, str] = {}
    manifest, job, policy, policy_hash = None, {}, None, ""
    try:
        manifest = read_manifest(Path(version.bundle_path), expected_digest=version.digest)
    except TrimtabError as error:
        missing["bundle"] = str(error)
    try:
        job = find_job(connection, version.job_id).spec
    except TrimtabError as error:
        missing["training"] = str(error)
    try:
        loaded = load_policy(platform.project)
        policy, policy_hash = loaded.value, loaded.digest
    except TrimtabError as error:
        missing["policy"] = str(error)
    if version.run_id is None:
        missing["MLflow run"] = "none was recorded with this version"
    cases = select(incident).where(incident.c.model == model).order_by(incident.c.opened_us.desc())
    return VersionFacts(
        files=files,
        documentation=_documentation(platform, model),
        version=version,
        is_serving=serving is not None and serving.number == version.number,
        manifest=manifest,
        snapshot=connection.execute(select(snapshot).where(snapshot.c.id == version.snapshot_id)).first(),
        job=job,
        versions=tuple(registry.listing(connection, model=model)),
        rollouts=tuple(list_rollouts(connection, model=model)),
        lives=_lives(connection, files, version.number),
        cases=tuple(connection.execute(cases.limit(_MOST_CASES)).all()),
        case_count=connection.execute(
            select(func.count()).select_from(incident).where(incident.c.model == model)
        ).scalar_one(),
        policy=policy,
        policy_hash=policy_hash,
        generations=len(endpoint_store.endpoint_generations(connection, files.endpoint, limit=1000)),
        missing=missing,
    )


def _version(connection: Connection, model: str, number: int | None, serving: ModelVersion | None) -> ModelVersion:
    if number is not None:
        return registry.get(connection, model, number)
    found = serving or registry.latest(connection, model)
    if found is None:
        raise NotFoundError(f"model {model!r}: has no version to tell of; expected one; see 'trimtab train {model}'")
    return found


def _documentation(platform: Platform, model: str) -> DocumentationConfig:
    """Return what people wrote about the model; all of it empty where there is no such file.

    Raises:
        ConfigError: the file does not fit.
    """
    path = platform.project.model_folder(model) / DOCUMENTATION_FILE
    return load_yaml(path, DocumentationConfig).value if path.is_file() else DocumentationConfig()


def _lives(connection: Connection, files: ModelFiles, number: int) -> dict[tuple[str, str], Row[Any]]:
    query = (
        select(check_result)
        .where(
            check_result.c.model == files.model.name,
            check_result.c.endpoint == files.endpoint,
            check_result.c.model_version == number,
            check_result.c.kind.in_(_QUALITY),
        )
        .order_by(check_result.c.at_us.desc(), check_result.c.id.desc())
        .limit(_MOST_CHECKS)
    )
    found: dict[tuple[str, str], Row[Any]] = {}
    for row in connection.execute(query).all():
        metric = row.spec["detail"].get("metric")
        if metric is not None:
            found.setdefault((row.monitor, str(metric)), row)
    return found
