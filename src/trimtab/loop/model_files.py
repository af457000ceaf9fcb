"""The files of one model, read together, and the hash that names this state of its configuration."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from trimtab.config.columns import ContractConfig
from trimtab.config.loading import Loaded, load_yaml
from trimtab.config.model import ModelConfig
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import digest_of
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError
from trimtab.measures.row_losses import row_loss, row_loss_metrics
from trimtab.monitoring.settings import MonitoringConfig
from trimtab.remediation.policy import PolicyConfig
from trimtab.retraining.settings import RetrainConfig, monitors_named
from trimtab.rollout.limits import Family, Limits, QualityLimits
from trimtab.rollout.settings import DeploymentConfig
from trimtab.rollout.strategies import CanaryConfig, RecreateConfig, Strategy
from trimtab.training.settings import TrainingConfig

__all__ = ["FILE_MODELS", "ModelFiles", "git_commit_of", "load_model_files", "load_policy"]

FILE_MODELS: dict[str, type[BaseModel]] = {
    "model.yaml": ModelConfig,
    "contract.yaml": ContractConfig,
    "training_config.yaml": TrainingConfig,
    "deployment_config.yaml": DeploymentConfig,
    "monitoring_config.yaml": MonitoringConfig,
    "retrain_config.yaml": RetrainConfig,
}
"""The files of a model's folder and what each must fit."""


_MEASURE_QUALITY = ("model_quality", "estimated_quality")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """All that a user wrote about one model."""

    model: ModelConfig
    contract: ContractConfig
    training: TrainingConfig
    deployment: DeploymentConfig
    monitoring: MonitoringConfig
    retrain: RetrainConfig
    digest: str

    @property
    def endpoint(self) -> str:
        """The production endpoint's name."""
        return self.deployment.endpoint_of(self.model.name)

    @property
    def staging_endpoint(self) -> str:
        """The staging endpoint's name."""
        return self.deployment.staging_of(self.model.name)

    @property
    def strategy(self) -> Strategy:
        """How traffic moves to a new version: as the deployment says, or as usual for how the model answers."""
        return self.deployment.strategy_for(self.model.answers)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of the contract that the estimator sees."""
        return tuple(name for name in self.contract.columns if name not in self.model.not_features)


def load_model_files(project: ProjectFolder, name: str) -> ModelFiles:
    """Read and cross-check the folder of model ``name``.

    Raises:
        NotFoundError: the project has no such model.
        ConfigError: a file is missing or does not fit, or two files contradict each other.
    """
    folder = project.model_folder(name)
    model = project.model(name)
    contract = load_yaml(folder / "contract.yaml", ContractConfig)
    training = load_yaml(folder / "training_config.yaml", TrainingConfig)
    deployment = load_yaml(folder / "deployment_config.yaml", DeploymentConfig)
    monitoring = load_yaml(folder / "monitoring_config.yaml", MonitoringConfig)
    retrain = load_yaml(folder / "retrain_config.yaml", RetrainConfig)
    _check_columns(model, contract)
    _check_limits(model.value, deployment)
    _check_reporters(monitoring, [route.name for route in project.config.notifications])
    _check_monitors(retrain, monitoring.value)
    _check_wanted(monitoring, model, contract.value)
    digests = [loaded.digest for loaded in (model, contract, training, deployment, monitoring, retrain)]
    return ModelFiles(
        model=model.value,
        contract=contract.value,
        training=training.value,
        deployment=deployment.value,
        monitoring=monitoring.value,
        retrain=retrain.value,
        digest=digest_of(digests),
    )


def load_policy(project: ProjectFolder) -> Loaded[PolicyConfig]:
    """Read the project's ``policy.yaml``.

    Raises:
        ConfigError: it is missing, empty, does not fit, or names a model that the project does not have.
    """
    loaded = load_yaml(project.root / "policy.yaml", PolicyConfig)
    if set(loaded.lines) <= {()}:
        raise ConfigError(
            f"{loaded.path}: is empty; expected rules; write 'rules: []' if a person is to be asked about everything"
        )
    _check_models(loaded, project.model_names)
    return loaded


def _check_models(policy: Loaded[PolicyConfig], known: Sequence[str]) -> None:
    """Refuse rules for models that do not exist: a slip of the pen would leave the real one without its rule."""
    expected = f"expected one of {', '.join(known)}" if known else "models/ holds none"
    problems = [
        f"{policy.at('rules', place, 'when', 'models', number)}: rules.{place}.when.models: found {name!r}, which no "
        f"model is called; {expected}; correct it, or remove it"
        for place, rule in enumerate(policy.value.rules)
        for number, name in enumerate(rule.when.models)
        if name not in known
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _check_columns(model: Loaded[ModelConfig], contract: Loaded[ContractConfig]) -> None:
    columns = contract.value.columns
    named = {"target": model.value.target, "key": model.value.key, "time": model.value.time}
    for field, column in named.items():
        if column is not None and column not in columns:
            raise ConfigError(
                f"{model.at(field)}: {field}: found {column!r}, which {contract.path.name} does not declare; "
                f"it has {', '.join(columns)}"
            )
    for place, column in enumerate(model.value.ignore):
        if column not in columns:
            raise ConfigError(
                f"{model.at('ignore', place)}: ignore: {column!r} is not declared in {contract.path.name}; remove it"
            )
    time = model.value.time
    if model.value.time_features and time is not None and columns[time].type is not ColumnKind.DATETIME:
        raise ConfigError(
            f"{model.at('time_features')}: time_features: column {time!r} is {columns[time].type} in "
            f"{contract.path.name}; expected datetime; correct its type there, or set time_features to false"
        )
    features = [name for name in columns if name not in model.value.not_features]
    if not features:
        raise ConfigError(
            f"{contract.at('columns')}: declares no feature beside target, key and time; add columns to learn from"
        )


def _check_limits(model: ModelConfig, deployment: Loaded[DeploymentConfig]) -> None:
    strategy = deployment.value.strategy
    if strategy is None or isinstance(strategy, RecreateConfig):
        return
    if strategy.limits.max_error_rate == 0:
        raise ConfigError(
            f"{deployment.at('strategy', 'limits', 'max_error_rate')}: strategy.limits.max_error_rate: found 0; "
            "no number of requests shows that none ever fails: each rollout would wait for a person; write 0.001"
        )
    if isinstance(strategy, CanaryConfig):
        _check_errors(strategy.limits, deployment)
    if not isinstance(strategy.limits, QualityLimits):
        return
    for metric in strategy.limits.max_degradation:
        if metric not in model.all_metrics:
            at = deployment.at("strategy", "limits", "max_degradation", metric)
            raise ConfigError(
                f"{at}: strategy.limits.max_degradation: {metric!r} is not among the metrics of model.yaml, "
                f"{', '.join(model.all_metrics)}; add it there under metrics, or name one of these"
            )
        if row_loss(metric, model.task) is None:
            at = deployment.at("strategy", "limits", "max_degradation", metric)
            raise ConfigError(
                f"{at}: strategy.limits.max_degradation: {metric!r} is no mean over rows, so that versions cannot be "
                f"compared by it while rows come in; expected one of {', '.join(row_loss_metrics(model.task))}"
            )


def _check_reporters(monitoring: Loaded[MonitoringConfig], known: Sequence[str]) -> None:
    for severity, names in monitoring.value.reporters.routes.items():
        for place, name in enumerate(names):
            if name not in known:
                at = monitoring.at("reporters", "routes", severity.value, place)
                raise ConfigError(
                    f"{at}: reporters.routes.{severity}: found {name!r}; "
                    f"expected notification routes of trimtab.yaml, {', '.join(known) or 'which has none'}; "
                    "add it there, or name one of these"
                )


def _check_monitors(retrain: Loaded[RetrainConfig], monitoring: MonitoringConfig) -> None:
    types = {monitor.title: monitor.type for monitor in monitoring.monitors}
    quality = [title for title, kind in types.items() if kind in _MEASURE_QUALITY]
    for at, kind, name in monitors_named(retrain.value.when, "when"):
        fitting = quality if kind == "performance" else [title for title in types if title not in quality]
        if name not in fitting:
            what, path = "quality" if kind == "performance" else "columns", ".".join(map(str, at))
            raise ConfigError(
                f"{retrain.at(*at)}: {path}: found {name!r}; expected a monitor of monitoring_config.yaml that judges "
                f"{what}, {', '.join(fitting) or 'which has none'}; add it there, or name one of these"
            )


def _check_wanted(monitoring: Loaded[MonitoringConfig], model: Loaded[ModelConfig], contract: ContractConfig) -> None:
    """Refuse monitors of what no record will ever hold: they would be inconclusive without end."""
    features = [name for name in contract.columns if name not in model.value.not_features]
    for place, settings in enumerate(monitoring.value.monitors):
        at = f"{monitoring.at('monitors', place)}: monitor {settings.title}"
        for column in settings.row_columns:
            if column not in features:
                why = _instead_of_a_feature(column, model, contract)
                raise ConfigError(
                    f"{at}: found column {column!r}, which {why}, so that no record holds it; expected one of "
                    f"{', '.join(features)}; fairness by a column that the model must not see takes 'from: deliveries'"
                )
        if settings.delivered_columns and model.value.key is None:
            raise ConfigError(
                f"{at}: found 'from: deliveries', but {model.path.name} names no key, by which a record's row is found "
                "in delivered tables; expected one; name the column under key there"
            )


def _instead_of_a_feature(column: str, model: Loaded[ModelConfig], contract: ContractConfig) -> str:
    if column not in contract.columns:
        return "contract.yaml does not declare"
    if column in model.value.ignore:
        return f"{model.path.name} ignores"
    named = {"target": model.value.target, "key": model.value.key}
    role = next((role for role, name in named.items() if name == column), "time")
    return f"is the {role} in {model.path.name}"


def _check_errors(limits: Limits, deployment: Loaded[DeploymentConfig]) -> None:
    unlimited = limits.max_error_rate in (None, 1)
    if unlimited and limits.max_error_ratio is not None and limits.required.get(Family.ERRORS, True):
        found = "null" if limits.max_error_rate is None else "1"
        raise ConfigError(
            f"{deployment.at('strategy', 'limits', 'max_error_rate')}: strategy.limits.max_error_rate: found {found} "
            "beside a max_error_ratio; where neither version fails there is no ratio, and only this limit tells that "
            "all is well: each faultless rollout would wait for a person; write 0.01, or set max_error_ratio to null, "
            "or required: {errors: false}"
        )


def git_commit_of(folder: Path) -> str | None:
    """Return the commit of the repository that holds ``folder``, None outside of one or without git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
