"""``trimtab.yaml``: where a project's things live, and who is told what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from trimtab.config.database import mlflow_url
from trimtab.config.durations import Duration, format_duration
from trimtab.config.lineage import LineageConfig
from trimtab.config.loading import Loaded, Strict, load_yaml
from trimtab.config.model import ModelConfig, Name
from trimtab.config.notifications import NotificationRoute, check_fallbacks
from trimtab.config.rates import CallerRates, ProxyNetwork
from trimtab.config.reports import ReportsConfig, check_mail_routes
from trimtab.config.sizes import Size
from trimtab.config.webhooks import WebhookConfig
from trimtab.core.errors import ConfigError, NotFoundError

__all__ = [
    "ApiConfig",
    "AuditConfig",
    "ProjectConfig",
    "ProjectFolder",
    "RetentionConfig",
    "ServingConfig",
]

_LEAST_KEPT = timedelta(days=30)
_AUDIT_LEAST_KEPT = timedelta(days=183)
"""Six months, whichever they are."""


class ApiConfig(Strict):
    """Where the control plane listens."""

    host: str = Field(default="127.0.0.1", description="Loopback unless told otherwise.")
    port: int = Field(default=8765, ge=0, le=65535, description="0 takes a free port.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[a-z0-9.-]+(:\d{1,5})?$",
        description=(
            "How people reach it where a proxy stands in front, e.g. 'https://ops.example.com': its pages may use "
            "sessions, and messages link to it. Default: the address itself."
        ),
    )
    session_hours: int = Field(
        default=12,
        ge=1,
        le=168,
        description="When a session ends at the latest; one in which nothing is asked ends after an hour.",
    )
    rate: CallerRates | None = Field(default=CallerRates(), description="How much one caller may ask; null: all.")
    trusted_proxies: tuple[ProxyNetwork, ...] = Field(
        default=(),
        description="Addresses or networks of proxies whose `X-Forwarded-For` says where a request comes from.",
    )

    @field_validator("public_url")
    @classmethod
    def _as_browsers_say_it(cls, public_url: str | None) -> str | None:
        # A browser's `Origin` names no port that its scheme has anyway.
        if public_url is None:
            return None
        return public_url.removesuffix(":443" if public_url.startswith("https:") else ":80")

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what a browser sends: over https, or where it stays on this machine."""
        if self.public_url is not None and self.public_url.startswith("https:"):
            return True
        host = self.host if self.public_url is None else urlsplit(self.public_url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class ServingConfig(Strict):
    """Where the inference server listens, and how carefully it writes."""

    host: str = Field(default="127.0.0.1", description="Loopback unless told otherwise.")
    port: int = Field(default=8766, ge=0, le=65535, description="0 takes a free port.")
    workers: int = Field(default=1, ge=1, le=256, description="Processes that share the port; one a core is the most.")
    keys: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File of API keys by scope, as seen from here; the inference server asks for one then. Default: no key is "
            "asked for."
        ),
    )
    sync_interval: Duration = Field(
        default="200ms", validate_default=True, description="How often the prediction journal is forced to disk."
    )
    ship_interval: Duration = Field(
        default="1s", validate_default=True, description="How often recorded predictions are shipped to the lake."
    )
    watchdog: Duration | None = Field(
        default="30s",
        validate_default=True,
        description=(
            "How long a server process may hang, answering nobody, before it ends itself, to be started again; null: "
            "for ever."
        ),
    )
    log_limit: Size | None = Field(
        default=None,
        ge=65536,
        description=(
            "Bytes that recorded predictions may take before they are in the lake ('4GiB'): once in the journal, and "
            "once in the intake; beyond it none is taken. Default: what the disk has."
        ),
    )
    memory_budget: Size | None = Field(
        default=None,
        ge=1,
        description=(
            "Memory that models may take together ('2GiB'); beyond it the least recently used are unloaded, but for "
            "those that are pinned. Default: no bound."
        ),
    )


class RetentionConfig(Strict):
    """How long the database keeps what is measured anew all the time.

    Versions, cases, requests, firings and the audit log are kept for ever, and the lake's files are nobody's here.
    """

    profiles: Duration | None = Field(
        default="400d",
        validate_default=True,
        description=(
            "How long summaries of answered rows are kept: by `profile_period` for 35 days, then by day. Never less "
            "than twice the longest window. Null: for ever."
        ),
    )
    checks: Duration | None = Field(
        default="400d",
        validate_default=True,
        description=(
            "How long checks are kept, looks of ended rollouts, evaluations of triggers that did not fire, and what is "
            "remembered of versions that nobody has judged since. Null: for ever."
        ),
    )

    @field_validator("profiles", "checks")
    @classmethod
    def _long_enough(cls, kept: timedelta | None) -> timedelta | None:
        if kept is not None and kept < _LEAST_KEPT:
            raise ValueError("must be 30d or more, or null; monitors and triggers look back")
        return kept


class AuditConfig(Strict):
    """What becomes of the audit log, and whose word about it counts."""

    keep: Duration = Field(
        default="730d",
        validate_default=True,
        description=(
            "How long entries are to be there, at least '183d': the EU AI Act asks for six months. Trimtab deletes "
            "none, whatever is written here; it is told with each verification."
        ),
    )
    trusted_keys: tuple[str, ...] = Field(
        default=(),
        description=(
            "Files with public keys (PEM), as seen from here: then checkpoints count only if one of these, or one that "
            "it vouched for, has signed them."
        ),
    )

    @field_validator("keep")
    @classmethod
    def _long_enough(cls, keep: timedelta) -> timedelta:
        if keep < _AUDIT_LEAST_KEPT:
            raise ValueError(
                f"{format_duration(keep)} is less than the six months that logs have to be kept; write at least "
                f"'{format_duration(_AUDIT_LEAST_KEPT)}'"
            )
        return keep


class ProjectConfig(Strict):
    """A project: several models that share a control plane."""

    project: Name
    state_dir: str = Field(default=".trimtab", description="Where everything the platform writes lives.")
    api: ApiConfig = ApiConfig()
    serving: ServingConfig = ServingConfig()
    audit: AuditConfig = AuditConfig()
    lineage: LineageConfig = LineageConfig()
    notifications: tuple[NotificationRoute, ...] = ()
    webhooks: tuple[WebhookConfig, ...] = Field(default=(), max_length=50)
    retention: RetentionConfig = RetentionConfig()
    reports: ReportsConfig = ReportsConfig()

    @field_validator("reports")
    @classmethod
    def _mailed_somewhere(cls, reports: ReportsConfig, info: ValidationInfo) -> ReportsConfig:
        routes = info.data.get("notifications")
        # Routes that cannot be read are told by themselves.
        return reports if routes is None else check_mail_routes(reports, [route.name for route in routes])

    @field_validator("notifications")
    @classmethod
    def _falls_back_somewhere(cls, routes: tuple[NotificationRoute, ...]) -> tuple[NotificationRoute, ...]:
        return check_fallbacks(routes)

    @field_validator("webhooks")
    @classmethod
    def _one_of_a_name(cls, webhooks: tuple[WebhookConfig, ...]) -> tuple[WebhookConfig, ...]:
        names = [webhook.name for webhook in webhooks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is there twice; a webhook's address is its name, give each its own")
        return webhooks


@dataclass(frozen=True, slots=True)
class ProjectFolder:
    """A project on disk: ``trimtab.yaml`` and one folder a model. All paths of the platform are named here, once."""

    root: Path
    config: ProjectConfig

    @staticmethod
    def open(root: Path) -> ProjectFolder:
        """Read ``root/trimtab.yaml``.

        Raises:
            ConfigError: there is none, or it does not fit.
        """
        path = root / "trimtab.yaml"
        if not path.is_file():
            raise ConfigError(f"{root}: holds no trimtab.yaml; change to a project folder, or pass --project FOLDER")
        return ProjectFolder(root=root.resolve(), config=load_yaml(path, ProjectConfig).value)

    @property
    def state(self) -> Path:
        """Root of everything the platform writes."""
        return self.root / self.config.state_dir

    @property
    def database(self) -> Path:
        """The embedded metadata database."""
        return self.state / "trimtab.db"

    @property
    def lake(self) -> Path:
        """Root of the lake's zones, unless ``TRIMTAB_LAKE_URL`` puts them elsewhere."""
        return self.state / "lake"

    @property
    def lake_cache(self) -> Path:
        """Copies of what lies in the bucket, when the lake is one; they may be removed."""
        return self.state / "lake-cache"

    @property
    def intake(self) -> Path:
        """Where shippers leave segments for the control plane."""
        return self.state / "intake"

    @property
    def training_cache(self) -> Path:
        """What the steps of trainings left for later ones; may be deleted at any time."""
        return self.state / "cache" / "training"

    @property
    def jobs(self) -> Path:
        """One folder a job: request, progress, result, bundle."""
        return self.state / "jobs"

    @property
    def bundles(self) -> Path:
        """Adopted bundles, by model and digest."""
        return self.state / "bundles"

    @property
    def serving(self) -> Path:
        """The inference server's own state: specs, status, journal."""
        return self.state / "serving"

    @property
    def serving_keys(self) -> Path | None:
        """The keys that callers of the inference server have; None: none is asked for."""
        keys = self.config.serving.keys
        return None if keys is None else self.root / keys

    @property
    def journal(self) -> Path:
        """What the inference server recorded, until it is shipped."""
        return self.serving / "journal"

    @property
    def audit_keys(self) -> Path:
        """Private keys that sign checkpoints of the audit log, unless ``TRIMTAB_AUDIT_KEY`` names others."""
        return self.state / "audit-keys"

    @property
    def reports(self) -> Path:
        """Written reports."""
        return self.state / "reports"

    @property
    def message_templates(self) -> Path:
        """The project's own words for messages, beside those that Trimtab has; need not be there."""
        return self.root / "templates" / "notify"

    @property
    def kept_config(self) -> Path:
        """Configuration files as they were before an action changed them."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """Structured logs of the supervised processes."""
        return self.state / "logs"

    @property
    def mlflow_uri(self) -> str:
        """Tracking and registry store: ``TRIMTAB_MLFLOW_URL``, or a file of the project. It may hold a password."""
        return mlflow_url() or f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Artifact root of the embedded MLflow."""
        return self.state / "mlflow-artifacts"

    @property
    def model_names(self) -> tuple[str, ...]:
        """Folders below ``models/`` that hold a ``model.yaml``, sorted."""
        return tuple(sorted(path.parent.name for path in (self.root / "models").glob("*/model.yaml")))

    def model_folder(self, model: str) -> Path:
        """Return the folder of ``model``.

        Raises:
            NotFoundError: the project has no such model.
        """
        if model not in self.model_names:
            known = ", ".join(self.model_names) or "none"
            raise NotFoundError(f"model {model!r}: not in project {self.config.project!r}; it has: {known}")
        return self.root / "models" / model

    def model(self, model: str) -> Loaded[ModelConfig]:
        """Return the ``model.yaml`` of ``model``.

        Raises:
            NotFoundError: no such model.
            ConfigError: the file does not fit, or names another model than its folder.
        """
        loaded = load_yaml(self.model_folder(model) / "model.yaml", ModelConfig)
        if loaded.value.name != model:
            raise ConfigError(
                f"{loaded.at('name')}: name {loaded.value.name!r} differs from its folder {model!r}; rename one"
            )
        return loaded
