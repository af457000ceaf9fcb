"""Validation tells everything that is wrong, not only the first file's fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.integration.small_project import FILES, make_project
from tests.unit.loop.projects import make_project as tiny_project

from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Role
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.loop.keys import create_key
from trimtab.loop.model_files import load_model_files
from trimtab.loop.validation import project_warnings, validate_project


def test_a_fault_in_the_project_file_hides_no_other(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"].replace("api:", "apis:"))
    (project / "models/churn/contract.yaml").write_text("colums: {}\n")
    problems = validate_project(project)
    assert [problem.partition(":")[0] for problem in problems] == [
        str(project / "trimtab.yaml"),
        str(project / "models/churn/contract.yaml"),
        str(project / "models/churn/contract.yaml"),
    ]


@pytest.mark.parametrize("content", ["", "# rules come later\n", "---\n", "{}\n"])
def test_an_empty_policy_is_refused_since_it_may_be_a_mistake(tmp_path: Path, content: str) -> None:
    project = make_project(tmp_path)
    (project / "policy.yaml").write_text(content)
    (problem,) = validate_project(project)
    assert "is empty; expected rules; write 'rules: []'" in problem
    (project / "policy.yaml").write_text("rules: []\n")
    assert validate_project(project) == []


def _deployment(limits: str) -> str:
    return f"strategy:\n  type: ab\n  limits:\n    max_degradation:\n      {limits}\n"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("recall: 0.1", "'recall' is not among the metrics of model.yaml, accuracy, f1; add it there under metrics"),
        ("f1: 0.1", "'f1' is no mean over rows, so that versions cannot be compared by it while rows come in"),
    ],
)
def test_a_metric_that_cannot_be_judged_is_named_with_its_line(tmp_path: Path, limits: str, expected: str) -> None:
    project = tiny_project(tmp_path, deployment_config=_deployment(limits))
    (problem,) = validate_project(project.root)
    assert problem.startswith(f"{project.root / 'models/tiny/deployment_config.yaml'}:5: ")
    assert expected in problem


@pytest.mark.parametrize("kind", ["canary", "blue_green", "shadow", "ab"])
def test_a_limit_that_no_traffic_can_show_to_hold_is_refused(tmp_path: Path, kind: str) -> None:
    config = f"strategy:\n  type: {kind}\n  limits:\n    max_error_rate: 0\n"
    project = tiny_project(tmp_path, deployment_config=config)
    (problem,) = validate_project(project.root)
    assert problem.startswith(f"{project.root / 'models/tiny/deployment_config.yaml'}:4: ")
    assert "no number of requests shows that none ever fails" in problem


@pytest.mark.parametrize("rate", ["null", "1"])
def test_a_ratio_of_errors_without_a_limit_on_their_rate_is_refused_where_it_is_waited_for(
    tmp_path: Path, rate: str
) -> None:
    config = f"strategy:\n  type: canary\n  limits:\n    max_error_rate: {rate}\n"
    (problem,) = validate_project(tiny_project(tmp_path / "waits", deployment_config=config).root)
    assert problem.startswith(f"{tmp_path / 'waits/models/tiny/deployment_config.yaml'}:4: ")
    assert f"found {rate} beside a max_error_ratio" in problem
    for number, way_out in enumerate(("max_error_ratio: null", "required: {errors: false}")):
        project = tiny_project(tmp_path / str(number), deployment_config=f"{config}    {way_out}\n")
        assert validate_project(project.root) == []


def test_a_metric_that_is_a_mean_over_rows_may_be_limited_and_no_strategy_need_be_named(tmp_path: Path) -> None:
    assert validate_project(tiny_project(tmp_path, deployment_config=_deployment("accuracy: 0.1")).root) == []
    project = tiny_project(tmp_path, deployment_config="approval: {required: true}\n")
    assert validate_project(project.root) == []
    assert load_model_files(project, "tiny").strategy.type == "canary"
    model = project.model_folder("tiny") / "model.yaml"
    model.write_text(f"{model.read_text()}answers: batch\n")
    assert load_model_files(project, "tiny").strategy.type == "shadow"


@pytest.mark.parametrize(
    ("name", "config", "found"),
    [
        ("other", "endpoint: tiny\n", "models/tiny/deployment_config.yaml: endpoint 'tiny' is that of"),
        (
            "other",
            "staging_endpoint: tiny\n",
            "models/tiny/deployment_config.yaml: endpoint 'tiny' is that of",
        ),
        ("tiny-staging", "", "endpoint 'tiny-staging' is that of model 'tiny'"),
    ],
)
def test_two_models_share_no_endpoint(tmp_path: Path, name: str, config: str, found: str) -> None:
    project = tiny_project(tmp_path)
    assert validate_project(project.root) == []
    folder = project.root / "models" / name
    shutil.copytree(project.root / "models" / "tiny", folder)
    (folder / "model.yaml").write_text((folder / "model.yaml").read_text().replace("name: tiny", f"name: {name}"))
    (folder / "deployment_config.yaml").write_text("strategy: {type: recreate}\n" + config)
    assert any(found in problem for problem in validate_project(project.root))


def _fairness(group: str) -> str:
    monitor = f"type: fairness, group: {group}, limits: {{demographic_parity_difference: 0.2}}"
    return f"window: 7d\nmonitors:\n  - {{type: data_drift}}\n  - {{{monitor}}}\n"


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("chol", "which model.yaml ignores"),
        ("disease", "which is the target in model.yaml"),
        ("row_id", "which is the key in model.yaml"),
        ("gender", "which contract.yaml does not declare"),
    ],
)
def test_groups_by_what_no_record_holds_are_refused_with_their_line(tmp_path: Path, column: str, why: str) -> None:
    model = (tiny_project(tmp_path / "as-it-is").root / "models/tiny/model.yaml").read_text() + "ignore: [chol]\n"
    project = tiny_project(tmp_path / "by", model=model, monitoring_config=_fairness(f"{{column: {column}}}"))
    (problem,) = validate_project(project.root)
    assert problem.startswith(f"{project.root / 'models/tiny/monitoring_config.yaml'}:4: monitor fairness: ")
    assert f"found column {column!r}, {why}, so that no record holds it; expected one of age, sex;" in problem
    assert "'from: deliveries'" in problem
    segments = f"window: 7d\nmonitors: [{{type: model_quality, limits: {{f1: 0.5}}, segments: [{column}]}}]\n"
    project = tiny_project(tmp_path / "segments", model=model, monitoring_config=segments)
    assert why in validate_project(project.root)[0]


def test_groups_of_delivered_tables_need_the_key_that_finds_a_row_there(tmp_path: Path) -> None:
    monitoring = _fairness("{column: chol, from: deliveries}")
    project = tiny_project(tmp_path, monitoring_config=monitoring)
    assert validate_project(project.root) == []
    written = project.root / "models/tiny/model.yaml"
    written.write_text(written.read_text().replace("key: row_id", "ignore: [row_id]"))
    (problem,) = validate_project(project.root)
    assert problem.startswith(f"{project.root / 'models/tiny/monitoring_config.yaml'}:4: monitor fairness: ")
    assert "found 'from: deliveries', but model.yaml names no key" in problem


@pytest.mark.parametrize(
    ("api", "is_told"),
    [
        ("{}", False),
        ("{host: localhost}", False),
        ("{host: 0.0.0.0}", True),
        ("{host: 0.0.0.0, public_url: 'https://ops.example.com'}", False),
        ("{public_url: 'http://ops.example.com'}", True),
    ],
)
def test_an_approver_who_would_get_no_links_is_told(tmp_path: Path, api: str, is_told: bool) -> None:
    project = make_project(tmp_path)
    route = "{name: ann, url: 'json://127.0.0.1:9/ann', approver: ann}"
    (project / "trimtab.yaml").write_text(f"project: tiny\napi: {api}\nnotifications: [{route}]\n")
    problems = validate_project(project)
    assert ["route 'ann' has an approver, but gets no links" in one for one in problems] == [True] * is_told


def test_templates_of_messages_are_filled_once(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    folder = project / "templates" / "notify"
    folder.mkdir(parents=True)
    (folder / "digest.j2").write_text("{{ messages | length }} messages about {{ models | join(', ') }}\n")
    (folder / "message.j2").write_text("[{{ severity }}] {{ model or 'the platform' }}: {{ title }}\n{{ body }}\n")
    assert validate_project(project) == []
    (folder / "incident.j2").write_text("{{ title }}\n{{ bodi }}\n")
    (folder / "job.j2").write_text("{{ model }}: {{ title }}\n")
    (folder / "alert.j2").write_text("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}\n")
    (folder / "incidents.j2").write_text("{{ title }}\n")
    alert, incident, incidents, job = validate_project(project)
    assert alert.startswith("templates/notify/alert.j2: RecursionError: ")
    assert incident.startswith("templates/notify/incident.j2: UndefinedError: 'bodi' is undefined")
    assert incidents.startswith("templates/notify/incidents.j2: no message is of kind 'incidents'; expected message")
    assert job.startswith("templates/notify/job.j2: writes 'None' where a message is about no model")


def test_an_approver_without_a_key_is_warned_of_once_there_are_keys(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    text = (project / "trimtab.yaml").read_text()
    (project / "trimtab.yaml").write_text(
        f"{text}\nnotifications:\n  - {{name: zoe, url: 'json://127.0.0.1:9/z', approver: zoe}}\n"
    )
    assert (validate_project(project), project_warnings(project)) == ([], [])
    folder = ProjectFolder.open(project)
    folder.state.mkdir(parents=True, exist_ok=True)
    database = Database.at(folder.database)
    upgrade(database)
    [warning] = project_warnings(project)
    assert "route 'zoe' is for approver 'zoe', who has no key by which they could approve" in warning
    with database.transaction() as connection:
        create_key(connection, "zoe-laptop", Role.OPERATOR, owner="zoe", at_us=0)
    assert project_warnings(project) != []
    with database.transaction() as connection:
        create_key(connection, "zoe-phone", Role.APPROVER, owner="zoe", at_us=0)
    assert project_warnings(project) == []
    database.close()
