"""What a training job is asked, and what it leaves behind (``result.json``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.files import write_atomically

__all__ = [
    "BUNDLE_NAME",
    "PLOTS_NAME",
    "PROGRESS_NAME",
    "RESULT_NAME",
    "TRIALS_NAME",
    "AskedGroup",
    "CandidateResult",
    "Comparison",
    "GateResult",
    "Progress",
    "StepResult",
    "TrainingRequest",
    "TrainingResult",
    "read_request",
    "write_result",
]

PROGRESS_NAME = "progress.jsonl"
RESULT_NAME = "result.json"
BUNDLE_NAME = "bundle"
PLOTS_NAME = "plots"
TRIALS_NAME = "trials"
"""Folder of the trials that were done, which the next attempt of a job takes over."""

_MAX_BYTES = 16_000_000


class AskedGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column whose groups are watched: ``key`` names it, with its ``edges`` and the ``favourable`` class."""

    key: str
    column: str
    edges: tuple[float, ...] = ()
    favourable: str | None = None


class TrainingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training. ``model``, ``contract`` and ``training`` are the configurations as JSON.

    ``snapshot_path`` is a Parquet file with the contract's columns and, if known, ``@event_us`` (int64 microseconds).
    ``compare_with`` is the current version's bundle folder, ``compare_digest`` what it must be; ``compare_rows_path`` a
    Parquet file of recent labelled rows that the snapshot does not hold. ``cache_dir`` is where steps are kept for
    later trainings, which several jobs may share; None: nowhere. ``mlflow_uri`` None: nobody is told. ``now_us`` stamps
    the bundle; None: the machine's time. ``groups`` are those whose answers the bundle is to tell of.
    """

    schema_version: Literal[1] = 1
    job_id: str
    model: dict[str, Any]
    contract: dict[str, Any]
    training: dict[str, Any]
    snapshot_path: str
    snapshot_id: str
    dataset_hash: str
    config_hash: str
    mlflow_uri: str | None
    mlflow_artifacts: str
    experiment: str
    out_dir: str
    git_commit: str | None = None
    compare_with: str | None = None
    compare_digest: str | None = None
    compare_rows_path: str | None = None
    time_limit_s: float | None = None
    cache_dir: str | None = None
    now_us: int | None = None
    groups: tuple[AskedGroup, ...] = ()


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``progress.jsonl``: how far the job is (0..1) and what it just did."""

    at_share: float
    message: str


class StepResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of the pipeline: how long it took, and whether an earlier training's output was taken over.

    ``key`` is the SHA-256 over all that the step computes from.
    """

    name: str
    key: str
    seconds: float
    reused: bool = False


class GateResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gate: the metric's value on the held-out rows (None where undefined), and whether it passed."""

    metric: str
    value: float | None
    limit: str
    passed: bool


class CandidateResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of one candidate. ``metrics`` are of the held-out rows, ``validation`` those that selected it.

    ``pruned`` of its ``trials`` were given up early; ``reused``: all were taken over from an earlier training.
    """

    algorithm: str
    metrics: dict[str, float] = {}
    validation: dict[str, float] = {}
    params: dict[str, str | int | float | bool | None] = {}
    trials: int = 0
    pruned: int = 0
    reused: bool = False
    seconds: float = 0.0
    error: str | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Candidate against current version on the same recent labelled rows.

    ``gain`` is the improvement of ``metric`` (above 0: the candidate is better, whichever way the metric points; None
    where the metric is undefined). ``loss_candidate`` and ``loss_current`` are the mean losses of a row (absolute
    error, or 0/1), ``loss_gain`` their difference, with
    its 95 % interval from a paired block bootstrap; the bounds are None where there are too few rows for one.
    """

    rows: int
    metric: str
    candidate: dict[str, float]
    current: dict[str, float]
    gain: float | None
    loss_candidate: float
    loss_current: float
    loss_gain: float
    loss_gain_low: float | None
    loss_gain_high: float | None
    current_digest: str


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a training ended. A version is registered only when ``status`` is ``succeeded``.

    ``pipeline`` is the version of the pipeline: a digest of its steps and their code.
    """

    schema_version: Literal[1] = 1
    job_id: str
    status: Literal["succeeded", "rejected_by_gate", "failed"]
    bundle_dir: str | None = None
    digest: str | None = None
    algorithm: str | None = None
    run_id: str | None = None
    metrics: dict[str, float] = {}
    gates: tuple[GateResult, ...] = ()
    candidates: tuple[CandidateResult, ...] = ()
    comparison: Comparison | None = None
    steps: tuple[StepResult, ...] = ()
    pipeline: str | None = None
    rows: int = 0
    notes: tuple[str, ...] = ()
    error: str | None = None
    seconds: float = 0.0


def read_request(path: Path) -> TrainingRequest:
    """Return the request in ``path``.

    Raises:
        ConfigError: it cannot be read, or is no request.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; is it a training request?")
        return msgspec.json.decode(path.read_bytes(), type=TrainingRequest)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); pass the path of a request") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: no training request ({error}); write it as TrainingRequest says") from error


def write_result(path: Path, result: TrainingResult) -> None:
    """Leave ``result`` at ``path``, whole or not at all."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(result), indent=2))
