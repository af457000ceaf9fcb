"""Writes ``docs/reference/``, ``docs/architecture.md`` and ``schemas/`` from the code that they describe.

``python docs/generate.py`` writes them; with ``--check`` it writes nothing, names what is stale, and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

sys.path.append(str(Path(__file__).resolve().parents[1]))  # as a script it sees only its own folder

from docs.architecture import architecture_page, docstring_of
from docs.crash_table import crash_table

import trimtab.bootstrap  # noqa: F401 - importing it fills the table of operations
from trimtab.cli.main import app
from trimtab.core.enums import Severity, Verdict
from trimtab.loop.lanes import DECISIONS, LANE_OF
from trimtab.loop.operation import OPERATIONS, Operation
from trimtab.loop.subscriptions import HANDLERS, SUBSCRIPTIONS
from trimtab.loop.validation import json_schemas
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.actions import LEGAL
from trimtab.remediation.incidents import Incident, IncidentState, close, fold
from trimtab.rollout.phases import as_mermaid
from trimtab.serving.metrics import ServingMetrics

__all__ = ["main", "rendered", "stale"]

ROOT = Path(__file__).resolve().parents[1]
_MARK = "<!-- Written by docs/generate.py; change the code, then run it again. -->"
_PATTERNS = {r"^[a-z0-9][a-z0-9-]{0,62}$": "name", r"^[0-9a-f-]{36}$": "id"}
_Schema = Mapping[str, Any]


def rendered() -> dict[str, str]:
    """Return what every generated file should hold, by its path below the repository's root."""
    schemas = json_schemas()
    pages = {
        "configuration": _configuration(schemas),
        "operations": _operations(OPERATIONS.values()),
        "cli": _command_line(),
        "events": _events(),
        "rollout-states": _rollout_states(),
        "action-states": _action_states(),
        "incident-states": _incident_states(),
        "rooms": _rooms(),
        "metrics": _metrics(),
        "crash-table": crash_table(),
    }
    files = {f"docs/reference/{name}.md": f"{_MARK}\n\n{text.rstrip()}\n" for name, text in pages.items()}
    files["docs/architecture.md"] = f"{_MARK}\n\n{architecture_page(ROOT).rstrip()}\n"
    for name, schema in schemas.items():
        files[f"schemas/{name}.schema.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return files


def stale(root: Path) -> list[str]:
    """Return what below ``root`` differs from what the code says, or should not be there."""
    wanted = rendered()
    found = {path.relative_to(root).as_posix() for path in _generated(root)}
    differing = {name for name, text in wanted.items() if name not in found or (root / name).read_text("utf-8") != text}
    return sorted(differing | (found - wanted.keys()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all files, or with ``--check`` say which are stale; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is stale")
    if parser.parse_args(arguments).check:
        names = stale(ROOT)
        sys.stdout.write("".join(f"{name}: stale; run 'python docs/generate.py'\n" for name in names))
        return 1 if names else 0
    wanted = rendered()
    for path in _generated(ROOT):
        if path.relative_to(ROOT).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


def _generated(root: Path) -> list[Path]:
    pages = [*(root / "docs" / "reference").glob("*.md"), *(root / "docs").glob("architecture.md")]
    return [*pages, *(root / "schemas").glob("*.json")]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return [*head, *("| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |" for row in rows), ""]


def _code(text: object) -> str:
    return f"`{text}`"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(_code(value) for value in values)


def _plain(text: str) -> str:
    """Return a docstring as Markdown of one paragraph: reST's double backticks are single ones there."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def _configuration(schemas: Mapping[str, _Schema]) -> str:
    lines = [
        "# Configuration",
        "",
        "Every file that a user writes, field by field. `trimtab validate` checks them and names file and line;",
        "[`schemas/`](../../schemas) holds the same as JSON Schema, for editors ([how](../operations.md#editors)).",
        "A duration is a number with a unit: `250ms`, `30s`, `10m`, `1h30m`, `7d`, `2w`. A name has lower-case",
        "letters, digits and hyphens.",
        "",
    ]
    for stem, schema in schemas.items():
        lines += [f"## {stem}.yaml", "", *_fields(stem, schema, schema)]
        for name, part in ((name, part) for name, part in schema.get("$defs", {}).items() if "enum" not in part):
            lines += [f'<a id="{_anchor(stem, name)}"></a>', "", f"### {name}", "", *_fields(stem, part, schema)]
    return "\n".join(lines)


def _fields(stem: str, part: _Schema, whole: _Schema) -> list[str]:
    required = part.get("required", [])
    rows = [
        (_code(name), _type(stem, field, whole), _default(name, field, required), _meaning(field, whole))
        for name, field in part.get("properties", {}).items()
    ]
    intro = [_plain(part["description"]), ""] if "description" in part else []
    return [*intro, *_table(("field", "type", "default", "what it is"), rows)]


def _meaning(field: _Schema, whole: _Schema) -> str:
    """Return the field's own description, or else that of what it holds."""
    if "const" in field:
        return "what it is"
    for part in (field, field.get("items", {}), field.get("additionalProperties", {})):
        if "description" in part:
            return _plain(part["description"])
        if "$ref" in part:
            return _plain(whole["$defs"][part["$ref"].rsplit("/", 1)[-1]].get("description", ""))
    return ""


def _default(name: str, field: _Schema, required: Sequence[str]) -> str:
    if name in required:
        return "**required**"
    if "default" not in field:
        return "empty"
    default = field["default"]
    if "$ref" in field and isinstance(default, dict):
        return "its defaults"
    return "empty" if default in ("", [], {}) else _code(json.dumps(default, ensure_ascii=False).strip('"'))


def _type(stem: str, field: _Schema, whole: _Schema) -> str:
    if "$ref" in field:
        return _reference(stem, field["$ref"], whole)
    for union in ("oneOf", "anyOf"):
        if union in field:
            tagged = field.get("discriminator", {}).get("mapping", {})
            names = list(dict.fromkeys(_type(stem, option, whole) for option in field[union]))
            if names[1:] == [f"list of {names[0]}"]:
                return f"{names[0]}, or a list of them"
            chosen = f"by `{field['discriminator']['propertyName']}`: " if tagged else ""
            return chosen + " or ".join(names)
    if "const" in field:
        return _code(field["const"])
    if "enum" in field:
        return "one of " + _listed(field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(stem, field.get('items', {}), whole)}"
    if field.get("type") == "object":
        named = [*field.get("patternProperties", {}).values(), field.get("additionalProperties", {})]
        return f"map of name → {_type(stem, named[0], whole)}"
    return _scalar(field)


def _scalar(field: _Schema) -> str:
    if field.get("type") == "null":
        return "null"
    if "7d" in field.get("examples", []):
        return "duration"
    if field.get("pattern") in _PATTERNS:
        return _PATTERNS[field["pattern"]]
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]}" for key, sign in signs.items() if key in field]
    named = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}
    pattern = f" matching `{field['pattern']}`".replace("|", "\\|") if "pattern" in field else ""
    return named.get(field.get("type", ""), "anything") + (f" {', '.join(bounds)}" if bounds else "") + pattern


def _reference(stem: str, reference: str, whole: _Schema) -> str:
    name = reference.rsplit("/", 1)[-1]
    target = whole["$defs"][name]
    return "one of " + _listed(target["enum"]) if "enum" in target else f"[{name}](#{_anchor(stem, name)})"


def _anchor(stem: str, name: str) -> str:
    return f"{stem}-{name}".lower()


def _operations(operations: Iterable[Operation]) -> str:
    lines = [
        "# What can be asked of the control plane",
        "",
        "One table gives the HTTP routes, the command line's client, and this page. Send `Authorization: Bearer tt_…`;",
        "errors are problem documents (RFC 9457). A running control plane shows the same at `/docs`.",
        "",
    ]
    by_subject: dict[str, list[Operation]] = {}
    for asked in operations:
        by_subject.setdefault(asked.name.split(".")[0], []).append(asked)
    for subject, members in sorted(by_subject.items()):
        lines += [f"## {subject}", ""]
        for asked in members:
            told = f"{_plain(asked.summary)} Role: `{asked.role}`. Name: `{asked.name}`."
            lines += [f"### {_code(f'{asked.method} {asked.path}')}", "", told, "", *_request(asked)]
    return "\n".join(lines)


def _request(asked: Operation) -> list[str]:
    if asked.name == "data.ingest":  # the API has a route of its own for it: files are streamed
        return ["The body is the file itself. Query: `filename` (its ending says what it is), `feed` (optional).", ""]
    schema = asked.request.model_json_schema()
    required = schema.get("required", [])
    rows = [
        (
            _code(name),
            "path" if name in asked.path_fields else "query" if asked.method == "GET" else "body",
            _type("", field, schema),
            _default(name, field, required),
            _meaning(field, schema),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    return _table(("field", "in", "type", "default", "what it is"), rows) if rows else []


def _command_line() -> str:
    root = typer.main.get_command(app)
    lines = [
        "# The command line",
        "",
        "Every command says the same with `--help`. Exit codes: 0 done, 1 refused or failed, 2 wrong input or",
        "configuration, 3 not found, 4 not allowed, 5 not possible now, 6 something that is needed is down,",
        "130 stopped.",
        "",
    ]
    for path, command in _commands((), root):
        lines += [f"## trimtab {' '.join(path)}", "", _plain(command.help or ""), ""]
        rows = [_parameter(parameter) for parameter in command.params if parameter.name not in {"as_json", "project"}]
        lines += _table(("argument or option", "default", "what it is"), rows) if rows else []
        shared = {parameter.name for parameter in command.params} & {"as_json", "project"}
        named = [_code({"as_json": "--json", "project": "--project FOLDER"}[name]) for name in sorted(shared)]
        lines += [f"Also takes {' and '.join(named)}.", ""] if named else []
    return "\n".join(lines)


def _commands(path: tuple[str, ...], group: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands((*path, name), command)
        else:
            yield (*path, name), command


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_option = parameter.opts[0].startswith("-")
    written = " / ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.name.upper()
    default = "**required**" if parameter.required else "–" if parameter.default is None else _code(parameter.default)
    return _code(written), default, _plain(parameter.help or "")


def _events() -> str:
    lines = [
        "# Events, and who hears of them",
        "",
        "An event is a row, written in the transaction of the change that it tells of. There is one delivery row for",
        "each event and subscriber, tried again with growing pauses. To one subscriber, events of one aggregate keep",
        "their order.",
        "",
        *_table(("event", "subscribers"), ((_code(kind), _listed(who)) for kind, who in SUBSCRIPTIONS.items())),
        "## Subscribers",
        "",
    ]
    rows = (
        (_code(name), _code(LANE_OF.get(name, DECISIONS)), _plain((handler.__doc__ or "").strip().splitlines()[0]))
        for name, handler in HANDLERS.items()
    )
    return "\n".join([*lines, *_table(("subscriber", "lane", "what it does"), rows)])


def _rollout_states() -> str:
    intro = "# The states of a rollout\n\nEvery legal transition; what is not here cannot happen.\n\n"
    return f"{intro}```mermaid\n{as_mermaid()}\n```\n"


def _action_states() -> str:
    moves = [f"    {source} --> {target}" for source, targets in LEGAL.items() for target in sorted(targets)]
    ends = [f"    {state} --> [*]" for state, targets in LEGAL.items() if not targets]
    diagram = "\n".join(["stateDiagram-v2", "    [*] --> proposed", *moves, *ends])
    return f"# The states of an action request\n\nEvery legal transition.\n\n```mermaid\n{diagram}\n```\n"


def _incident_states() -> str:
    moves = _incident_moves()
    shown = sorted(f"    {source} --> {target}: {cause}" for source, target, cause in moves)
    diagram = "\n".join(["stateDiagram-v2", "    [*] --> open: first breach", *shown])
    unreached = set(IncidentState) - {state for source, target, _cause in moves for state in (source, target)}
    kept = f"Nothing moves a case there yet: {_listed(sorted(unreached))}.\n\n" if unreached else ""
    told = _plain(IncidentState.__doc__ or "")
    return f"# The states of an incident\n\n{told}\n\n{kept}```mermaid\n{diagram}\n```\n"


def _incident_moves() -> set[tuple[str, str, str]]:
    """Return the moves that an incident makes, found by making them: there is no table of them."""
    now = datetime.fromtimestamp(30, tz=UTC)
    opened = _folded(None, Verdict.BREACH, 1, now)
    resolved = _folded(opened, Verdict.OK, 2, now)
    again = _folded(resolved, Verdict.BREACH, 3, now)
    moves = {
        (opened.state, resolved.state, "all that breached is ok in a later window"),
        (resolved.state, again.state, "one of them breached again within an hour"),
    }
    for incident in (opened, resolved):
        moves.add((incident.state, close(incident, now=now, actor="", why="").state, "put away by a person"))
    return {(source.value, target.value, cause) for source, target, cause in moves}


def _folded(incident: Incident | None, verdict: Verdict, second: int, now: datetime) -> Incident:
    window = Window(start_us=0, end_us=second)
    names: dict[str, Any] = {
        "monitor": "m",
        "kind": "latency",
        "model": "m",
        "endpoint": "m",
        "variant": "v1",
        "column": None,
    }
    numbers: dict[str, Any] = {"model_version": 1, "value": None, "threshold": None, "effect": None}
    check = Check(**names, **numbers, window=window, verdict=verdict, severity=Severity.LOW, explanation="")
    after = fold(incident, [check], now=now, new_id="").incident
    if after is None:
        raise AssertionError(f"no incident after {verdict}")
    return after


def _rooms() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = [
        (str(len(layers) - floor), _code(room), _plain(docstring_of(ROOT, room)))
        for floor, layer in enumerate(layers)
        for room in (name.strip() for name in layer.split("|"))
    ]
    lines = [
        "# Rooms",
        "",
        "Top floor first. A room imports only from floors below it; rooms on one floor don't know each other.",
        "`lint-imports` holds this and the contracts below.",
        "",
        *_table(("floor", "room", "what it is"), rows),
        "## Contracts",
        "",
        *(f"- {contract['name']}." for contract in contracts),
    ]
    return "\n".join(lines)


def _metrics() -> str:
    metrics = ServingMetrics()
    metrics.variant("", "")
    rows = []
    for family in metrics.registry.collect():
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((_code(name), family.type, _listed(labels) or "–", _plain(family.documentation)))
    lines = [
        "# Metrics of the inference server",
        "",
        "At `/metrics` of the inference server, in Prometheus' text format; no key is needed.",
        "",
        *_table(("metric", "type", "labels", "what it is"), rows),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
