"""``trimtab validate``: reads all that a user wrote, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from trimtab.config.loading import load_yaml
from trimtab.config.process import setting
from trimtab.config.project import ProjectConfig, ProjectFolder
from trimtab.core.enums import Role
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Database
from trimtab.loop.keys import approvers
from trimtab.loop.model_files import FILE_MODELS, ModelFiles, load_model_files, load_policy
from trimtab.notify.checking import template_faults
from trimtab.remediation.policy import PolicyConfig
from trimtab.reports.documentation import DOCUMENTATION_FILE, DocumentationConfig

__all__ = ["json_schemas", "project_warnings", "validate_project"]


def validate_project(root: Path) -> list[str]:
    """Return every problem found, one sentence each; empty when all is well."""
    problems: list[str] = []

    def attempt(read: Callable[[], object]) -> object | None:
        try:
            return read()
        except TrimtabError as error:
            problems.extend(line for line in str(error).splitlines() if line not in problems)
            return None

    project = attempt(lambda: ProjectFolder.open(root))
    if project is None and (root / "trimtab.yaml").is_file():
        # One wrong line there says nothing about the other files: they are read all the same.
        project = ProjectFolder(root=root.resolve(), config=ProjectConfig(project="unnamed"))
    if isinstance(project, ProjectFolder):
        attempt(lambda: load_policy(project))
        problems.extend(_no_links(project.config))
        problems.extend(template_faults(project.message_templates))
        if not project.model_names:
            problems.append(f"{project.root / 'models'}: holds no folder with a model.yaml; add one, see examples/")
        whole: list[ModelFiles] = []
        for name in project.model_names:
            folder = project.model_folder(name)
            read = [attempt(partial(load_yaml, folder / file, model)) for file, model in FILE_MODELS.items()]
            if (folder / DOCUMENTATION_FILE).is_file():
                attempt(partial(load_yaml, folder / DOCUMENTATION_FILE, DocumentationConfig))
            files = None if None in read else attempt(partial(load_model_files, project, name))
            if isinstance(files, ModelFiles):
                whole.append(files)
        problems.extend(_shared_endpoints(whole))
    return problems


def project_warnings(root: Path) -> list[str]:
    """Return what need not be wrong, but keeps something from working as it is written; empty where nothing does.

    It holds approvers of routes against the keys in the project's own database, if there is one yet.
    """
    try:
        project = ProjectFolder.open(root)
    except TrimtabError:
        return []
    named = [route for route in project.config.notifications if route.approver is not None]
    if not named or setting("database_url") is not None or not project.database.is_file():
        return []
    database = Database.at(project.database)
    try:
        able = database.read(lambda connection: approvers(connection, Role.APPROVER))
    except (TrimtabError, SQLAlchemyError):
        # The database of another release, or one that is broken: that is told by whoever needs it.
        return []
    finally:
        database.close()
    return [
        f"trimtab.yaml: route {route.name!r} is for approver {route.approver!r}, who has no key by which they could "
        f"approve, so that its links are of no use; run 'trimtab keys create NAME --role approver --owner "
        f"{route.approver}', or correct the name"
        for route in named
        if route.approver not in able
    ]


def _no_links(config: ProjectConfig) -> Iterator[str]:
    """Tell of routes whose approver gets no links."""
    named = [route.name for route in config.notifications if route.approver is not None]
    if named and not config.api.is_private:
        yield (
            f"trimtab.yaml: route {named[0]!r} has an approver, but gets no links: "
            f"{config.api.public_url or config.api.host!r} is asked over plain http, where everybody on the way could "
            "use them; put a proxy with TLS in front and set api.public_url to its https address"
        )


def _shared_endpoints(models: Iterable[ModelFiles]) -> Iterator[str]:
    """Tell of endpoints that two models would take from each other."""
    owners: dict[str, str] = {}
    for files in models:
        for field, endpoint in (("endpoint", files.endpoint), ("staging_endpoint", files.staging_endpoint)):
            name = files.model.name
            owner = owners.setdefault(endpoint, name)
            if owner != name:
                yield (
                    f"models/{name}/deployment_config.yaml: {field} {endpoint!r} is that of model {owner!r}, too; "
                    "give each model endpoints of its own"
                )


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each configuration file, by the file's stem."""
    files: dict[str, type[BaseModel]] = {"trimtab.yaml": ProjectConfig, "policy.yaml": PolicyConfig}
    files.update(FILE_MODELS)
    files[DOCUMENTATION_FILE] = DocumentationConfig
    return {
        name.removesuffix(".yaml"): {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(),
        }
        for name, model in files.items()
    }
