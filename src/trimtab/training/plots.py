"""Pictures of the winner for its run in MLflow, each with its data as JSON. Only this file imports matplotlib."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from trimtab.measures.curves import Curve, precision_recall_curve, reliability, roc_curve
from trimtab.training.evaluate import Confusion
from trimtab.training.explain import Explanation
from trimtab.training.problem import Answer, Problem

__all__ = ["Pictures", "PlotTask", "draw", "prepare"]

_FEATURES = 20
_CURVES = 8
_POINTS = 3_000
_CELLS_WITH_NUMBERS = 12
_TITLES = {
    "feature_importance": "feature importance",
    "shap_summary": "SHAP values",
    "confusion_matrix": "confusion matrix",
    "roc_and_precision_recall": "ROC, and precision over recall",
    "calibration_curve": "calibration",
    "predicted_vs_true": "predicted and true values",
    "residuals": "residuals",
}
_INK, _LINE, _SOFT = "#1f2937", "#2563eb", "#9ca3af"


@dataclass(frozen=True, slots=True)
class PlotTask:
    """What is drawn: importance and explanation, and the held-out rows' truth ``target`` (n,) beside their answers.

    ``looks`` (m, F): the explained rows' values of the
    explanation's features, NaN where they have none; only for the colours.
    """

    title: str
    problem: Problem
    target: NDArray[Any]
    held_out: Answer
    confusion: Confusion | None
    importance: dict[str, float]
    explanation: Explanation | None
    looks: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files by name: ``NAME.png`` and ``NAME.json``."""

    files: dict[str, bytes]


def draw(task: PlotTask) -> Pictures:
    """Return the pictures that the task and the answers allow."""
    files: dict[str, bytes] = {}
    _add(files, task, "feature_importance", _importance(task.importance, "share of what the estimator uses"))
    if task.explanation is not None and len(task.explanation.values):
        _add(files, task, "shap_summary", _shap_summary(task.explanation, task.looks))
    if task.problem.task.is_classification:
        if task.confusion is not None:
            _add(files, task, "confusion_matrix", _confusion(task.confusion))
        _add(files, task, "roc_and_precision_recall", _roc_and_precision_recall(task))
        _add(files, task, "calibration_curve", _calibration(task))
    else:
        _add(files, task, "predicted_vs_true", _predicted_vs_true(task))
        _add(files, task, "residuals", _residuals(task))
    return Pictures(files)


def prepare() -> None:
    """Import what `draw` needs."""
    importlib.import_module("matplotlib.backends.backend_agg")
    importlib.import_module("matplotlib.figure")


Drawing = tuple[tuple[float, float], Callable[[Any], None], Mapping[str, Any]]
"""Width and height in inches, what draws into a figure, and the data."""


def _add(files: dict[str, bytes], task: PlotTask, name: str, drawing: Drawing | None) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # start-up cost: only where pictures are drawn
    from matplotlib.figure import Figure

    if drawing is None:
        return
    size, fill, data = drawing
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    fill(figure)
    figure.suptitle(f"{task.title}: {_TITLES[name]}", fontsize=11, color=_INK)
    stream = io.BytesIO()
    # No date, no version: the same training gives the same bytes.
    figure.savefig(stream, format="png", metadata={"Software": None})
    files[f"{name}.png"] = stream.getvalue()
    files[f"{name}.json"] = msgspec.json.format(msgspec.json.encode(data), indent=1)


def _importance(shares: Mapping[str, float], label: str) -> Drawing | None:
    if not shares:
        return None
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    shown = ordered[:_FEATURES][::-1]

    def fill(figure: Any) -> None:
        axes = figure.subplots()
        axes.barh([_short(name) for name, _ in shown], [share for _, share in shown], color=_LINE, height=0.7)
        axes.set_xlabel(label)
        _plain(axes)

    return (7, 1.4 + 0.28 * len(shown)), fill, dict(ordered)


def _shap_summary(explanation: Explanation, looks: NDArray[np.float64] | None) -> Drawing:
    """Draw each row as a point per feature (one output), or the mean absolute values by class."""
    shares = explanation.shares
    order = sorted(range(len(explanation.features)), key=lambda place: -shares[explanation.features[place]])
    shown = order[:_FEATURES][::-1]
    names = [_short(explanation.features[place]) for place in shown]
    mean = np.abs(explanation.values).mean(axis=0)

    def points(figure: Any) -> None:
        axes = figure.subplots()
        colours = _colours().with_extremes(bad=_SOFT)
        axes.axvline(0, color=_SOFT, linewidth=0.8)
        for height, place in enumerate(shown):
            values = explanation.values[:, place, 0]
            colour = _ranks(values, None if looks is None else looks[:, place])
            drawn = axes.scatter(
                values,
                height + _spread(values),
                c=colour,
                cmap=colours,
                vmin=0,
                vmax=1,
                s=8,
                linewidths=0,
                plotnonfinite=True,
            )
        axes.set_yticks(range(len(shown)), names)
        towards = "" if explanation.outputs == ("value",) else f", towards {explanation.outputs[0]!r}"
        axes.set_xlabel(f"SHAP value ({explanation.scale}{towards})")
        bar = figure.colorbar(drawn, ax=axes, ticks=[0, 1], fraction=0.03)
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("feature value", labelpad=-8)
        _plain(axes)

    def bars(figure: Any) -> None:
        axes = figure.subplots()
        left = np.zeros(len(shown))
        for output in range(min(len(explanation.outputs), _CURVES)):
            axes.barh(names, mean[shown, output], left=left, height=0.7, label=_short(explanation.outputs[output]))
            left += mean[shown, output]
        axes.set_xlabel(f"mean |SHAP value| ({explanation.scale})")
        axes.legend(frameon=False, fontsize=8)
        _plain(axes)

    data = {
        "scale": explanation.scale,
        "outputs": explanation.outputs,
        "features": explanation.features,
        "base": explanation.base.tolist(),
        "share": shares,
        "rows": explanation.rows.tolist(),
        "values": explanation.values.tolist(),
    }
    return (7.5, 1.6 + 0.32 * len(shown)), (points if len(explanation.outputs) == 1 else bars), data


def _confusion(confusion: Confusion) -> Drawing:
    counts = np.array(confusion.counts, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_short(label) for label in confusion.labels]
    side = min(3.2 + 0.55 * len(names), 14)

    def fill(figure: Any) -> None:
        axes = figure.subplots()
        drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(drawn, ax=axes, fraction=0.04, label="share of the true class")
        axes.set_xticks(range(len(names)), names, rotation=0 if len(names) <= 3 else 60)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("answered")
        axes.set_ylabel("true")
        if len(names) <= _CELLS_WITH_NUMBERS:
            for (row, column), count in np.ndenumerate(counts):
                colour = "white" if shares[row, column] > 0.6 else _INK
                axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=colour)

    return (side + 1.2, side), fill, {"labels": confusion.labels, "counts": confusion.counts}


def _roc_and_precision_recall(task: PlotTask) -> Drawing | None:
    rocs: dict[str, Curve] = {}
    precisions: dict[str, Curve] = {}
    for name, positive, score in _one_against_rest(task):
        if (roc := roc_curve(positive, score)) is not None:
            rocs[name] = roc
        if (precision := precision_recall_curve(positive, score)) is not None:
            precisions[name] = precision
    if not rocs:
        return None

    def fill(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, linestyle="--")
        for axes, curves in ((left, rocs), (right, precisions)):
            for name, curve in curves.items():
                axes.plot(curve.x, curve.y, linewidth=1.6, label=_short(name))
            axes.set_xlim(-0.01, 1.01)
            axes.set_ylim(-0.01, 1.03)
            _plain(axes)
        left.set(xlabel="false positive rate", ylabel="true positive rate")
        right.set(xlabel="recall", ylabel="precision")
        left.legend(frameon=False, fontsize=8, loc="lower right")

    data = {
        kind: {name: {"x": curve.x.tolist(), "y": curve.y.tolist()} for name, curve in curves.items()}
        for kind, curves in (("roc", rocs), ("precision_recall", precisions))
    }
    return (10, 4.6), fill, data


def _calibration(task: PlotTask) -> Drawing | None:
    found = {name: reliability(positive, score) for name, positive, score in _one_against_rest(task)}
    if not found:
        return None

    def fill(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, linestyle="--")
        for name, curve in found.items():
            upper.plot(curve.score, curve.share, marker="o", markersize=4, linewidth=1.4, label=_short(name))
            lower.plot(curve.score, curve.rows, marker="o", markersize=3, linewidth=1)
        upper.set_ylabel("share that came true")
        lower.set(xlabel="probability that was answered", ylabel="rows")
        upper.legend(frameon=False, fontsize=8)
        for axes in (upper, lower):
            _plain(axes)

    data = {
        name: {"probability": curve.score.tolist(), "share": curve.share.tolist(), "rows": curve.rows.tolist()}
        for name, curve in found.items()
    }
    return (6, 6), fill, data


def _predicted_vs_true(task: PlotTask) -> Drawing:
    truth, answer = _thin(task)
    low, high = float(min(truth.min(), answer.min())), float(max(truth.max(), answer.max()))

    def fill(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([low, high], [low, high], color=_SOFT, linewidth=0.8, linestyle="--")
        axes.scatter(truth, answer, s=9, color=_LINE, alpha=0.4, linewidths=0)
        axes.set(xlabel="true value", ylabel="predicted value")
        _plain(axes)

    return (6, 5.6), fill, {"true": truth.tolist(), "predicted": answer.tolist()}


def _residuals(task: PlotTask) -> Drawing:
    truth, answer = _thin(task)
    residual = truth - answer

    def fill(figure: Any) -> None:
        left, right = figure.subplots(1, 2, width_ratios=[3, 1], sharey=True)
        left.axhline(0, color=_SOFT, linewidth=0.8)
        left.scatter(answer, residual, s=9, color=_LINE, alpha=0.4, linewidths=0)
        left.set(xlabel="predicted value", ylabel="true − predicted")
        right.hist(residual, bins=40, orientation="horizontal", color=_LINE)
        right.set_xlabel("rows")
        for axes in (left, right):
            _plain(axes)

    return (9, 4.6), fill, {"predicted": answer.tolist(), "residual": residual.tolist()}


def _one_against_rest(task: PlotTask) -> list[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    """Return name, truth and score of the positive class, or of the commonest classes."""
    raw, problem = task.held_out.raw, task.problem
    if problem.positive_place is not None:
        places = [problem.positive_place]
    else:
        counts = np.bincount(task.target, minlength=len(problem.classes))
        places = sorted(range(len(problem.classes)), key=lambda place: -counts[place])[:_CURVES]
    return [(problem.classes[place], task.target == place, raw[:, place]) for place in places]


def _thin(task: PlotTask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chosen = np.unique(np.linspace(0, len(task.target) - 1, _POINTS).astype(np.int64))
    return task.target[chosen].astype(np.float64), task.held_out.raw[chosen]


def _ranks(values: NDArray[np.float64], looks: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return each look's place among the others, 0..1; NaN (drawn grey) where there is none."""
    if looks is None:
        return np.full(len(values), np.nan)
    known = np.sort(looks[np.isfinite(looks)])
    places = np.searchsorted(known, looks, side="left") / max(1, len(known) - 1)
    return np.where(np.isfinite(looks), np.clip(places, 0, 1), np.nan)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each point is moved up or down, so that those of like values do not hide one another."""
    if np.ptp(values) == 0:
        bins = np.zeros(len(values), dtype=np.int64)
    else:
        bins = ((values - values.min()) / np.ptp(values) * 60).astype(np.int64)
    order = np.lexsort((np.arange(len(values)), bins))
    sizes = np.bincount(bins)
    within = np.empty(len(values))
    within[order] = np.concatenate([np.arange(size) - (size - 1) / 2 for size in sizes if size])
    return 0.7 * within / max(int(sizes.max()), 8)


def _colours() -> Any:
    from matplotlib import colormaps  # start-up cost: only where pictures are drawn

    return colormaps["coolwarm"]


def _short(text: str) -> str:
    return text if len(text) <= 28 else text[:27] + "…"


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
