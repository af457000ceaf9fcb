"""The drift analysis: how far inputs and predictions of an endpoint have moved, column by column, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.reports.document import Badge, Block, Cell, Document, Fact, Figure, Paragraph, Section, Table, rendered
from trimtab.reports.svg import Chart, Limit, Marker, Series
from trimtab.reports.wording import number_text, time_text

__all__ = ["DriftReportData", "DriftSeries", "DriftedCause", "drift_report", "verdict_cell"]

_MOST_CHARTS = 8
_MEASURE = {"data_drift": "distance from the reference", "prediction_drift": "distance of the predictions"}


@dataclass(frozen=True, slots=True)
class DriftSeries:
    """What one monitor said of one column (None: of all together) of one version, in order of time.

    ``points`` are ``(end of the window in microseconds UTC, value)``; the rest is of the newest.
    """

    monitor: str
    kind: str
    column: str | None
    version: int
    points: Sequence[tuple[int, float | None]]
    threshold: float | None
    verdict: Verdict
    explanation: str
    breaches: int = 0

    @property
    def name(self) -> str:
        """The column, or all of them."""
        return self.column or "all columns together"

    @property
    def excess(self) -> float:
        """The newest value as a multiple of its threshold; 0 where either is not known."""
        value = self.points[-1][1] if self.points else None
        return 0.0 if value is None or not self.threshold else value / self.threshold


@dataclass(frozen=True, slots=True)
class DriftedCause:
    """What was found to be behind a change: a unit, a category, rows of a feed; as it was last told, at ``at_us``."""

    at_us: int
    kind: str
    column: str
    explanation: str


@dataclass(frozen=True, slots=True)
class DriftReportData:
    """Everything that a drift analysis shows: the checks of ``start_us`` to ``end_us`` (microseconds UTC)."""

    project: str
    model: str
    endpoint: str
    generated_us: int
    start_us: int
    end_us: int
    series: Sequence[DriftSeries]
    causes: Sequence[DriftedCause] = field(default=())
    releases: Sequence[tuple[int, str]] = field(default=())
    weights: Mapping[str, float] = field(default_factory=dict)
    weighed_by: str = ""

    @property
    def drifted(self) -> list[DriftSeries]:
        """Columns whose newest check is a breach, the farthest first."""
        found = [one for one in self.series if one.verdict is Verdict.BREACH and one.column is not None]
        return sorted(found, key=lambda one: -one.excess)

    @property
    def far_out(self) -> list[DriftSeries]:
        """Columns beyond their limit of which no alarm is made yet, the farthest first."""
        found = [one for one in self.series if one.verdict is Verdict.INCONCLUSIVE and one.column is not None]
        return sorted((one for one in found if one.excess > 1.0), key=lambda one: -one.excess)


def drift_report(data: DriftReportData) -> str:
    """Return the report as one self-contained HTML file."""
    columns = [one for one in data.series if one.column is not None]
    judged = [one for one in columns if one.verdict is not Verdict.INCONCLUSIVE]
    return rendered(
        Document(
            kicker=f"Drift analysis · {data.model} at endpoint {data.endpoint}",
            title=f"{data.endpoint}: how far its inputs have moved",
            summary=_summary(data, columns),
            project=data.project,
            generated_us=data.generated_us,
            badges=(_badge(data),),
            facts=(
                Fact("From", time_text(data.start_us)),
                Fact("To", time_text(data.end_us)),
                Fact("Columns judged", f"{len(judged)} of {len(columns)}"),
                Fact("In breach now", number_text(float(len(data.drifted)))),
                Fact("Far out, not yet an alarm", number_text(float(len(data.far_out)))),
            ),
            sections=(
                Section("Where it stands", (_standing(data), *_weighed(data)), flows=True),
                Section("Over time", _charts(data), flows=True),
                Section("What was found behind it", (_causes(data),)),
                Section(
                    "How to read this",
                    (
                        Paragraph(
                            "Each value is a distance between what was asked in a window and what the version learnt "
                            "from; its limit is what such distances usually reach between periods of the reference, so "
                            "that a quiet season does not count as drift. Drift by itself is no loss: whether answers "
                            "have become worse, the outcomes say. See docs/monitors.md."
                        ),
                    ),
                ),
            ),
        )
    )


def verdict_cell(verdict: Verdict | None) -> Cell | str:
    """Return a verdict as a badge; a dash where none was given."""
    if verdict is None:
        return "–"
    words = {Verdict.OK: "OK", Verdict.BREACH: "Breach", Verdict.INCONCLUSIVE: "Inconclusive"}
    tones = {Verdict.OK: "ok", Verdict.BREACH: "bad", Verdict.INCONCLUSIVE: "warn"}
    return Cell(words[verdict], tone=tones[verdict])  # type: ignore[arg-type]


def _summary(data: DriftReportData, columns: Sequence[DriftSeries]) -> str:
    if not data.series:
        return "No check of drift was made in this period: there is nothing to tell."
    known = [one for one in columns if one.verdict is not Verdict.INCONCLUSIVE]
    if not known and not data.far_out:
        return "Nothing could be judged: too few rows came in each window."
    said = [_beyond(data.drifted, columns)] if data.drifted else []
    if data.far_out:
        names = _names(data.far_out)
        said.append(f"{_share(data.far_out, columns)} far out, not yet an alarm: {names}; the table below says why.")
    if left := len(columns) - len(known) - len(data.far_out):
        said.append(f"{left} of {len(columns)} could not be judged.")
    return " ".join(said) or f"{_none_of(columns)} outside of what is usual."


def _beyond(drifted: Sequence[DriftSeries], columns: Sequence[DriftSeries]) -> str:
    farthest = f", {_names(drifted)} the farthest" if len(drifted) > 1 else f": {_names(drifted)}"
    return f"{_share(drifted, columns)} outside of what is usual{farthest}."


def _share(found: Sequence[DriftSeries], columns: Sequence[DriftSeries]) -> str:
    return f"{len(found)} of {counted(len(columns), 'column')} {'lies' if len(found) == 1 else 'lie'}"


def _none_of(columns: Sequence[DriftSeries]) -> str:
    return "The only column does not lie" if len(columns) == 1 else f"None of {len(columns)} columns lies"


def _names(found: Sequence[DriftSeries]) -> str:
    return ", ".join(one.name for one in found[:3]) + (" and others" if len(found) > 3 else "")


def _badge(data: DriftReportData) -> Badge:
    if data.drifted:
        return Badge(f"{len(data.drifted)} drifted", "bad")
    if data.far_out:
        return Badge(f"{len(data.far_out)} far out, not yet an alarm")
    verdicts = {one.verdict for one in data.series}
    if not verdicts:
        return Badge("nothing was checked", "warn")
    if verdicts == {Verdict.INCONCLUSIVE}:
        return Badge("nothing could be judged", "warn")
    if Verdict.INCONCLUSIVE in verdicts:
        return Badge("not all could be judged", "warn")
    return Badge("no drift", "ok")


def _standing(data: DriftReportData) -> Table:
    order = sorted(data.series, key=lambda one: (one.verdict is not Verdict.BREACH, -one.excess))
    rows = [
        (
            Cell(one.name, one.monitor if one.monitor != one.kind else ""),
            number_text(one.points[-1][1] if one.points else None),
            number_text(one.threshold),
            number_text(float(one.breaches)),
            _weight(data, one),
            verdict_cell(one.verdict),
            one.explanation,
        )
        for one in order
    ]
    head = ("Column", "Newest", "Limit", "Breaches", "Weight", "Verdict", "Why")
    return Table(head, rows, frozenset({1, 2, 3, 4}), empty="Nothing was checked.")


def _weighed(data: DriftReportData) -> Sequence[Block]:
    return (Paragraph(f"Weight: share by {data.weighed_by}.", muted=True),) if data.weights else ()


def _weight(data: DriftReportData, one: DriftSeries) -> str:
    share = data.weights.get(one.column or "")
    return "–" if share is None else f"{number_text(round(share * 100, 1))} %"


def _charts(data: DriftReportData) -> Sequence[Block]:
    shown = sorted(data.series, key=lambda one: (one.verdict is not Verdict.BREACH, -one.breaches, -one.excess))
    drawn = [one for one in shown if len(one.points) > 1]
    markers = tuple(Marker(at_us, name) for at_us, name in data.releases)
    figures: list[Block] = [
        Figure(
            Chart(
                key=f"drift-{index}",
                title=f"{one.name} ({one.monitor})",
                description=f"{_MEASURE.get(one.kind, 'value')} of {one.name} in each window, against its limit.",
                series=(Series(_MEASURE.get(one.kind, one.kind), one.points),),
                limits=() if one.threshold is None else (Limit("limit", one.threshold),),
                markers=markers,
                from_zero=True,
            )
        )
        for index, one in enumerate(drawn[:_MOST_CHARTS])
    ]
    if len(drawn) > _MOST_CHARTS:
        figures.append(Paragraph(f"{len(drawn) - _MOST_CHARTS} more stand in the table above.", muted=True))
    return figures or (Paragraph("There is one window at most: the table above says all of it.", muted=True),)


def _causes(data: DriftReportData) -> Table:
    rows = [(time_text(one.at_us), one.column, one.kind.replace("_", " "), one.explanation) for one in data.causes]
    return Table(("Told", "Column", "What", "How it shows"), rows, empty="No cause was found.")
