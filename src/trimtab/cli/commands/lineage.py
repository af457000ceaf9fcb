"""``trimtab lineage``: where an answer or a version comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.tree import Tree

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, console, escaped, say, when
from trimtab.core.canonical import JsonObject
from trimtab.files import write_atomically

__all__ = ["add_to"]

_VERSION: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,62})@(\d{1,9})")
_SHOWN: Final = 10


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(lineage)


def lineage(
    of: Annotated[str, typer.Argument(metavar="PREDICTION_ID|MODEL@VERSION", help="An answer's id, or a version.")],
    svg: Annotated[Path | None, typer.Option(help="Draw it into this file, too.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say which version answered, what it was made of, by which code, and who agreed."""
    client = connect(Path(project))
    version = _VERSION.fullmatch(of)
    if version is None:
        answer = client.ask("lineage.prediction", prediction_id=of)
    else:
        answer = client.ask("lineage.version", model=version[1], number=int(version[2]))
    if svg is not None:
        # Start-up cost: only who wants a picture needs what draws it.
        from trimtab.reports.lineage_plot import draw_lineage

        write_atomically(svg, draw_lineage(answer).encode())
    if as_json:
        say(answer, as_json, "")
        return
    console.print(_tree(escaped(answer)))


def _tree(found: JsonObject) -> Tree:
    prediction, version = found["prediction"], found["version"]
    if prediction is not None:
        root = Tree(f"[bold]prediction {prediction['prediction_id']}[/] of {prediction['endpoint']}")
        given = ", ".join(f"{name}={value}" for name, value in prediction["features"].items())
        root.add(f"answered {prediction['row'].get('prediction')} at {when(prediction['row'].get('received_us'))}")
        root.add(f"asked: {given}")
        _add_served(root, found["served"])
    else:
        root = Tree(f"[bold]{found['model']}@{version['number']}[/]")
    if version is not None:
        _add_version(root, found)
    if found["missing"]:
        gaps = root.add("[bold]missing[/]")
        for gap in found["missing"]:
            gaps.add(gap)
    return root


def _add_served(root: Tree, served: JsonObject | None) -> None:
    if served is None:
        return
    moment = when(served["since_us"]) if served["since_us"] is not None else "never seen to be served"
    by = served["started_by"] or served["actor"]
    why = served["started_because"] or served["reason"]
    root.add(f"generation {served['generation']}, since {moment}, by {by}: {why}")


def _add_version(root: Tree, found: JsonObject) -> None:
    version, training, data = found["version"], found["training"], found["data"]
    verified = "verified" if version["bundle_verified"] else "NOT verified"
    branch = root.add(
        f"version [bold]{found['model']}@{version['number']}[/] ({version['algorithm']}, {version['state']}), "
        f"bundle {version['digest'][:12]} {verified}"
    )
    _add_agreement(branch, found["agreement"])
    made = branch.add(f"training {training['job_id']}, asked by {training['asked_by'] or 'nobody known'}")
    if training["asked_for"] is not None:
        _add_action(made, training["asked_for"])
    made.add(f"code: git {training['git_commit'] or 'commit not known'}")
    made.add(f"configuration {(training['config_hash'] or 'not known')[:12]}")
    made.add(f"MLflow run {training['run_id'] or 'not known'}")
    if data is not None:
        _add_data(made, data, found["sources"])
    counted = [one for one in found["features"] if one["weight"] is not None]
    loudest = sorted(counted, key=lambda one: -one["weight"])[:_SHOWN]
    names = ", ".join(f"{one['name']} {one['weight']:.2g}" for one in loudest)
    branch.add(f"{len(found['features'])} features; by {found['weighed_by'] or 'weight'}: {names or 'not known'}")


def _add_agreement(branch: Tree, agreement: JsonObject | None) -> None:
    if agreement is None:
        branch.add("nobody has decided on it")
        return
    reason = f": {agreement['reason']}" if agreement["reason"] else ""
    decided = branch.add(f"decided by {agreement['decided_by']} at {when(agreement['decided_us'])}{reason}")
    for action in agreement["actions"]:
        _add_action(decided, action)


def _add_action(branch: Tree, action: JsonObject) -> None:
    granted = f", granted by {action['granted_by']}" if action["granted_by"] else ""
    asked = branch.add(f"{action['kind']} {action['action_id']}, asked by {action['requested_by']}{granted}")
    for vote in action["votes"]:
        said = f": {vote['comment']}" if vote["comment"] else ""
        asked.add(f"{vote['owner']}: {vote['word']}{said}")
    incident = action["incident"]
    if incident is not None:
        diagnosis = (incident["diagnosis"] or "not diagnosed").replace("_", " ")
        asked.add(f"incident {incident['incident_id']}: {incident['title']} ({diagnosis})")


def _add_data(branch: Tree, data: JsonObject, sources: Sequence[JsonObject]) -> None:
    span = f"{when(data['span_start_us'])} … {when(data['span_end_us'])}" if data["span_start_us"] else "no times"
    rows = branch.add(f"snapshot {data['dataset_hash']}: {data['rows']} rows, {span}")
    rows.add(f"contract {(data['contract_digest'] or '?')[:12]}")
    for source in sources[:_SHOWN]:
        if source["kind"] == "production":
            rows.add(f"{source['rows']} labelled rows that {source['endpoint']} had answered")
        else:
            feed = f" of feed {source['feed']}" if source["feed"] else ""
            rows.add(f"file {source['name']}{feed}: {source['rows_passed']} of {source['rows']} rows passed")
    if len(sources) > _SHOWN:
        rows.add(f"and {len(sources) - _SHOWN} more; see --json")
