"""What MLflow is told: a run of the training, a nested run a trial, the winner's bundle. Only this file imports it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from trimtab.config.database import with_driver
from trimtab.config.process import expand_secrets
from trimtab.core.clock import to_micros
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.registry.mlflow_store import open_client, without_login
from trimtab.training.evaluate import Confusion
from trimtab.training.finishing import Winner
from trimtab.training.hindrance import TrackerAwayError
from trimtab.training.request import BUNDLE_NAME, PLOTS_NAME, TrainingRequest, TrainingResult
from trimtab.training.trial import Trial
from trimtab.training.tune import Outcome

__all__ = ["Tracker"]

_LONGEST_PARAM = 500
_REFUSALS = {
    "BAD_REQUEST",
    "CUSTOMER_UNAUTHORIZED",
    "ENDPOINT_NOT_FOUND",
    "INVALID_PARAMETER_VALUE",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
}
"""What MLflow answers to a question that it will never like: no use in asking again."""


class Tracker:
    """Writes one training into MLflow. Calls come from one thread at a time.

    Raises:
        TrackerAwayError: MLflow does not answer, on each call.
        BackendError: it refuses what it is told, on each call.
    """

    def __init__(self, request: TrainingRequest, model: str, now: datetime, *, uri: str) -> None:
        self._request = request
        self._model = model
        self._started_ms = to_micros(now) // 1000
        self._tags = {
            "model": model,
            "job_id": request.job_id,
            "snapshot_id": request.snapshot_id,
            "dataset_hash": request.dataset_hash,
            "config_hash": request.config_hash,
            "git_commit": request.git_commit or "unknown",
            "mlflow.source.type": "JOB",
            "mlflow.source.name": "trimtab train",
        }
        self._uri = with_driver(expand_secrets(uri))
        try:
            self._client = open_client(self._uri)
            self._experiment_id = self._experiment()
            self._close_earlier_attempts()
            run = self._client.create_run(
                self._experiment_id, start_time=self._started_ms, tags=self._tags, run_name=f"train {model}"
            )
        except Exception as error:
            raise _unreachable(self._uri, error) from error
        self.run_id: str = run.info.run_id

    def log_outcome(self, outcome: Outcome, step_key: str, *, reused: bool) -> None:
        """Write a nested run for each trial of a candidate; of one that was taken over, for the best.

        The others stand in the run of the training that did them, under the same ``step_key``.
        """
        trials = (outcome.best,) if reused else outcome.trials
        try:
            for trial in trials:
                self._log_trial(outcome, trial, {"step_key": step_key, "reused": str(reused).lower()})
        except Exception as error:
            raise _unreachable(self._uri, error) from error

    def log_winner(self, winner: Winner) -> None:
        """Write the winner's held-out metrics, parameters and bundle into the run of the training."""
        finished = winner.finished
        tags = {"algorithm": winner.outcome.candidate.type.value}
        try:
            self._log(self.run_id, finished.metrics, winner.outcome.best.params, tags)
            self._log_artifacts(self.run_id, finished.confusion, finished.importance)
            if finished.per_class:
                self._client.log_dict(self.run_id, msgspec.to_builtins(finished.per_class), "per_class.json")
            if finished.residuals:
                quantiles = {str(share): value for share, value in finished.residuals.items()}
                self._client.log_dict(self.run_id, quantiles, "residual_quantiles.json")
            self._client.log_artifacts(self.run_id, str(Path(self._request.out_dir) / BUNDLE_NAME), "bundle")
        except Exception as error:
            raise _unreachable(self._uri, error) from error

    def log_result(self, result: TrainingResult, pictures: Mapping[str, bytes]) -> None:
        """Write what the training came to, and the winner's pictures."""
        reused = sum(step.reused for step in result.steps)
        tags = {
            "bundle_digest": str(result.digest),
            "pipeline_version": str(result.pipeline),
            "steps_reused": f"{reused} of {len(result.steps)}",
            "gates": result.status,
            "notes": str(len(result.notes)),
        }
        try:
            self._log(self.run_id, {}, {}, tags)
            self._client.log_dict(self.run_id, msgspec.to_builtins(result.steps), "steps.json")
            if result.notes:
                self._client.log_dict(self.run_id, list(result.notes), "notes.json")
            self._log_pictures(Path(self._request.out_dir) / PLOTS_NAME, pictures)
        except Exception as error:
            raise _unreachable(self._uri, error) from error

    def end(self, status: str, seconds: float) -> None:
        """Close the run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        try:
            self._client.set_terminated(self.run_id, status, end_time=self._started_ms + int(seconds * 1000))
        except Exception as error:
            raise _unreachable(self._uri, error) from error

    def _experiment(self) -> str:
        name = self._request.experiment
        known = self._client.get_experiment_by_name(name)
        if known is None:
            root = Path(self._request.mlflow_artifacts) / name
            try:
                # A tracking server keeps the artifacts where it was told to; beside a database nobody else would.
                place = None if self._uri.startswith("http") else root.resolve().as_uri()
                return str(self._client.create_experiment(name, artifact_location=place))
            except MlflowException:
                known = self._client.get_experiment_by_name(name)  # another job made it meanwhile
                if known is None:
                    raise
        return str(known.experiment_id)

    def _close_earlier_attempts(self) -> None:
        """Close what an attempt of this job left open when it was killed, so that nothing runs for ever in MLflow."""
        left = self._client.search_runs(
            [self._experiment_id],
            filter_string=f"tags.job_id = '{self._request.job_id}' and attributes.status = 'RUNNING'",
        )
        for run in left:
            self._client.set_terminated(run.info.run_id, "KILLED", end_time=self._started_ms)

    def _log_pictures(self, folder: Path, pictures: Mapping[str, bytes]) -> None:
        if not pictures:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in pictures.items():
            (folder / name).write_bytes(content)
        self._client.log_artifacts(self.run_id, str(folder), PLOTS_NAME)

    def _log_trial(self, outcome: Outcome, trial: Trial, more_tags: Mapping[str, str]) -> None:
        algorithm = outcome.candidate.type.value
        is_best = trial.number == outcome.best.number
        tags = {**self._tags, "mlflow.parentRunId": self.run_id, "algorithm": algorithm}
        tags |= {"trial": str(trial.number), "best_of_candidate": str(is_best).lower(), **more_tags}
        if trial.pruned:
            tags["pruned"] = f"after fold {len(trial.by_fold)}"
        if trial.error:
            tags["error"] = trial.error[:_LONGEST_PARAM]
        run = self._client.create_run(
            self._experiment_id, start_time=self._started_ms, tags=tags, run_name=f"{algorithm} {trial.number}"
        )
        run_id = run.info.run_id
        metrics = trial.metrics | {"seconds": trial.seconds}
        if is_best:
            metrics |= {f"held_out_{name}": value for name, value in outcome.metrics.items()}
        metrics |= {f"after_fold_{fold}": value for fold, value in enumerate(trial.by_fold, start=1)}
        self._log(run_id, metrics, trial.params, {})
        self._log_artifacts(run_id, trial.confusion, trial.importance)
        status = "FAILED" if trial.error else "KILLED" if trial.pruned else "FINISHED"
        self._client.set_terminated(run_id, status, end_time=self._started_ms + int(trial.seconds * 1000))

    def _log(
        self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, self._started_ms, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)[:_LONGEST_PARAM]) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def _log_artifacts(self, run_id: str, confusion: Confusion | None, importance: Mapping[str, float]) -> None:
        if confusion is not None:
            content = {"labels": list(confusion.labels), "counts": [list(row) for row in confusion.counts]}
            self._client.log_dict(run_id, content, "confusion_matrix.json")
        if importance:
            ordered = dict(sorted(importance.items(), key=lambda item: -item[1]))
            self._client.log_dict(run_id, ordered, "importance.json")


def _unreachable(uri: str, error: Exception) -> BackendError:
    said = without_login((str(error).splitlines() or [type(error).__name__])[0], uri)[:200]
    told = f"MLflow at {without_login(uri, uri)}: {said}; check that it runs and can be written"
    if _is_away(error):
        return TrackerAwayError(told)
    return BackendError(f"{told}, then train again")


def _is_away(error: Exception) -> bool:
    """Whether the same call may succeed later: nobody answers, or whoever does has a fault of its own."""
    if isinstance(error, MlflowException):
        return error.error_code not in _REFUSALS
    return isinstance(error, (OSError, SQLAlchemyError, TrimtabError))
