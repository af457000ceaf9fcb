"""How a version was made, said in sentences, by the names that `trimtab.reports.technical_points` asks for."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from typing import Final

import trimtab
from trimtab.config.durations import format_duration
from trimtab.loop.reporting.version_facts import VersionFacts
from trimtab.reports.wording import number_text, share_text, time_text

__all__ = ["made"]

_LIBRARIES: Final = ("scikit-learn", "lightgbm", "xgboost", "onnx", "onnxruntime", "numpy")
_MOST: Final = 12
_QUALITY: Final = frozenset({"model_quality", "estimated_quality"})


def made(facts: VersionFacts, sources: tuple[str, ...], gates: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return what is known by source; what is not known has no sentence.

    What only the model's files tell is left out, or told as of today, where they are not those it was made with.
    """
    found = {
        "software": _software(),
        "steps": _steps(facts),
        "algorithm": _algorithm(facts),
        "objective": _objective(facts),
        "output": _output(facts),
        "compute": _compute(facts),
        "data": _data(facts, sources),
        "columns": _columns(facts),
        "inputs": _inputs(facts),
        "cleaning": _cleaning(facts),
        "interpretation": _interpretation(facts),
        "validation": _validation(facts),
        "accuracy": _accuracy(facts),
        "parity": _parity(facts),
        "groups": _groups(facts),
        "test_logs": _test_logs(facts),
        "metrics": _metrics(facts, gates),
    }
    return {name: tuple(texts) for name, texts in found.items()}


def _software() -> Iterator[str]:
    yield f"Trimtab {trimtab.__version__} (where this was written)"
    for name in _LIBRARIES:
        try:
            yield f"{name} {importlib.metadata.version(name)} (where this was written)"
        except importlib.metadata.PackageNotFoundError:
            continue


def _steps(facts: VersionFacts) -> Iterator[str]:
    steps = facts.result.get("steps") or ()
    if not steps:
        return
    yield f"{len(steps)} steps, by code of digest {facts.result.get('pipeline') or 'that is not known'}"
    for step in steps[:_MOST]:
        again = "taken over from an earlier training" if step["reused"] else f"{number_text(step['seconds'])} s"
        yield f"{step['name']}: {again}"
    if len(steps) > _MOST:
        yield f"and {len(steps) - _MOST} more"


def _algorithm(facts: VersionFacts) -> Iterator[str]:
    yield f"{facts.version.algorithm}, chosen among {_candidates(facts)}, served as an ONNX graph"
    manifest = facts.manifest
    if manifest is not None and manifest.params:
        yield "; ".join(f"{name} = {value}" for name, value in manifest.params.items())


def _candidates(facts: VersionFacts) -> str:
    found = [str(one["algorithm"]) for one in facts.result.get("candidates") or ()]
    return ", ".join(found) or "candidates that are not known"


def _objective(facts: VersionFacts) -> Iterator[str]:
    model, manifest = facts.files.model, facts.manifest
    if not facts.other_files:
        yield f"predicts {model.target} ({model.task}); candidates are selected by {model.main_metric}"
    elif manifest is not None:
        yield f"predicts {manifest.target} ({manifest.task})"
    if manifest is not None:
        weights, method = manifest.weights
        order = sorted(weights, key=lambda name: -weights[name])[:_MOST]
        yield f"what weighs most, by {method}: " + ", ".join(f"{name} {share_text(weights[name])}" for name in order)


def _output(facts: VersionFacts) -> Iterator[str]:
    manifest = facts.manifest
    if manifest is None:
        return
    if manifest.classes:
        yield f"one of {len(manifest.classes)} classes with its probability: {', '.join(manifest.classes[:_MOST])}"
        if manifest.positive_class is not None:
            yield f"{manifest.positive_class!r} from a probability of {number_text(manifest.decision_threshold)} on"
    else:
        yield f"a number: {manifest.target}"
    calibration = manifest.calibration
    if calibration is not None:
        yield (
            f"probabilities corrected by {calibration.method}: expected calibration error "
            f"{number_text(calibration.ece_before)} → {number_text(calibration.ece_after)}"
        )


def _compute(facts: VersionFacts) -> Iterator[str]:
    seconds = facts.result.get("seconds")
    if seconds is None:
        return
    limit = facts.request.get("time_limit_s")
    bound = f", within a limit of {number_text(limit)} s" if limit else ""
    yield f"trained in {number_text(seconds)} s on {number_text(facts.result.get('rows'))} rows{bound}"
    yield "the machine it was trained on is not recorded"


def _data(facts: VersionFacts, sources: tuple[str, ...]) -> Iterator[str]:
    stored = facts.snapshot
    if stored is None:
        return
    span = f"from {time_text(stored.span_start_us)} to {time_text(stored.span_end_us)}"
    when = "that say no time" if stored.span_start_us is None else span
    yield f"{number_text(stored.rows)} rows {when}"
    yield f"snapshot {stored.id}, dataset hash {stored.dataset_hash}"
    yield from sources


def _columns(facts: VersionFacts) -> Iterator[str]:
    """Yield the contract's columns if the version was made under it, else those that its bundle names."""
    manifest = facts.manifest
    if not facts.other_files:
        yield from _contract(facts)
    elif manifest is not None:
        yield f"{len(manifest.features)} columns, as its bundle names them; under which contract is not told: " + (
            facts.other_files
        )
        for feature in manifest.features:
            parts = [feature.kind.value, feature.unit or "", "may be missing" if feature.nullable else "never missing"]
            yield f"{feature.name}: {', '.join(part for part in parts if part)}"


def _inputs(facts: VersionFacts) -> Iterator[str]:
    yield from _as_of_today(facts)
    yield from _contract(facts)


def _as_of_today(facts: VersionFacts) -> Iterator[str]:
    if facts.other_files:
        yield f"as the files say today: {facts.other_files}"


def _contract(facts: VersionFacts) -> Iterator[str]:
    columns = facts.files.contract.columns
    yield f"{len(columns)} columns; each value is judged by the contract before anything is learnt from it"
    for name, column in columns.items():
        bounds = [
            f"{word} {number_text(bound)}"
            for word, bound in (("at least", column.min), ("at most", column.max))
            if bound is not None
        ]
        if column.values is not None:
            bounds.append(f"one of {', '.join(column.values[:_MOST])}")
        parts = [
            column.type.value,
            column.unit or "",
            *bounds,
            "may be missing" if column.nullable else "never missing",
        ]
        about = f" – {column.description}" if column.description else ""
        yield f"{name}: {', '.join(part for part in parts if part)}{about}"


def _cleaning(facts: VersionFacts) -> Iterator[str]:
    yield "rows that break contract.yaml go to quarantine and are learnt from by nobody"
    stored = facts.snapshot
    if stored is None:
        return
    counts = stored.spec.get("contract") or {}
    yield (
        f"left out of this version's data: {number_text(counts.get('left_out', 0))} rows that do not fit the contract, "
        f"{number_text(counts.get('repeated', 0))} that came again, "
        f"{number_text(counts.get('quarantined_feed', 0))} of feeds in quarantine"
    )


def _interpretation(facts: VersionFacts) -> Iterator[str]:
    manifest = facts.manifest
    if manifest is None:
        return
    weights, method = manifest.weights
    if weights:
        yield f"which features weigh how much, by {method} (model card)"
    if manifest.classes:
        yield "each answer carries the probability of its class, or of all classes"
    yield "each alarm of a monitor names the columns, and where it can the cause, behind it"


def _validation(facts: VersionFacts) -> Iterator[str]:
    if facts.other_files:
        return
    training = facts.files.training
    split = training.split
    how = "the latest rows" if split.type == "time" else "a sample with the same shares of each class"
    yield f"{share_text(split.test_share)} of the rows held out: {how}"
    if training.cross_validation is not None:
        yield "candidates are tuned by cross-validation on the rest; the test rows select nothing"
    yield f"{training.trials} trials of each candidate, seed {training.seed}: the same data give the same version"


def _accuracy(facts: VersionFacts) -> Iterator[str]:
    if facts.version.metrics:
        yield "; ".join(f"{name} {number_text(value)}" for name, value in facts.version.metrics.items())


def _parity(facts: VersionFacts) -> Iterator[str]:
    manifest = facts.manifest
    if manifest is not None:
        parity = manifest.parity
        yield (
            f"the served graph differs from the original by at most {parity.max_abs_difference:.2g} on "
            f"{number_text(parity.rows)} rows; {parity.tolerance:g} is allowed"
        )


def _groups(facts: VersionFacts) -> Iterator[str]:
    groups = {} if facts.manifest is None else facts.manifest.groups
    for by, rates in groups.items():
        for rate, shares in rates.items():
            told = ", ".join(f"{group} {share_text(one.value)} of {one.rows}" for group, one in shares.items())
            yield f"{rate.replace('_', ' ')} by {by}: {told}"


def _test_logs(facts: VersionFacts) -> Iterator[str]:
    version = facts.version
    if not version.run_id:
        return
    yield f"MLflow run {version.run_id}, job {version.job_id}"
    yield f"trained {time_text(version.created_us)} UTC; configuration {version.spec.get('config_hash') or 'not known'}"


def _metrics(facts: VersionFacts, gates: tuple[str, ...]) -> Iterator[str]:
    yield from _as_of_today(facts)
    yield f"primary: {facts.files.model.main_metric}; also {', '.join(facts.files.model.all_metrics[1:]) or 'none'}"
    yield from gates
    release = facts.files.retrain.release
    yield f"a retrained version replaces it if it gains at least {number_text(release.min_gain)}"
    for monitor in facts.files.monitoring.monitors:
        if monitor.type in _QUALITY:
            window = format_duration(facts.files.monitoring.window_of(monitor))
            yield f"in production: {monitor.title}, over {window}"
