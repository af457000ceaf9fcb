"""Writes ``docs/reference/``, two more pages of ``docs/`` and ``schemas/`` from the code that they describe.

``python docs/generate.py`` writes them; with ``--check`` it writes nothing, names what is stale, and exits with 1.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # as a script it sees only its own folder

from docs.generators.architecture import architecture_page
from docs.generators.command_line import command_line
from docs.generators.configuration import configuration
from docs.generators.crash_table import crash_table
from docs.generators.decisions import decisions
from docs.generators.events import events
from docs.generators.fault_tables import fault_tables, with_part
from docs.generators.metrics import metrics_page
from docs.generators.operations import operations_page
from docs.generators.rooms import rooms
from docs.generators.states import action_states, incident_states, rollout_states

import trimtab.bootstrap  # noqa: F401 - importing it fills the table of operations
from trimtab.loop.operation import OPERATIONS
from trimtab.loop.validation import json_schemas

__all__ = ["main", "rendered", "stale"]

ROOT = Path(__file__).resolve().parents[1]
_MARK = "<!-- Written by docs/generate.py; change the code, then run it again. -->"


@functools.cache
def rendered() -> dict[str, str]:
    """Return what every generated file should hold, by its path below the repository's root."""
    schemas = json_schemas()
    pages = {
        "reference/configuration": configuration(schemas, ROOT),
        "reference/operations": operations_page(OPERATIONS.values()),
        "reference/cli": command_line(),
        "reference/events": events(),
        "reference/rollout-states": rollout_states(),
        "reference/action-states": action_states(),
        "reference/incident-states": incident_states(),
        "reference/rooms": rooms(ROOT),
        "reference/metrics": metrics_page(),
        "reference/crash-table": crash_table(),
        "adr/README": decisions(ROOT / "docs" / "adr"),
        "architecture": architecture_page(ROOT),
    }
    files = {f"docs/{name}.md": f"{_MARK}\n\n{text.rstrip()}\n" for name, text in pages.items()}
    benchmarks = ROOT / "docs" / "benchmarks.md"
    verdicts = json.loads((ROOT / "docs" / "benchmarks" / "faults.json").read_bytes())
    files["docs/benchmarks.md"] = with_part(benchmarks.read_text("utf-8"), fault_tables(verdicts))
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
    docs = root / "docs"
    pages = [*(docs / "reference").glob("*.md"), *docs.glob("architecture.md"), *docs.glob("adr/README.md")]
    pages += docs.glob("benchmarks.md")
    return [*pages, *(root / "schemas").glob("*.json")]


if __name__ == "__main__":
    sys.exit(main())
