"""Whatever is wrong with what a user brings: one sentence says what, where, and what to do; nothing is half-written."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.processes import ControlPlane, Ended, control_plane, trimtab
from tests.integration.small_project import FILES, HEADER, MODEL, make_project, write_rows
from tests.unit.loop.projects import World, make_world

from trimtab.core.enums import Role, Verdict
from trimtab.loop.actor import Actor
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(make_project(tmp_path_factory.mktemp("project"))) as plane:
        yield plane


# --- configuration ----------------------------------------------------------------------------------------------------

WRONG_TYPE = {
    "trimtab.yaml": ("port: 0}", "port: many}", 2, "api.port"),
    "policy.yaml": ("tier: automatic", "tier: sometimes", 4, "rules.0.then.tier"),
    "models/churn/model.yaml": ("task: binary", "task: guess", 2, "task"),
    "models/churn/contract.yaml": ("min: 18", "min: young", 3, "columns.age.min"),
    "models/churn/training_config.yaml": ("trials: 1", "trials: some", 3, "trials"),
    "models/churn/deployment_config.yaml": ("weight_pct: 50", "weight_pct: half", 4, "weight_pct"),
    "models/churn/monitoring_config.yaml": ("window: 7d", "window: soon", 1, "window"),
    "models/churn/retrain_config.yaml": ("100000", "lots", 2, "at_least"),
}
UNKNOWN_FIELD = {
    "trimtab.yaml": ("project: small", "project: small\nprot: 1", 2, "prot"),
    "policy.yaml": ("    when:", "    wehn: {}\n    when:", 3, "wehn"),
    "models/churn/model.yaml": ("target: churned", "target: churned\ntraget: x", 4, "traget"),
    "models/churn/contract.yaml": ("{type: integer, min", "{type: integer, mni: 1, min", 3, "mni"),
    "models/churn/training_config.yaml": ("trials: 1", "trails: 1", 3, "trails"),
    "models/churn/deployment_config.yaml": ("type: canary", "type: canary\n  stpes: 1", 3, "stpes"),
    "models/churn/monitoring_config.yaml": ("window: 7d", "window: 7d\nwindwo: 7d", 2, "windwo"),
    "models/churn/retrain_config.yaml": ("when:", "wehn: 1\nwhen:", 1, "wehn"),
}


def test_all_eight_files_are_spoilt_below() -> None:
    assert set(WRONG_TYPE) == set(UNKNOWN_FIELD) == set(FILES)


def validated(project: Path) -> list[str]:
    ended = trimtab("validate", "--json", project=project)
    assert ended.code == 2, ended.out
    assert ended.err == ""
    assert ended.json["ok"] is False
    return list(ended.json["problems"])


# What stands in trimtab.yaml says where the others are: it is spoilt alone.
TOGETHER = [["trimtab.yaml"], [name for name in FILES if name != "trimtab.yaml"]]


@pytest.mark.parametrize("names", TOGETHER, ids=["project", "others"])
@pytest.mark.parametrize("spoilt", [WRONG_TYPE, UNKNOWN_FIELD], ids=["wrong type", "unknown field"])
def test_every_value_that_does_not_fit_is_named_with_file_and_line(
    tmp_path: Path, names: list[str], spoilt: dict[str, tuple[str, str, int, str]]
) -> None:
    project = make_project(tmp_path)
    for name in names:
        good, bad, _line, _field = spoilt[name]
        assert good in FILES[name]
        (project / name).write_text(FILES[name].replace(good, bad, 1))
    problems = validated(project)
    for name in names:
        _good, _bad, line, field = spoilt[name]
        told = [problem for problem in problems if problem.startswith(f"{project / name}:{line}: ")]
        assert told, (name, problems)
        assert field in told[0]
        assert "found" in told[0] or "unknown field" in told[0]


@pytest.mark.parametrize("names", TOGETHER, ids=["project", "others"])
def test_every_file_that_is_no_yaml_is_named_with_its_line(tmp_path: Path, names: list[str]) -> None:
    project = make_project(tmp_path)
    for name in names:
        (project / name).write_text(f"{FILES[name]}broken: [1, 2\n")
    problems = validated(project)
    assert len(problems) == len(names)
    for name, problem in zip(sorted(names), sorted(problems), strict=True):
        assert re.match(rf"{re.escape(str(project / name))}:\d+: .*expected valid YAML", problem)


@pytest.mark.parametrize(
    ("field", "line", "content"),
    [
        ("target", 3, FILES["models/churn/model.yaml"].replace("target: churned", "target: left")),
        ("key", 5, FILES["models/churn/model.yaml"].replace("key: customer", "key: number")),
        ("time", 9, FILES["models/churn/model.yaml"] + "time: when\n"),
        ("ignore", 11, FILES["models/churn/model.yaml"] + "ignore:\n  - age\n  - colour\n"),
    ],
)
def test_a_column_that_the_contract_does_not_have_is_named_with_its_line(
    tmp_path: Path, field: str, line: int, content: str
) -> None:
    project = make_project(tmp_path)
    (project / "models/churn/model.yaml").write_text(content)
    problem = validated(project)[0]
    assert problem.startswith(f"{project / 'models/churn/model.yaml'}:{line}: {field}: ")
    assert "contract.yaml" in problem


def test_a_project_with_several_faults_is_told_all_of_them(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project / "policy.yaml").unlink()
    (project / "models/churn/model.yaml").write_text("name: churn\ntask: guess\n")
    problems = validated(project)
    assert len(problems) == 3
    person = trimtab("validate", project=project)
    assert person.code == 2
    assert person.out.split() == "\n".join(problems).split()


@pytest.mark.parametrize("command", [["status"], ["ingest", MODEL, "rows.csv"], ["train", MODEL], ["up"]], ids=" ".join)
def test_no_command_works_on_a_project_that_cannot_be_read(tmp_path: Path, command: list[str]) -> None:
    project = make_project(tmp_path)
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"].replace("api:", "apis:"))
    ended = trimtab(*command, project=project)
    assert ended.code == 2
    assert f"{project / 'trimtab.yaml'}:2: apis: unknown field; did you mean 'api'?" in ended.sentence
    assert not (project / ".trimtab").exists()


def test_a_folder_that_is_no_project_is_told(tmp_path: Path) -> None:
    ended = trimtab("status", project=tmp_path)
    assert ended.code == 2
    assert "trimtab.yaml" in ended.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_read_is_told_before_anything_is_taken_in(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project / "models/churn/contract.yaml").write_text("columns: [age]\n")
    for command in (["ingest", MODEL, write_rows(tmp_path / "rows.csv")], ["train", MODEL]):
        ended = trimtab(*command, project=project)
        assert ended.code == 2
        assert "contract.yaml:1: columns" in ended.sentence
    assert not list((project / ".trimtab" / "lake").rglob("*.csv"))
    assert trimtab("jobs", "list", "--json", project=project).json["jobs"] == []


# --- data -------------------------------------------------------------------------------------------------------------

BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "empty"),
    "empty.parquet": (b"", "empty"),
    "header.csv": (HEADER.encode() + b"\n", "no rows"),
    "junk.csv": (bytes(range(255, -1, -1)) * 20, "UTF-8"),
    "junk.parquet": (bytes(range(256)) * 20, "Parquet"),
    "cut.parquet": (b"PAR1" + bytes(100), "Parquet"),
    "other.csv": (b"colour,shape\nred,round\n", "customer"),
    "short.csv": (HEADER.encode() + b"\nc1,30,1.0,basic,no\nc2,30\n", "line 3"),
    "twice.csv": (b"customer,age,age,plan,churned\nc1,1,1,basic,no\n", "age"),
    "nameless.csv": (b"customer,,spend,plan,churned\nc1,1,1,basic,no\n", "no name"),
    "blank.csv": (b"\n\n\n", "blank"),
    "page.csv": (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "web page"),
}


def processed(plane: ControlPlane) -> list[str]:
    state = plane.project / ".trimtab"
    lake = [path for zone in ("processed", "quarantine") for path in (state / "lake" / zone).rglob("*")]
    return [str(path) for path in [*lake, *(state / "uploads").glob("*")] if path.is_file()]


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_delivery_is_told_and_leaves_nothing_processed(
    up: ControlPlane, tmp_path: Path, name: str
) -> None:
    content, word = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    ended = trimtab("ingest", MODEL, tmp_path / name, project=up.project)
    assert ended.code == 1
    assert name in ended.sentence
    assert word in ended.sentence
    assert not re.search(r"[0-9a-f]{32}", ended.sentence), "the sender knows no digest"
    assert processed(up) == []
    newest = trimtab("deliveries", "--json", project=up.project).json["deliveries"][0]
    assert (newest["name"], newest["state"]) == (name, "failed")


def test_bytes_that_failed_are_judged_anew_under_a_better_name(up: ControlPlane, tmp_path: Path) -> None:
    folder = up.project / "models" / "renamed"
    shutil.copytree(up.project / "models" / MODEL, folder)
    (folder / "model.yaml").write_text(FILES["models/churn/model.yaml"].replace("name: churn", "name: renamed"))
    rows = write_rows(tmp_path / "rows.parquet", count=10)
    assert trimtab("ingest", "renamed", rows, project=up.project).code == 1
    again = trimtab("ingest", "renamed", rows.rename(tmp_path / "rows.csv"), "--json", project=up.project)
    assert again.code == 0, again.err
    assert (again.json["name"], again.json["rows_passed"]) == ("rows.csv", 10)


@pytest.mark.parametrize(("name", "word"), [("nowhere.csv", "No such file"), ("folder", "is a folder")])
def test_a_path_that_is_no_file_is_told(up: ControlPlane, tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "folder").mkdir()
    before = trimtab("deliveries", "--json", project=up.project).json
    ended = trimtab("ingest", MODEL, tmp_path / name, project=up.project)
    assert ended.code == 1
    assert str(tmp_path / name) in ended.sentence
    assert word in ended.sentence
    assert trimtab("deliveries", "--json", project=up.project).json == before


def test_a_kind_of_file_that_is_not_read_is_told(up: ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    ended = trimtab("ingest", MODEL, tmp_path / "rows.xlsx", project=up.project)
    assert ended.code in {1, 2}
    assert "rows.xlsx" in ended.sentence
    assert ".parquet" in ended.sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(up: ControlPlane, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv")
    rows.chmod(0)
    ended = trimtab("ingest", MODEL, rows, project=up.project)
    assert ended.code == 1
    assert "Permission denied" in ended.sentence


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_target_that_is_always_the_same_is_told_and_makes_no_version(
    up: ControlPlane, tmp_path: Path, task: str
) -> None:
    model = f"constant-{task}"
    folder = up.project / "models" / model
    shutil.copytree(up.project / "models" / MODEL, folder)
    description = FILES["models/churn/model.yaml"].replace("name: churn", f"name: {model}")
    if task == "regression":
        description = description.replace("task: binary", "task: regression").replace('positive_class: "yes"\n', "")
        description = description.replace("target: churned", "target: spend").replace("[f1, accuracy]", "[rmse]")
        learning = FILES["models/churn/training_config.yaml"]
        (folder / "training_config.yaml").write_text(learning.replace("logistic_regression", "ridge"))
    (folder / "model.yaml").write_text(description)
    rows = write_rows(tmp_path / "rows.csv", count=60, outcome="no")
    if task == "regression":
        rows.write_text(re.sub(r"(?m)^(c\d+,\d+),[\d.]+,", r"\1,7.5,", rows.read_text()))
    assert trimtab("ingest", model, rows, project=up.project).code == 0
    ended = trimtab("train", model, project=up.project)
    assert ended.code == 1
    assert model in ended.sentence
    assert ("churned" if task == "binary" else "spend") in ended.sentence
    assert trimtab("versions", "list", model, "--json", project=up.project).json["versions"] == []


def test_training_before_any_data_is_told(up: ControlPlane) -> None:
    folder = up.project / "models" / "early"
    shutil.copytree(up.project / "models" / MODEL, folder)
    (folder / "model.yaml").write_text(FILES["models/churn/model.yaml"].replace("name: churn", "name: early"))
    ended = trimtab("train", "early", project=up.project)
    assert ended.code == 1
    assert "early" in ended.sentence
    assert "ingest" in ended.sentence or "deliver" in ended.sentence


# --- the machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["api", "serving"])
def test_a_port_in_use_is_told_and_nothing_stays_up(tmp_path: Path, section: str) -> None:
    project = make_project(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        content = FILES["trimtab.yaml"]
        spoilt = re.sub(rf"({section}: {{(?:rate: null, )?port: )0", rf"\g<1>{port}", content)
        assert spoilt != content
        (project / "trimtab.yaml").write_text(spoilt)
        ended = trimtab("up", project=project)
    assert ended.code in {2, 6}
    assert str(port) in ended.sentence
    assert "in use" in ended.sentence
    assert '"event"' not in ended.sentence
    assert not list((project / ".trimtab").rglob("control-plane.json"))
    assert not list((project / ".trimtab").rglob("server.json"))
    again = trimtab("status", project=project)
    assert again.code == 0


def test_a_lone_server_whose_port_is_in_use_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = trimtab("serve", "--state", tmp_path, "--port", str(port))
    assert ended.code == 2
    assert str(port) in ended.sentence
    assert "--port" in ended.sentence


@pytest.mark.parametrize("content", [b"this is no database", b"SQLite format 3\0" + bytes(84)])
def test_a_database_that_is_none_is_told_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    project = make_project(tmp_path)
    database = project / ".trimtab" / "trimtab.db"
    database.parent.mkdir()
    database.write_bytes(content * 100)
    ended = trimtab("status", project=project)
    assert ended.code == 6
    assert "trimtab.db" in ended.sentence
    assert database.read_bytes() == content * 100


@pytest.mark.parametrize("where", ["/proc/trimtab", "taken", "taken/state"])
@pytest.mark.parametrize("command", [["status"], ["up"]], ids=" ".join)
def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path, where: str, command: list[str]) -> None:
    """Nobody can make a folder in /proc, root neither."""
    project = make_project(tmp_path)
    (project / "taken").touch()
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"] + f"state_dir: {where}\n")
    told = told_without_traceback(trimtab(*command, project=project))
    assert where.partition("/")[0] in told


def told_without_traceback(ended: Ended) -> str:
    assert ended.code == 6, ended.err
    return ended.sentence


def test_standard_input_that_is_no_row_is_told(tmp_path: Path) -> None:
    for given in ("", "nonsense", "{", "\0"):
        ended = trimtab("predict", MODEL, "-", stdin=given, project=make_project(tmp_path))
        assert ended.code == 2
        assert "JSON" in ended.sentence


# --- the policy, while something happens ------------------------------------------------------------------------------


def _advance(world: World) -> None:
    watch = RolloutWatch(world.platform)
    moved = True
    while moved:
        apply_desired(world.platform)
        moved = any([advance_rollouts(world.platform, watch), world.deliver() > 0])


@pytest.mark.parametrize(
    "content", [None, "rules: [", "rules: [{name: nothing}]"], ids=["missing", "no yaml", "misfit"]
)
def test_a_policy_that_cannot_be_read_holds_up_no_incident_and_is_asked_once_it_is_mended(
    tmp_path: Path, content: str | None
) -> None:
    world = make_world(tmp_path)
    viewer = Actor("vera", Role.VIEWER)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files("tiny"), 1, by="dana")
    _advance(world)
    world.clock.advance(timedelta(days=2))
    policy = world.platform.project.root / "policy.yaml"
    good = policy.read_text()
    if content is None:
        policy.unlink()
    else:
        policy.write_text(content)

    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    _advance(world)
    [incident] = perform(world.platform, viewer, "incidents.list", {"open_only": True})["incidents"]
    shown = perform(world.platform, viewer, "incidents.show", {"incident_id": incident["incident_id"]})
    assert shown["diagnosis"] is not None
    assert shown["actions"] == []
    assert "policy.yaml" in str(shown["timeline"])
    status = perform(world.platform, viewer, "status.show", {})
    assert status["dead_deliveries"] == 0
    assert any("policy.yaml" in hint["why"] for hint in status["next"])

    policy.write_text(good)
    world.clock.advance(timedelta(hours=1))
    world.checked(*world.drift(Verdict.BREACH, quality=0.4))
    _advance(world)
    shown = perform(world.platform, viewer, "incidents.show", {"incident_id": incident["incident_id"]})
    assert [action["kind"] for action in shown["actions"]] == ["retrain"]
    world.platform.database.close()
