"""The model card: what a version is for, what it learnt from, how well it does, for whom, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.core.enums import Verdict
from trimtab.reports.deployment import LineageData
from trimtab.reports.document import Badge, Block, Cell, Document, Fact, Paragraph, Section, Table, rendered
from trimtab.reports.drift import verdict_cell
from trimtab.reports.evidence import AuditProof
from trimtab.reports.lineage import lineage_rows
from trimtab.reports.wording import number_text, share_text, time_text

__all__ = ["CardGroup", "CardLive", "CardVersion", "ModelCardData", "model_card_report"]

_GAP = "Nobody has written this yet: documentation.yaml, {}"
_MOST_FEATURES = 60


@dataclass(frozen=True, slots=True)
class CardGroup:
    """How one group fared in training: ``rate`` (e.g. hits) of ``rows`` rows that the version had not seen."""

    by: str
    group: str
    rate: str
    value: float
    rows: int


@dataclass(frozen=True, slots=True)
class CardLive:
    """A metric of what it answered in production, as measured last (``at_us``, microseconds UTC)."""

    metric: str
    value: float | None
    limit: float | None
    verdict: Verdict
    at_us: int
    told: str


@dataclass(frozen=True, slots=True)
class CardVersion:
    """Another version of the same model."""

    number: int
    algorithm: str
    created_us: int
    state: str
    value: float | None


@dataclass(frozen=True, slots=True)
class ModelCardData:
    """Everything that a model card shows. ``written`` is what people wrote, by its name in ``documentation.yaml``."""

    project: str
    model: str
    number: int
    description: str
    generated_us: int
    task: str
    target: str
    algorithm: str
    created_us: int
    state: str
    decided_by: str | None
    is_serving: bool
    primary_metric: str
    metrics: Mapping[str, float]
    gates: Sequence[str]
    rows: int | None
    span: tuple[int | None, int | None]
    sources: Sequence[str]
    features: Sequence[tuple[str, str, float | None]]
    written: Mapping[str, str]
    lineage: LineageData
    weighed_by: str = ""
    classes: Sequence[str] = ()
    threshold: float | None = None
    calibration: str = ""
    groups: Sequence[CardGroup] = ()
    lives: Sequence[CardLive] = ()
    versions: Sequence[CardVersion] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    audit: AuditProof | None = None


def model_card_report(data: ModelCardData) -> str:
    """Return the card as one self-contained HTML file."""
    return rendered(
        Document(
            kicker=f"Model card · {data.model}",
            title=f"{data.model}, version {data.number}",
            summary=data.description or "Nobody has described this model yet: model.yaml, description.",
            project=data.project,
            generated_us=data.generated_us,
            badges=(
                Badge("serves now", "ok") if data.is_serving else Badge("does not serve now"),
                Badge(data.state, {"approved": "ok", "rejected": "bad"}.get(data.state, "warn")),  # type: ignore[arg-type]
            ),
            facts=_facts(data),
            sections=(
                Section("What it is for", _purpose(data)),
                Section("What it learnt from", _learnt(data)),
                Section("What it sees", (_features(data), *_weighed(data)), flows=True),
                Section("How well it did on rows it had not seen", _measured(data)),
                Section("For whom it does how well", _groups(data)),
                Section("How well it does in production", (_live(data),)),
                Section("What it cannot do", _limits(data)),
                Section("Where it comes from", (lineage_rows(data.lineage), *_missing(data))),
                Section("Its line of versions", (_versions(data),), flows=True),
            ),
            audit=data.audit,
        )
    )


def _facts(data: ModelCardData) -> list[Fact]:
    best = data.metrics.get(data.primary_metric)
    found = [
        Fact("Task", data.task, f"predicts {data.target}"),
        Fact("Algorithm", data.algorithm),
        Fact("Trained", time_text(data.created_us)),
        Fact("Approved by", data.decided_by or "–"),
        Fact(data.primary_metric, number_text(best), "on held-out rows"),
    ]
    if data.classes:
        found.append(Fact("Answers", ", ".join(data.classes[:8]) + (", …" if len(data.classes) > 8 else "")))
    if data.threshold is not None:
        found.append(Fact("Says yes from", share_text(data.threshold), "of its probability"))
    if data.calibration:
        found.append(Fact("Calibrated", data.calibration, broad=True))
    return found


def _said(data: ModelCardData, entry: str) -> Cell:
    text = data.written.get(entry, "")
    return Cell(text) if text else Cell(_GAP.format(entry), gap=True)


def _table(data: ModelCardData, entries: Mapping[str, str]) -> Table:
    return Table(("", ""), [(name, _said(data, entry)) for name, entry in entries.items()])


def _purpose(data: ModelCardData) -> Sequence[Block]:
    return (
        _table(
            data,
            {
                "Intended use": "purpose.intended",
                "Users": "purpose.users",
                "About whom it answers": "purpose.affected",
                "Not to be used for": "purpose.not_for",
                "Who answers for it": "provider.name",
            },
        ),
    )


def _learnt(data: ModelCardData) -> Sequence[Block]:
    rows: list[tuple[str, Cell | str]] = [
        ("Rows", number_text(data.rows)),
        ("From", time_text(data.span[0])),
        ("To", time_text(data.span[1])),
        ("Sources", ", ".join(data.sources) or Cell("not recorded", gap=True)),
    ]
    entries = {
        "How they were obtained": "data.collection",
        "How they were labelled": "data.labelling",
        "Known biases": "data.known_biases",
        "Personal data": "data.personal_data",
    }
    return (Table(("", ""), [*rows, *((name, _said(data, entry)) for name, entry in entries.items())]),)


def _weighed(data: ModelCardData) -> Sequence[Block]:
    return (Paragraph(f"Weight: share by {data.weighed_by}.", muted=True),) if data.weighed_by else ()


def _features(data: ModelCardData) -> Table:
    rows = [(name, kind, share_text(weight)) for name, kind, weight in data.features[:_MOST_FEATURES]]
    left = len(data.features) - len(rows)
    if left > 0:
        rows.append((f"and {left} more", "", "–"))
    return Table(("Feature", "Kind", "Weight"), rows, frozenset({2}), empty="Its bundle cannot be read.")


def _measured(data: ModelCardData) -> Sequence[Block]:
    rows = [(name, number_text(value)) for name, value in data.metrics.items()]
    gates = [(gate,) for gate in data.gates]
    return (
        Table(("Metric", "Value"), rows, frozenset({1})),
        Table(("Gates that it had to pass",), gates, empty="No gate was set."),
    )


def _groups(data: ModelCardData) -> Sequence[Block]:
    rows = [
        (one.by, one.group, one.rate.replace("_", " "), share_text(one.value), number_text(one.rows))
        for one in data.groups
    ]
    empty = (
        "No groups were told apart when it was trained: add a fairness monitor to monitoring_config.yaml, and the next "
        "training tells them."
    )
    return (Table(("By", "Group", "Rate", "Value", "Rows"), rows, frozenset({3, 4}), empty=empty),)


def _live(data: ModelCardData) -> Table:
    rows = [
        (
            Cell(one.metric, one.told),
            number_text(one.value),
            number_text(one.limit),
            verdict_cell(one.verdict),
            time_text(one.at_us),
        )
        for one in data.lives
    ]
    empty = "Nothing was measured of this version in production yet."
    return Table(("Metric", "Value", "Limit", "Verdict", "Measured"), rows, frozenset({1, 2}), empty=empty)


def _limits(data: ModelCardData) -> Sequence[Block]:
    entries = {"Limitations": "limitations", "Risks": "risks", "Further considerations": "ethics"}
    return (_table(data, entries),)


def _missing(data: ModelCardData) -> Sequence[Block]:
    return [Paragraph(f"Missing: {name} – {why}") for name, why in data.missing.items()]


def _versions(data: ModelCardData) -> Table:
    rows = [
        (f"version {one.number}", one.algorithm, time_text(one.created_us), one.state, number_text(one.value))
        for one in data.versions
    ]
    return Table(("Version", "Algorithm", "Trained", "State", data.primary_metric), rows, frozenset({4}))
