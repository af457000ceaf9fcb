"""What MLflow is told: a run of the training, a nested run a trial, the winner's bundle. Only this file imports it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from trimtab.core.clock import to_micros
from trimtab.core.errors import BackendError
from trimtab.training.evaluate import Confusion
from trimtab.training.request import TrainingRequest
from trimtab.training.tune import Outcome, Trial

__all__ = ["Tracker"]

_LONGEST_PARAM = 500


class Tracker:
    """Writes one training into MLflow. Calls come from one thread at a time.

    Raises:
        BackendError: MLflow does not answer, on each call.
    """

    def __init__(self, request: TrainingRequest, model: str, now: datetime) -> None:
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
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its default keeps one waiting for minutes
        try:
            self._client = MlflowClient(tracking_uri=request.mlflow_uri)
            self._experiment_id = self._experiment()
            run = self._client.create_run(
                self._experiment_id, start_time=self._started_ms, tags=self._tags, run_name=f"train {model}"
            )
        except Exception as error:
            raise _unreachable(request.mlflow_uri, error) from error
        self.run_id: str = run.info.run_id

    def log_outcome(self, outcome: Outcome) -> None:
        """Write a nested run for each trial of a candidate."""
        try:
            for trial in outcome.trials:
                self._log_trial(outcome, trial)
        except Exception as error:
            raise _unreachable(self._request.mlflow_uri, error) from error

    def log_winner(self, outcome: Outcome, bundle: Path, digest: str, importance: Mapping[str, float]) -> None:
        """Write the winner's held-out metrics, parameters and bundle into the run of the training."""
        try:
            self._log(self.run_id, outcome.metrics, outcome.best.params, {"algorithm": outcome.candidate.type.value})
            self._client.set_tag(self.run_id, "bundle_digest", digest)
            self._log_artifacts(self.run_id, outcome.confusion, importance)
            self._client.log_artifacts(self.run_id, str(bundle), "bundle")
        except Exception as error:
            raise _unreachable(self._request.mlflow_uri, error) from error

    def end(self, status: str, seconds: float) -> None:
        """Close the run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        try:
            self._client.set_terminated(self.run_id, status, end_time=self._started_ms + int(seconds * 1000))
        except Exception as error:
            raise _unreachable(self._request.mlflow_uri, error) from error

    def _experiment(self) -> str:
        name = self._request.experiment
        known = self._client.get_experiment_by_name(name)
        if known is None:
            root = Path(self._request.mlflow_artifacts) / name
            try:
                return str(self._client.create_experiment(name, artifact_location=root.resolve().as_uri()))
            except MlflowException:
                known = self._client.get_experiment_by_name(name)  # another job made it meanwhile
                if known is None:
                    raise
        return str(known.experiment_id)

    def _log_trial(self, outcome: Outcome, trial: Trial) -> None:
        algorithm = outcome.candidate.type.value
        is_best = trial.number == outcome.best.number
        tags = {**self._tags, "mlflow.parentRunId": self.run_id, "algorithm": algorithm}
        tags |= {"trial": str(trial.number), "best_of_candidate": str(is_best).lower()}
        if trial.error:
            tags["error"] = trial.error[:_LONGEST_PARAM]
        run = self._client.create_run(
            self._experiment_id, start_time=self._started_ms, tags=tags, run_name=f"{algorithm} {trial.number}"
        )
        run_id = run.info.run_id
        metrics = trial.metrics | {"seconds": trial.seconds}
        if is_best:
            metrics |= {f"held_out_{name}": value for name, value in outcome.metrics.items()}
        self._log(run_id, metrics, trial.params, {})
        self._log_artifacts(run_id, trial.confusion, trial.importance)
        status = "FAILED" if trial.error else "FINISHED"
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
    # The address may hold a password; only its kind and end are told.
    shown = uri if uri.startswith("sqlite:") else f"{uri.split(':', 1)[0]}://…{uri.rsplit('@', 1)[-1].split('//')[-1]}"
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200].replace(uri, shown)
    return BackendError(f"MLflow at {shown}: {reason}; check that it runs and can be written, then train again")
