"""The comparison report: two versions of a model side by side, and both on rows that neither has learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.reports.deployment import ComparisonData, LineageData
from trimtab.reports.document import Badge, Block, Cell, Document, Fact, Paragraph, Section, Table, rendered
from trimtab.reports.lineage import lineage_rows
from trimtab.reports.wording import number_text, share_text, time_text

__all__ = ["ComparedVersion", "ComparisonReportData", "comparison_report"]

_MOST_FEATURES = 20
_BY_IMPORTANCE = (
    "Shares of what each estimator uses, by its own importance; where SHAP values are known, the model cards have them."
)
_NUMBERS = frozenset({1, 2, 3, 5})


@dataclass(frozen=True, slots=True)
class ComparedVersion:
    """One of the two: what it is, what it learnt from (``span`` in microseconds UTC), and what was measured of it."""

    number: int
    state: str
    aliases: Sequence[str]
    algorithm: str
    created_us: int
    rows: int
    span: tuple[int | None, int | None]
    held_out: Mapping[str, float]
    params: Mapping[str, object]
    importance: Mapping[str, float]
    gates: Sequence[str]
    lineage: LineageData


@dataclass(frozen=True, slots=True)
class ComparisonReportData:
    """Everything that a comparison report shows. ``old`` is compared with ``new``; ``why_not``: no rows for both."""

    project: str
    model: str
    generated_us: int
    primary_metric: str
    old: ComparedVersion
    new: ComparedVersion
    same_data: bool
    comparison: Sequence[ComparisonData] = field(default=())
    why_not: str | None = None


def comparison_report(data: ComparisonReportData) -> str:
    """Return the report as one self-contained HTML file."""
    old, new = data.old, data.new
    return rendered(
        Document(
            kicker=f"Model comparison · {data.model}",
            title=f"{data.model}: version {new.number} against version {old.number}",
            summary=_summary(data),
            project=data.project,
            generated_us=data.generated_us,
            badges=(_verdict(data),),
            facts=[
                Fact(f"Version {one.number}", one.algorithm, ", ".join([one.state, *one.aliases])) for one in (old, new)
            ]
            + [Fact("Learnt from", "the same data" if data.same_data else "different data")],
            sections=(
                Section("Both on the same rows", _same_rows(data)),
                Section("What each learnt from", (_learnt(old, new),)),
                Section(
                    "Measured when they were trained",
                    (
                        _table("Metric", old, new, old.held_out, new.held_out),
                        Paragraph(
                            "Each on the test rows of its own training: not comparable where these differ.", muted=True
                        ),
                    ),
                ),
                Section(
                    "What they attend to", (_importance(old, new), Paragraph(_BY_IMPORTANCE, muted=True)), flows=True
                ),
                Section("Settings", (_params(old, new),), flows=True),
                Section("Gates", (_gates(old, new),)),
                *(
                    Section(f"Where version {one.number} comes from", (lineage_rows(one.lineage),))
                    for one in (old, new)
                ),
            ),
        )
    )


def _primary(data: ComparisonReportData) -> ComparisonData | None:
    return next(iter(data.comparison), None)


def _verdict(data: ComparisonReportData) -> Badge:
    loss = _primary(data)
    if loss is None:
        return Badge("not compared on the same rows", "warn")
    if loss.better is None:
        return Badge("no difference shown", "warn")
    winner = data.new.number if loss.better else data.old.number
    return Badge(f"version {winner} is better", "ok" if loss.better else "bad")


def _summary(data: ComparisonReportData) -> str:
    loss = _primary(data)
    if loss is None:
        return f"The two could not be held against each other: {data.why_not or 'no rows were there'}."
    told = (
        f"{loss.metric} {number_text(loss.old)} before, {number_text(loss.new)} now, on {number_text(loss.rows)} rows"
    )
    if loss.better is None:
        return f"On rows that neither has learnt from, no difference is shown: {told}."
    return f"On rows that neither has learnt from, version {_winner(data, loss)} is better: {told}."


def _winner(data: ComparisonReportData, loss: ComparisonData) -> int:
    return data.new.number if loss.better else data.old.number


def _same_rows(data: ComparisonReportData) -> Sequence[Block]:
    if not data.comparison:
        return (Paragraph(data.why_not or "Nobody has compared them."),)
    rows = [
        (
            f"{one.metric} {'↑' if one.higher_is_better else '↓'}",
            number_text(one.old),
            number_text(one.new),
            number_text(one.difference),
            "–" if one.low is None or one.high is None else f"{number_text(one.low)} … {number_text(one.high)}",
            number_text(one.rows),
            _better(one),
        )
        for one in data.comparison
    ]
    head = ("Metric", f"Version {data.old.number}", f"Version {data.new.number}", "Difference", "95 % interval", "Rows")
    note = "↑ higher is better, ↓ lower is better. An interval that holds zero shows no difference."
    return Table((*head, ""), rows, _NUMBERS), Paragraph(note, muted=True)


def _better(one: ComparisonData) -> Cell | str:
    if one.low is None:
        return ""
    if one.better is None:
        return Cell("no difference shown", tone="warn")
    return Cell("better", tone="ok") if one.better else Cell("worse", tone="bad")


def _table(
    name: str, old: ComparedVersion, new: ComparedVersion, first: Mapping[str, float], second: Mapping[str, float]
) -> Table:
    names = list(dict.fromkeys([*second, *first]))
    rows = [(one, number_text(first.get(one)), number_text(second.get(one))) for one in names]
    return Table((name, f"Version {old.number}", f"Version {new.number}"), rows, frozenset({1, 2}))


def _learnt(old: ComparedVersion, new: ComparedVersion) -> Table:
    rows = (
        ("rows", number_text(old.rows), number_text(new.rows)),
        ("from", time_text(old.span[0]), time_text(new.span[0])),
        ("to", time_text(old.span[1]), time_text(new.span[1])),
        ("trained", time_text(old.created_us), time_text(new.created_us)),
    )
    return Table(("", f"Version {old.number}", f"Version {new.number}"), rows, frozenset({1, 2}))


def _importance(old: ComparedVersion, new: ComparedVersion) -> Table:
    order = sorted({*old.importance, *new.importance}, key=lambda name: -abs(new.importance.get(name, 0.0)))
    rows = [
        (name, share_text(old.importance.get(name)), share_text(new.importance.get(name)))
        for name in order[:_MOST_FEATURES]
    ]
    return Table(("Feature", f"Version {old.number}", f"Version {new.number}"), rows, frozenset({1, 2}))


def _params(old: ComparedVersion, new: ComparedVersion) -> Table:
    rows = [
        (name, str(old.params.get(name, "–")), str(new.params.get(name, "–")))
        for name in sorted({*old.params, *new.params})
    ]
    return Table(("Setting", f"Version {old.number}", f"Version {new.number}"), rows, empty="None was recorded.")


def _gates(old: ComparedVersion, new: ComparedVersion) -> Table:
    rows = [(f"version {one.number}", gate) for one in (old, new) for gate in one.gates]
    return Table(("Version", "Gate"), rows, empty="No gate was set.")
