"""Writes a proposal's ``contract.yaml`` and ``model.yaml``: what rows look like, and what is predicted from them."""

from __future__ import annotations

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import Encoding
from trimtab.lake.inference import Finding
from trimtab.loop.starter.wishes import Plan
from trimtab.loop.starter.wording import comment, listed, number, scalar, thousands

__all__ = ["contract_file", "model_file"]


def contract_file(plan: Plan) -> str:
    """Return the content of ``contract.yaml``."""
    lines = [
        "# What a row must look like before anything is learnt from it. Rows that break a rule go to quarantine, with",
        "# the reason; the others pass. Ranges are what was seen, and half of its spread more on either side.",
        comment(f"Inferred from {thousands(plan.rows)} rows of {plan.source}: correct what you know better."),
    ]
    if plan.wishes.encoding is not Encoding.UTF_8:
        lines.append(f"encoding: {plan.wishes.encoding}")
    lines.append("columns:")
    lines += [
        f"  {scalar(name)}: {_column(found.column)}  {comment(_seen(found))}" for name, found in plan.findings.items()
    ]
    if plan.unique:
        lines.append(
            f"unique: {listed(plan.unique)}  # no two rows had the same; a row that repeats one is quarantined"
        )
    lines.append("allow_extra_columns: false  # true: columns that are not named here are dropped, not an error")
    return "\n".join(lines) + "\n"


def _column(column: ColumnContract) -> str:
    parts = [f"type: {column.type}"]
    if column.format is not None:
        parts.append(f"format: {scalar(column.format)}")
    if column.min is not None:
        parts.append(f"min: {number(column.min)}")
    if column.max is not None:
        parts.append(f"max: {number(column.max)}")
    if column.values is not None:
        parts.append(f"values: {listed(column.values)}")
    if column.missing:
        parts.append(f"missing: {listed(column.missing)}")
    if column.nullable:
        parts.append("nullable: true")
    return "{" + ", ".join(parts) + "}"


def _seen(found: Finding) -> str:
    parts = []
    if found.low is not None and found.high is not None:
        parts.append(f"{found.low:.10g}..{found.high:.10g}")
    elif found.column.values is None:
        parts.append(
            f"{thousands(found.distinct)} distinct, e.g. {found.counts[0][0][:40]!r}" if found.counts else "empty"
        )
    if found.missing:
        parts.append(f"{thousands(found.missing)} missing ({found.missing_share:.1%})")
    return "; ".join(part for part in (*parts, *found.notes) if part) or "all values seen"


def model_file(plan: Plan) -> str:
    """Return the content of ``model.yaml``."""
    wishes = plan.wishes
    lines = [
        f"name: {scalar(plan.name)}",
        f"description: {scalar(f'Predicts {wishes.target} from {plan.source}.')}  # say whom the answer helps, and how",
        f"task: {plan.task}  {comment(plan.why_task)}",
        f"target: {scalar(wishes.target)}",
    ]
    if plan.positive_class is not None:
        lines.append(f"positive_class: {scalar(plan.positive_class)}  {comment(plan.why_positive)}")
    if wishes.key is not None:
        lines.append(f"key: {scalar(wishes.key)}  # how its sender names a row; no feature")
    if wishes.time is not None:
        lines.append(f"time: {scalar(wishes.time)}  # when the row happened: orders rows, splits by time")
        lines.append("time_features: true  # its hour, weekday and season are learnt from too, as far as they recur")
    if plan.ignored:
        lines += ["ignore:  # delivered, but never learnt from", *_ignored(plan)]
    lines += [
        "label_delay: 0s  # how late the true outcome is known, e.g. 30d: no quality is expected before that",
        f"metrics: {listed(plan.metrics)}  # the first selects and compares versions",
        "costs:  # what staleness must have cost before a retraining pays, in row losses summed over rows; 0: free",
        "  retrain: null  # null: half of what the serving version usually loses in a decision period",
        "  release: null  # null: a tenth of that",
        "# feeds:  # who sends rows; a feed that breaks can be quarantined alone",
        "#   warehouse: {owner: data desk}",
    ]
    return "\n".join(lines) + "\n"


def _ignored(plan: Plan) -> list[str]:
    return [f"  - {scalar(name)}  {comment(why)}" for name, why in plan.ignored.items()]
