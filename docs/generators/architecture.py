"""Draws ``docs/architecture.md`` from the code: rooms, loop, records."""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from trimtab.audit.entry import AuditEntry
from trimtab.bundle.manifest import Manifest
from trimtab.db.outbox import Event
from trimtab.lake.snapshots import Snapshot
from trimtab.loop.subscriptions import SUBSCRIPTIONS
from trimtab.monitoring.check import Check
from trimtab.profiles.periods import PeriodProfile
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.incidents import Incident
from trimtab.rollout.phases import as_mermaid
from trimtab.serving.spec import EndpointSpec
from trimtab.training.request import TrainingRequest, TrainingResult

__all__ = ["architecture_page", "docstring_of"]

_RECORDS = (
    Snapshot,
    TrainingRequest,
    TrainingResult,
    Manifest,
    EndpointSpec,
    PeriodProfile,
    Check,
    Incident,
    ActionRequest,
    Event,
    AuditEntry,
)

_HEAD = """# Architecture

Trimtab is one loop. Data becomes a dataset version, a dataset version a model version, a model version answers
requests, answers come back as data, monitors judge them, and a written policy decides what is done. No part calls the
next one: each leaves a **record**, and the conductor (`loop/`) brings parts and records together. All pictures here are
drawn from the code by `docs/generate.py`; a test fails when they no longer agree with it.

## Processes

`trimtab up` runs three, and restarts one that dies:

| process | what it does | what it may not need |
|---|---|---|
| control plane | API, conductor: ingest, snapshots, jobs, rollouts, checks, incidents, actions | – |
| inference server | answers requests, writes each answer into a journal before it leaves | database, control plane |
| shipper | turns the journal into Arrow segments and hands them to the intake | database, control plane |

A training is a process of its own beside them. It outlives a control plane that dies, and leaves its result in a
folder; [ADR 8](adr/0008-jobs-hold-a-kernel-lock.md) says how it is known whether it still lives.
"""

_ROOMS = """## Rooms

A folder of `src/trimtab/` is a room. A room imports only from floors below it, and rooms on one floor don't know each
other; `lint-imports` holds both ([ADR 1](adr/0001-rooms-and-one-import-direction.md)).
[What each is for](reference/rooms.md).
"""

_LOOP = """## The loop

Round boxes are events: rows that are written in the transaction of the change that they tell of. Square boxes on the
left of an event tell it, those on the right hear of it ([ADR 7](adr/0007-lanes-and-outbox.md),
[the same as a table](reference/events.md)). Each subscriber gets each event until it has taken it; doing so twice has
the effect of once. What was given up after many attempts is shown by `trimtab events list`.
"""

_ROLLOUT = """## A rollout

`step(spec, state, observation, now)` is a pure function; what it returns is stored first and then made so
([ADR 2](adr/0002-desired-state-first.md)). These are all moves that there are:
"""

_TABLE = """## Records

What the rooms hand to each other. Each is defined once, in the room that makes it.
"""


def architecture_page(root: Path) -> str:
    """Return the page for the repository at ``root``."""
    parts = [
        _HEAD,
        _ROOMS,
        _fenced(_rooms(root)),
        _LOOP,
        _fenced(_loop(root / "src" / "trimtab" / "loop")),
        _ROLLOUT,
        _fenced(as_mermaid()),
        _TABLE,
        "\n".join(_records(root / "src" / "trimtab")),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def docstring_of(root: Path, room: str) -> str:
    """Return the first paragraph of what ``room`` says of itself."""
    package = root / "src" / "trimtab" / room
    source = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
    return (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").split("\n\n")[0]


def _fenced(diagram: str) -> str:
    return f"```mermaid\n{diagram}\n```"


def _rooms(root: Path) -> str:
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    lines = ["flowchart TB"]
    for floor, layer in enumerate(layers):
        rooms = [room.strip() for room in layer.split("|")]
        lines += [
            f'    subgraph f{floor}[" "]',
            "        direction LR",
            *(f"        {room}" for room in rooms),
            "    end",
        ]
    lines += [f"    f{floor} --> f{floor + 1}" for floor in range(len(layers) - 1)]
    return "\n".join(lines)


def _loop(folder: Path) -> str:
    tells = _publishers(folder)
    lines = ["flowchart LR"]
    for kind, subscribers in SUBSCRIPTIONS.items():
        node = kind.replace(".", "_")
        lines.append(f"    {node}([{kind}])")
        lines += [f"    {name}_tells[{name}] --> {node}" for name in sorted(tells[kind])]
        lines += [f"    {node} --> {name}_hears[{name}]" for name in subscribers]
    return "\n".join(lines)


def _publishers(folder: Path) -> dict[str, set[str]]:
    """Return, for each kind of event, the modules of the loop that publish it.

    Raises:
        LookupError: nobody tells of an event that somebody waits for.
    """
    found: dict[str, set[str]] = {kind: set() for kind in SUBSCRIPTIONS}
    begun: list[tuple[str, str]] = []
    for path in sorted(folder.rglob("*.py")):
        for text, is_whole in _published(ast.parse(path.read_text("utf-8"))):
            if not is_whole:
                begun.append((text, path.stem))
            elif text in found:
                found[text].add(path.stem)
    for start, name in begun:
        for kind in (kind for kind, who in found.items() if kind.startswith(start) and not who - {name}):
            found[kind].add(name)
    untold = sorted(kind for kind, who in found.items() if not who)
    if untold:
        raise LookupError(f"events {untold}: nobody in {folder} tells of them; remove them from SUBSCRIPTIONS")
    return found


def _published(module: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield the kinds of events that a module publishes, whole or only how they begin (``f"incident.{…}"``)."""
    for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
        assigned = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "publish" and len(call.args) > 1:
                kind = call.args[1]
                yield from _texts(assigned.get(kind.id, kind) if isinstance(kind, ast.Name) else kind)


def _texts(node: ast.expr) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.JoinedStr):
        yield from ((start, False) for start, _whole in _texts(node.values[0]))
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, True


def _records(package: Path) -> list[str]:
    readers = _importers(package)
    lines = ["| record | made in | read in | what it is |", "|---|---|---|---|"]
    for record in _RECORDS:
        room = record.__module__.split(".")[1]
        others = ", ".join(f"`{name}`" for name in sorted(readers.get(record.__name__, set()) - {room})) or "–"
        told = " ".join((inspect.getdoc(record) or "").split("\n\n")[0].replace("``", "`").split())
        lines.append(f"| `{record.__name__}` | `{room}` | {others} | {told.replace('|', chr(92) + '|')} |")
    return lines


def _importers(package: Path) -> Mapping[str, set[str]]:
    """Return, for each name that is imported anywhere, the rooms that import it."""
    found: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trimtab."):
                for alias in node.names:
                    found.setdefault(alias.name, set()).add(room)
    return found
