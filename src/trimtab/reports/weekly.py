"""The weekly digest: what came in, how well each model did, what broke, what was done, and what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.reports.document import Badge, Block, Cell, Document, Fact, Facts, Paragraph, Section, Table, rendered
from trimtab.reports.drift import verdict_cell
from trimtab.reports.evidence import AuditProof
from trimtab.reports.wording import number_text, time_text

__all__ = [
    "Unlisted",
    "WeeklyAction",
    "WeeklyCase",
    "WeeklyModel",
    "WeeklyQuality",
    "WeeklyReportData",
    "weekly_report",
]


@dataclass(frozen=True, slots=True)
class WeeklyQuality:
    """One metric of what was answered: as measured last in the week, and last before it."""

    metric: str
    now: float | None
    before: float | None
    limit: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class WeeklyCase:
    """A case that was open for some of the week; ``closed_us`` None: it still is."""

    title: str
    state: str
    opened_us: int
    closed_us: int | None
    diagnosis: str | None
    severity: float | None


@dataclass(frozen=True, slots=True)
class WeeklyAction:
    """What was asked for in the week, who decided, how it ended, and whether it helped (None: nobody knows yet)."""

    at_us: int
    kind: str
    state: str
    by: str
    outcome: str
    helped: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Unlisted:
    """How many more there are than are listed; ``open_cases`` are those of ``cases`` that are still open."""

    cases: int = 0
    open_cases: int = 0
    actions: int = 0
    waiting: int = 0

    @property
    def told(self) -> str:
        """What is not listed, as a sentence; empty where all is.

        >>> Unlisted(cases=3, open_cases=1, actions=1).told
        'Not listed above: 3 cases (1 still open), 1 action.'
        """
        parts = [
            f"{counted(self.cases, 'case')} ({self.open_cases} still open)" if self.cases else "",
            counted(self.actions, "action") if self.actions else "",
            counted(self.waiting, "waiting request") if self.waiting else "",
        ]
        told = ", ".join(part for part in parts if part)
        return f"Not listed above: {told}." if told else ""


@dataclass(frozen=True, slots=True)
class WeeklyModel:
    """One model's week. ``serves`` says which versions had which share at its end.

    ``unread``: why its files could not be read, so that only what is stored is told.
    """

    model: str
    serves: str
    answered: int
    delivered: int
    quarantined: int
    verdicts: dict[Verdict, int]
    quality: Sequence[WeeklyQuality] = ()
    cases: Sequence[WeeklyCase] = ()
    actions: Sequence[WeeklyAction] = ()
    releases: Sequence[str] = ()
    waiting: Sequence[str] = ()
    unread: str = ""
    unlisted: Unlisted = Unlisted()

    @property
    def case_count(self) -> int:
        """Cases that were open for some of the week, listed or not."""
        return len(self.cases) + self.unlisted.cases


@dataclass(frozen=True, slots=True)
class WeeklyReportData:
    """Everything that a weekly digest shows: from ``start_us`` up to, not including, ``end_us`` (microseconds UTC)."""

    project: str
    generated_us: int
    start_us: int
    end_us: int
    models: Sequence[WeeklyModel]
    dead_letters: int = 0
    audit_entries: int = 0
    audit: AuditProof | None = field(default=None)

    @property
    def is_running(self) -> bool:
        """Whether the week was not over when this was written."""
        return self.generated_us < self.end_us

    @property
    def open_cases(self) -> int:
        """Cases that nobody has closed and that have not recovered."""
        listed = sum(case.closed_us is None for model in self.models for case in model.cases)
        return listed + sum(model.unlisted.open_cases for model in self.models)

    @property
    def waiting(self) -> int:
        """Requests that wait for a person."""
        return sum(len(model.waiting) + model.unlisted.waiting for model in self.models)


def weekly_report(data: WeeklyReportData) -> str:
    """Return the digest as one self-contained HTML file."""
    return rendered(
        Document(
            kicker=f"Weekly digest · {data.project}",
            title=f"The week from {time_text(data.start_us)[:10]} to {time_text(data.end_us - 1)[:10]}"
            + (", so far" if data.is_running else ""),
            summary=_summary(data),
            project=data.project,
            generated_us=data.generated_us,
            badges=_badges(data),
            facts=(
                Fact("Rows answered", number_text(float(sum(one.answered for one in data.models)))),
                Fact("Rows delivered", number_text(float(sum(one.delivered for one in data.models)))),
                Fact("Rows in quarantine", number_text(float(sum(one.quarantined for one in data.models)))),
                Fact("Entries in the audit log", number_text(float(data.audit_entries))),
            ),
            sections=(
                Section("What waits for a person", (_waiting(data),)),
                Section("The models", (_overview(data),)),
                *(Section(one.model, _of_model(one), flows=True) for one in data.models),
            ),
            audit=data.audit,
        )
    )


def _summary(data: WeeklyReportData) -> str:
    if not data.models:
        return "The project has no models yet."
    cases = sum(one.case_count for one in data.models)
    actions = sum(len(one.actions) + one.unlisted.actions for one in data.models)
    told = f"{counted(cases, 'case')}, of which {data.open_cases} still open; {counted(actions, 'action')} asked for"
    return f"{told}; {counted(data.waiting, 'request')} waiting for a person."


def _badges(data: WeeklyReportData) -> Sequence[Badge]:
    found = [Badge("so far: the week is not over", "warn")] if data.is_running else []
    found += [Badge(f"{data.open_cases} open", "bad") if data.open_cases else Badge("nothing open", "ok")]
    if data.waiting:
        found.append(Badge(f"{data.waiting} waiting", "warn"))
    if data.dead_letters:
        found.append(Badge(f"{data.dead_letters} events or messages given up", "bad"))
    return found


def _waiting(data: WeeklyReportData) -> Block:
    rows = [(one.model, what) for one in data.models for what in one.waiting]
    return Table(("Model", "What"), rows, empty="Nothing does.")


def _overview(data: WeeklyReportData) -> Table:
    rows = [
        (
            one.model,
            one.serves or Cell("nothing", gap=True),
            number_text(float(one.answered)),
            *(number_text(float(one.verdicts.get(verdict, 0))) for verdict in Verdict),
            number_text(float(one.case_count)),
        )
        for one in data.models
    ]
    head = ("Model", "Serves", "Answered", *(f"Checks {verdict.value}" for verdict in Verdict), "Cases")
    return Table(head, rows, frozenset(range(2, len(head))), empty="There is no model.")


def _of_model(one: WeeklyModel) -> Sequence[Block]:
    blocks: list[Block] = []
    if one.unread:
        blocks.append(Paragraph(f"Its files cannot be read, so only what is stored is told: {one.unread}"))
    quality = [
        (row.metric, number_text(row.before), number_text(row.now), number_text(row.limit), verdict_cell(row.verdict))
        for row in one.quality
    ]
    nothing = "No quality was measured in the week."
    head = ("Quality", "Before", "At the end", "Limit", "Verdict")
    blocks.append(Table(head, quality, frozenset({1, 2, 3}), empty=nothing))
    cases = [
        (
            time_text(case.opened_us),
            Cell(case.title, case.diagnosis.replace("_", " ") if case.diagnosis else "not diagnosed"),
            Cell(case.state, tone="bad") if case.closed_us is None else Cell(case.state, tone="ok"),
        )
        for case in one.cases
    ]
    blocks.append(Table(("Opened", "Case", "State"), cases, empty="No case was open."))
    actions = [
        (
            time_text(action.at_us),
            Cell(action.kind.replace("_", " "), action.outcome),
            Cell(action.state.replace("_", " "), f"by {action.by}" if action.by else ""),
            verdict_cell(action.helped),
        )
        for action in one.actions
    ]
    blocks.append(Table(("Asked", "Action", "State", "Helped?"), actions, empty="Nothing was done."))
    if one.unlisted.told:
        blocks.append(Paragraph(one.unlisted.told))
    if one.releases:
        blocks.append(Facts([Fact("Released", release, broad=True) for release in one.releases]))
    return blocks
