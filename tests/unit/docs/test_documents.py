"""What people read is true where a machine can tell: links lead somewhere, commands exist."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from trimtab.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
    key=lambda path: path.as_posix(),
)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?<![\w/.-])trimtab ([a-z]+)(?: ([a-z]+))?")
_CONSOLE = re.compile(r"^\$ (?:\w+=\S+ )*trimtab (.*)$", re.MULTILINE)
_QUOTED = re.compile(r"[`'\"](trimtab [^`'\"\n]*)[`'\"]")


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _anchors(page: Path) -> set[str]:
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def _broken(page: Path) -> Iterator[str]:
    for target in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            yield target


@functools.cache
def _commands() -> dict[str, set[str]]:
    root: Any = typer.main.get_command(app)
    return {name: set(getattr(command, "commands", {})) for name, command in root.commands.items()}


def _unknown(text: str) -> Iterator[str]:
    known = _commands()
    for first, second in _COMMAND.findall(text):
        if first not in known or (known[first] and second and second not in known[first]):
            yield f"trimtab {first} {second}".strip()


@pytest.mark.parametrize("page", PAGES, ids=_relative)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(_broken(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=_relative)
def test_commands_in_documents_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    written = [f"trimtab {rest}" for rest in _CONSOLE.findall(text)] + _QUOTED.findall(text)
    assert [name for command in written for name in _unknown(command)] == []


def test_commands_that_messages_recommend_exist() -> None:
    sources = sorted((ROOT / "src").rglob("*.py"))
    told = {_relative(path): list(_unknown("\n".join(_QUOTED.findall(path.read_text("utf-8"))))) for path in sources}
    assert {name: unknown for name, unknown in told.items() if unknown} == {}


def test_a_broken_link_and_an_unknown_command_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[gone](gone.md) [here](#a-title) [nowhere](#b)\n", encoding="utf-8")
    assert list(_broken(page)) == ["gone.md", "#b"]
    assert list(_unknown("trimtab status, trimtab fly, trimtab jobs list, trimtab jobs fly")) == [
        "trimtab fly",
        "trimtab jobs fly",
    ]


def test_every_decision_record_has_its_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text("utf-8")
        assert [part for part in ("## Context", "## Decision", "## Consequences") if part not in text] == [], path.name
