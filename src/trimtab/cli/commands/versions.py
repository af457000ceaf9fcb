"""Commands that look at versions: ``compare``, ``versions show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from trimtab.cli.client import connect
from trimtab.cli.commands.models import parse_version, versions
from trimtab.cli.output import AsJson, ProjectOption, console, drawn_rows, say, when
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError

__all__ = ["add_to"]

_IMPORTANT = 8


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(compare)


def compare(
    first: Annotated[str, typer.Argument(help="MODEL@NUMBER; or MODEL: what serves against the newest version.")],
    second: Annotated[str | None, typer.Argument(help="MODEL@NUMBER; without it the newest version.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Compare two versions of a model: metrics, the same rows, data, parameters, importance, lineage."""
    model, number = parse_version(first) if "@" in first else (first, None)
    other = None
    if second is not None:
        other_model, other = parse_version(second)
        if other_model != model:
            raise ConfigError(f"{first} and {second}: versions of two models; name two versions of one model")
    answer = connect(Path(project)).ask("versions.compare", model=model, first=number, second=other)
    if as_json:
        say(answer, True, "")
        return
    _show_comparison(answer)


def _show_comparison(answer: JsonObject) -> None:
    old, new = answer["versions"]
    titles = ("", f"{answer['model']}@{old['number']}", f"{answer['model']}@{new['number']}", "difference")
    about = [
        _line(titles, "algorithm", old["algorithm"], new["algorithm"]),
        _line(titles, "state", _state(old), _state(new)),
        _line(titles, "registered", when(old["created_us"]), when(new["created_us"])),
        _line(titles, "rows learnt from", old["data"]["rows"], new["data"]["rows"]),
        _line(titles, "span", _span(old["data"]), _span(new["data"])),
        _line(titles, "dataset", old["data"]["dataset_hash"][:12], new["data"]["dataset_hash"][:12]),
        _line(titles, "configuration", _short(old, "config_hash"), _short(new, "config_hash")),
        _line(titles, "code", _short(old, "git_commit"), _short(new, "git_commit")),
    ]
    console.print(drawn_rows(about, titles[:3], console.width))
    held_out = f"On the rows that each held out{' (of the same data)' if answer['same_data'] else ''}:"
    _show_numbers(held_out, titles, old["held_out"], new["held_out"])
    _show_same_rows(answer, titles)
    _show_gates(titles, old, new)
    _show_numbers("Parameters:", titles, old["params"], new["params"], only_different=True)
    _show_numbers("Importance:", titles, _first(old["importance"]), _first(new["importance"]))


def _show_same_rows(answer: JsonObject, titles: tuple[str, ...]) -> None:
    same, new = answer["same_rows"], answer["versions"][1]
    if same is None:
        console.print(f"\nNot compared on the same rows: {answer['why_no_same_rows']}", markup=False)
        return
    heading = f"Both on the same {same['rows']} newer rows that neither learnt from:"
    _show_numbers(heading, titles, same["current"], same["candidate"])
    low, high = same["loss_gain_low"], same["loss_gain_high"]
    if low is None or high is None:
        interval, verdict = "", "too few rows to say how sure that is"
    else:
        interval = f", 95 % interval {low:+.4g} to {high:+.4g}"
        better = f"version {new['number']} is better" if low > 0 else f"version {new['number']} is worse"
        verdict = better if low > 0 or high < 0 else "no difference can be told"
    told = f"Mean loss of a row: {same['loss_current']:.4g} and {same['loss_candidate']:.4g}"
    console.print(f"{told}, a gain of {same['loss_gain']:.4g}{interval}: {verdict}.", markup=False)


def _show_gates(titles: tuple[str, ...], old: JsonObject, new: JsonObject) -> None:
    texts = [
        {gate["metric"]: f"{'passed' if gate['passed'] else 'failed'} ({gate['limit']})" for gate in side["gates"]}
        for side in (old, new)
    ]
    if any(texts):
        _show_numbers("Gates:", titles, texts[0], texts[1])


def _show_numbers(
    heading: str, titles: tuple[str, ...], old: dict[str, Any], new: dict[str, Any], *, only_different: bool = False
) -> None:
    names = [name for name in dict.fromkeys([*old, *new]) if not only_different or old.get(name) != new.get(name)]
    if not names:
        return
    console.print(f"\n{heading}", style="bold", markup=False)
    rows = [_line(titles, name, old.get(name), new.get(name)) for name in names]
    shown = titles if any(row["difference"].plain != "–" for row in rows) else titles[:3]
    console.print(drawn_rows(rows, shown, console.width))


def _line(titles: tuple[str, ...], name: str, old: Any, new: Any) -> dict[str, Text]:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new))
    difference = f"{new - old:+.4g}" if numbers else "–"
    return dict(zip(titles, map(Text, (name, _value(old), _value(new), difference)), strict=True))


def _value(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _state(side: JsonObject) -> str:
    return ", ".join([side["state"], *side["aliases"]])


def _span(data: JsonObject) -> str:
    return "–" if data["span_start_us"] is None else f"{when(data['span_start_us'])} to {when(data['span_end_us'])}"


def _short(side: JsonObject, field: str) -> str:
    return str(side["lineage"].get(field) or "–")[:12]


def _first(importance: dict[str, float]) -> dict[str, float]:
    return dict(list(importance.items())[:_IMPORTANT])


@versions.command("show")
def show_version(
    version: Annotated[str, typer.Argument(help="MODEL@NUMBER")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Show a version: metrics, gates, parameters, what it learnt from, who decided on it."""
    model, number = parse_version(version)
    answer = connect(Path(project)).ask("versions.show", model=model, number=number)
    if as_json:
        say(answer, True, "")
        return
    console.print(Text.assemble((f"{model}@{number}", "bold"), f"  {answer['algorithm']}, {answer['state']}"))
    shown = {
        "stage": answer["stage"],
        "aliases": answer["aliases"],
        "metrics": _listed(answer["metrics"]),
        "gates": "; ".join(
            f"{gate['metric']} {_value(gate['value'])} ({gate['limit']}) {'passed' if gate['passed'] else 'failed'}"
            for gate in answer["gates"]
        ),
        "parameters": _listed(answer["params"]),
        "importance": _listed(_first(answer["importance"])),
        "learnt from": f"{answer['rows']} rows, {_span(answer)}",
        "dataset": answer["dataset_hash"],
        "decided": "–"
        if answer["decided_by"] is None
        else f"{when(answer['decided_us'])} by {answer['decided_by']} {answer['reason']}",
        "bundle": answer["bundle_path"],
        "digest": answer["digest"],
        "MLflow run": answer["run_id"],
        "notes": "; ".join(answer["notes"]),
    }
    rows = [{"": Text(name), " ": Text(_value(value))} for name, value in shown.items() if _value(value) != "–"]
    console.print(drawn_rows(rows, ("", " "), console.width))


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())
