"""A project folder is found, and what is wrong with it is named."""

import os
from pathlib import Path

import pytest

from trimtab.config.process import expand_secrets, setting, silence_telemetry
from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Severity
from trimtab.core.errors import ConfigError, NotFoundError

_MODEL = "name: {name}\ntask: binary\ntarget: sick\npositive_class: 'yes'\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trimtab.yaml").write_text(
        "project: clinic\nnotifications:\n  - {name: oncall, url: 'slack://${TOKEN}', min_severity: high}\n"
    )
    for name in ("heart", "bike"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "model.yaml").write_text(_MODEL.format(name=name))
    (tmp_path / "models" / "notes").mkdir()
    return tmp_path


def test_a_project_names_its_models_and_paths(folder: Path) -> None:
    project = ProjectFolder.open(folder)
    assert project.model_names == ("bike", "heart")
    assert project.model("heart").value.main_metric == "accuracy"
    assert project.config.notifications[0].min_severity is Severity.HIGH
    assert project.database == folder.resolve() / ".trimtab" / "trimtab.db"
    inside = (
        project.lake,
        project.intake,
        project.jobs,
        project.bundles,
        project.serving,
        project.reports,
        project.logs,
    )
    assert all(project.state in path.parents for path in inside)
    assert len(set(inside)) == len(inside)


def test_a_folder_without_a_project_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no trimtab\.yaml; change to a project folder"):
        ProjectFolder.open(tmp_path)


@pytest.mark.parametrize("keep", ["182d", "26w", "1h", "0s"])
def test_an_audit_log_is_not_meant_to_be_kept_for_less_than_half_a_year(tmp_path: Path, keep: str) -> None:
    path = tmp_path / "trimtab.yaml"
    path.write_text(f"project: shop\naudit: {{keep: {keep}}}\n")
    with pytest.raises(ConfigError, match=r"less than the six months .* write at least '183d'"):
        ProjectFolder.open(tmp_path)
    path.write_text("project: shop\naudit: {keep: 183d, trusted_keys: [keys/audit.pem]}\n")
    assert ProjectFolder.open(tmp_path).config.audit.keep.days == 183


@pytest.mark.parametrize("name", ["hart", "..", "", "notes"])
def test_an_unknown_model_says_which_there_are(folder: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="it has: bike, heart"):
        ProjectFolder.open(folder).model(name)


def test_a_model_named_otherwise_than_its_folder_is_refused(folder: Path) -> None:
    (folder / "models" / "heart" / "model.yaml").write_text(_MODEL.format(name="other"))
    with pytest.raises(ConfigError, match="differs from its folder 'heart'"):
        ProjectFolder.open(folder).model("heart")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: heart\ntask: binary\ntarget: y\n", "task binary needs positive_class"),
        ("name: heart\ntask: regression\ntarget: y\npositive_class: a\n", "positive_class is for task binary"),
        ("name: heart\ntask: regression\ntarget: y\nprimary_metric: f1\n", "primary_metric 'f1' is not among metrics"),
        ("name: He art\ntask: regression\ntarget: y\n", ":1: name: found 'He art'"),
        ("name: heart\ntask: guess\ntarget: y\n", ":2: task: found 'guess'"),
    ],
)
def test_a_model_that_contradicts_itself_says_how(folder: Path, text: str, said: str) -> None:
    (folder / "models" / "heart" / "model.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        ProjectFolder.open(folder).model("heart")
    assert said in str(caught.value)


def test_what_is_no_feature_is_never_a_feature(folder: Path) -> None:
    (folder / "models" / "heart" / "model.yaml").write_text(
        _MODEL.format(name="heart") + "key: id\ntime: at\nignore: [note]\nmetrics: [recall, f1]\n"
    )
    model = ProjectFolder.open(folder).model("heart").value
    assert model.not_features == {"sick", "id", "at", "note"}
    assert (model.main_metric, model.all_metrics) == ("recall", ("recall", "f1"))


def test_secrets_are_expanded_from_the_environment_only() -> None:
    assert expand_secrets("a://${A}/${B_2}?${A}", {"A": "x", "B_2": "${A}"}) == "a://x/${A}?x"
    assert expand_secrets("no $reference {here} ${", {}) == "no $reference {here} ${"
    with pytest.raises(ConfigError, match=r"\$\{NOT_THERE\} is not set in the environment; export NOT_THERE"):
        expand_secrets("a://${NOT_THERE}", {"THERE": "s3cret"})


def test_settings_come_from_trimtab_variables() -> None:
    assert setting("port", "1", {"TRIMTAB_PORT": "2"}) == "2"
    assert setting("port", "1", {}) == "1"
    assert setting("port", environment={}) is None


def test_telemetry_is_off_unless_the_user_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    silence_telemetry()
    assert (os.environ["DO_NOT_TRACK"], os.environ["MLFLOW_DISABLE_TELEMETRY"]) == ("1", "false")
    monkeypatch.delenv("DO_NOT_TRACK")
