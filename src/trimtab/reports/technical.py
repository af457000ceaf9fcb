"""Technical documentation after Annex IV of the EU AI Act: what is stored, what people wrote, and what is missing.

Gaps are marked and counted: this makes no system compliant, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.reports.document import Badge, Cell, Document, Fact, Paragraph, Section, Table, rendered
from trimtab.reports.evidence import AuditProof
from trimtab.reports.technical_points import ARTICLES, CHAPTERS, REQUIREMENTS, Requirement

__all__ = ["TechnicalReportData", "technical_report"]

_WIDTHS = (8, 30)
_NO_ADVICE = (
    "This document puts together what is on record, in the order of Annex IV of Regulation (EU) 2024/1689. It is no "
    "legal advice, and no statement that the system is compliant: whether the regulation applies, from when on, and "
    "whether what stands here is enough, only people can judge."
)


@dataclass(frozen=True, slots=True)
class TechnicalReportData:
    """Everything that the documentation shows: texts by source, and by entry of ``documentation.yaml``.

    A source without a text is a gap; ``missing`` says why, where that is known.
    """

    project: str
    model: str
    number: int
    description: str
    generated_us: int
    filled: Mapping[str, Sequence[str]]
    written: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)
    audit: AuditProof | None = None

    def texts_of(self, requirement: Requirement) -> Sequence[str]:
        """Return what there is for a requirement; nothing is a gap."""
        return self.texts_from(requirement.source, requirement.entry)

    def texts_from(self, source: str | None, entry: str | None) -> Sequence[str]:
        """Return what there is of a source, or of an entry where it is none."""
        if source is not None:
            return [text for text in self.filled.get(source, ()) if text]
        text = self.written.get(entry or "", "")
        return [text] if text else []

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many requirements are filled from records, how many by people, and how many are open."""
        ours = sum(bool(self.texts_of(one)) for one in REQUIREMENTS if one.source is not None)
        theirs = sum(bool(self.texts_of(one)) for one in REQUIREMENTS if one.entry is not None)
        return ours, theirs, len(REQUIREMENTS) - ours - theirs


def technical_report(data: TechnicalReportData) -> str:
    """Return the documentation as one self-contained HTML file."""
    ours, theirs, left = data.counts
    chapters = [
        Section(
            f"{number}. {title}",
            (
                Table(
                    ("Point", "What is asked", "What there is"),
                    [_row(data, one) for one in REQUIREMENTS if one.chapter == number],
                    widths=_WIDTHS,
                ),
            ),
            flows=True,
        )
        for number, title in CHAPTERS.items()
    ]
    return rendered(
        Document(
            kicker=f"Technical documentation · {data.model}",
            title=f"{data.model}, version {data.number}: technical documentation",
            summary=(
                f"{ours} of {len(REQUIREMENTS)} entries are filled from records, {theirs} by you; {left} are open. "
                + (data.description or "")
            ).strip(),
            project=data.project,
            generated_us=data.generated_us,
            badges=(Badge(f"{left} open", "warn") if left else Badge("nothing open", "ok"),),
            facts=(
                Fact("Filled from records", f"{ours} of {sum(one.source is not None for one in REQUIREMENTS)}"),
                Fact("Written by people", f"{theirs} of {sum(one.entry is not None for one in REQUIREMENTS)}"),
                Fact("Open", str(left)),
            ),
            sections=(
                Section("What this is", (Paragraph(_NO_ADVICE),)),
                *chapters,
                Section("Articles 9 to 15, 19 and 72", (_articles(data),), flows=True),
            ),
            audit=data.audit,
        )
    )


def _row(data: TechnicalReportData, asked: Requirement) -> Sequence[Cell | str]:
    return asked.point, asked.asks, _told(data, asked.source, asked.entry)


def _told(data: TechnicalReportData, source: str | None, entry: str | None) -> Cell:
    """Return what there is of a source or an entry, or that it is open, and why."""
    texts = data.texts_from(source, entry)
    if texts:
        return Cell(texts[0], "\n".join(texts[1:]))
    if entry is not None:
        return Cell(f"OPEN: write it in documentation.yaml, {entry}", gap=True)
    why = data.missing.get(source or "", "nothing of it is on record yet")
    return Cell(f"OPEN: {why}", gap=True)


def _articles(data: TechnicalReportData) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for one in ARTICLES:
        parts = [_told(data, source, None) for source in one.sources]
        parts += [_told(data, None, entry) for entry in one.entries]
        rows += [(one.number, one.duty, one.points, part) for part in parts[:1]]
        rows += [(one.number, "", "", part) for part in parts[1:]]
    return Table(("Article", "Duty", "Points", "What is on record"), rows, widths=(8, 26, 12))
