"""What most reports are made of: facts, tables, texts and charts in sections, put on a page by one template.

A report that needs a page of its own (an incident's, a deployment's) has a template of its own instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from trimtab.reports.evidence import AuditProof
from trimtab.reports.rendering import render
from trimtab.reports.svg import Chart

__all__ = [
    "Badge",
    "Block",
    "Cell",
    "Document",
    "Fact",
    "Facts",
    "Figure",
    "Paragraph",
    "Points",
    "Section",
    "Table",
    "rendered",
]

Tone = Literal["", "ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A word or two that are to be seen first."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing by name. ``code``: it is to be copied, letter by letter; ``broad``: it needs room."""

    name: str
    value: str
    note: str = ""
    code: bool = False
    broad: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts beside each other."""

    shape: ClassVar[str] = "facts"
    entries: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text; ``muted`` is for what only explains the rest."""

    shape: ClassVar[str] = "paragraph"
    text: str
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences below each other."""

    shape: ClassVar[str] = "points"
    entries: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a table: a text, perhaps as a badge, with a note below it. ``gap``: something is missing here."""

    text: str
    note: str = ""
    tone: Tone | None = None
    code: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of as many fields as ``head`` has names; those in ``numeric`` are set to the right. ``empty``: without rows.

    ``widths`` are percentages of the page, for as many of the first columns as there are.

    Raises:
        ValueError: a row has more or fewer fields.
    """

    shape: ClassVar[str] = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    numeric: frozenset[int] = frozenset()
    empty: str = "Nothing was recorded."
    widths: Sequence[int] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"table: a row has {len(row)} fields; expected {len(self.head)}, one for each column")

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, every field a `Cell`."""
        return [[Cell(field) if isinstance(field, str) else field for field in row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart."""

    shape: ClassVar[str] = "figure"
    chart: Chart


Block = Facts | Paragraph | Points | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under one title. ``flows``: it may be parted by the end of a page."""

    title: str
    blocks: Sequence[Block]
    flows: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A page. ``kicker`` says which kind of report it is, and of what; ``generated_us`` is microseconds UTC."""

    kicker: str
    title: str
    summary: str
    project: str
    generated_us: int
    sections: Sequence[Section]
    badges: Sequence[Badge] = ()
    facts: Sequence[Fact] = ()
    audit: AuditProof | None = None


def rendered(document: Document) -> str:
    """Return ``document`` as one self-contained HTML file."""
    return render("document.html.j2", data=document)
