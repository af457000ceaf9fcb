"""``trimtab serve`` checks all that it was told before it writes anything."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from trimtab.cli.serving_plan import Asked, plan_of
from trimtab.core.errors import ConfigError, TrimtabError
from trimtab.files import write_atomically
from trimtab.serving.keys import AccessScope, read_own_key
from trimtab.serving.spec_files import read_spec, spec_path
from trimtab.testing.bundles import tiny_bundle

PROJECT = """\
project: small
serving:
  host: 127.0.0.2
  port: 9123
  workers: 3
  keys: keys.json
  sync_interval: 50ms
  log_limit: 1GiB
  memory_budget: 2GiB
  watchdog: 5s
"""


def keys_file(path: Path, name: str) -> Path:
    key = {"name": name, "sha256": sha256(name.encode()).hexdigest(), "scopes": ["predict"]}
    path.write_text(json.dumps({"keys": [key]}), encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "trimtab.yaml").write_text(PROJECT, encoding="utf-8")
    keys_file(folder / "keys.json", "shop")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    tiny_bundle(tmp_path / "heart", model="heart")
    return str(tmp_path / "heart")


def test_a_projects_settings_hold_where_the_command_line_says_nothing(project: Path) -> None:
    plan = plan_of(Asked(project=project))
    assert (plan.host, plan.port, plan.workers) == ("127.0.0.2", 9123, 3)
    assert (plan.options.sync_interval_s, plan.options.watchdog_s) == (0.05, 5.0)
    assert (plan.options.log_limit_bytes, plan.options.memory_budget_bytes) == (2**30, 2**31)
    assert [key.name for key in plan.options.keys] == ["shop"]
    assert plan.specs is None


@pytest.mark.parametrize("never", ["null", "0s"])
def test_a_project_may_let_a_server_hang_for_ever(project: Path, never: str) -> None:
    (project / "trimtab.yaml").write_text(PROJECT.replace("5s", never), encoding="utf-8")
    assert plan_of(Asked(project=project)).options.watchdog_s is None


def test_the_command_line_wins_over_the_project_and_a_file_in_what_it_names(project: Path, tmp_path: Path) -> None:
    options = tmp_path / "options.json"
    options.write_text('{"sync_interval_s": 1.5, "max_in_flight": 7}', encoding="utf-8")
    mine = keys_file(tmp_path / "mine.json", "mine")
    asked = Asked(
        project=project, host="127.0.0.1", port=0, workers=1, options=options, keys=mine, memory_budget="1GiB"
    )
    plan = plan_of(asked)
    assert (plan.host, plan.port, plan.workers) == ("127.0.0.1", 0, 1)
    assert (plan.options.sync_interval_s, plan.options.max_in_flight) == (1.5, 7)
    assert plan.options.log_limit_bytes == 2**30, "neither file nor command line says anything of it"
    assert plan.options.memory_budget_bytes == 2**30
    assert [key.name for key in plan.options.keys] == ["mine"]


def test_a_project_that_asks_for_keys_has_one_of_its_own(project: Path) -> None:
    plan = plan_of(Asked(project=project))
    assert not plan.folder.exists()
    made, options = plan.write()
    assert made is None, "it is not for people"
    own = read_own_key(plan.folder)
    assert own is not None
    assert [key.name for key in options.keys] == ["shop", "this project's own"]
    assert options.keys[1].sha256 == sha256(own.encode()).hexdigest()
    assert AccessScope.ADMIN not in options.keys[1].scopes
    assert stat.S_IMODE((plan.folder / "own-key.json").stat().st_mode) == 0o600
    assert plan_of(Asked(project=project)).write()[1] == options, "another start goes on with it"


def test_a_server_alone_makes_its_first_key_when_everything_else_is_checked(bundle: str, tmp_path: Path) -> None:
    plan = plan_of(Asked(bundles=(bundle,), state=tmp_path / "state", require_key=True))
    assert not plan.folder.exists()
    made, options = plan.write()
    assert made is not None
    assert [key.sha256 for key in options.keys] == [sha256(made.encode()).hexdigest()]
    assert read_spec(spec_path(plan.folder, "heart")).variants[0].bundle_path == bundle
    again, kept = plan_of(Asked(state=tmp_path / "state", require_key=True)).write()
    assert (again, kept.keys) == (None, options.keys)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"log_limit": "1kB"}, "--log-limit"),
        ({"memory_budget": "2 loaves"}, "--memory-budget"),
        ({"log_limit": "100kB", "workers": 200}, "each of 200 workers"),
        ({"keys": Path("none.json")}, "none.json"),
        ({"options": Path("broken.json")}, "expected server options"),
        ({"options": Path("files.json")}, "expected two files of 1000000"),
        ({"options": Path("trusting.json")}, "none.pem"),
        ({"models_root": Path("models"), "workers": 2}, "expected one"),
        ({"intake": "ftp://example.org/intake"}, "expected a folder"),
        ({"intake": "http://example.org"}, "TRIMTAB_API_KEY"),
        ({"specs": (Path("none.json"),)}, "expected an EndpointSpec"),
        ({"bundles": ("heart", "heart")}, "a name comes twice"),
        ({"bundles": ("heart", "nowhere")}, "nowhere"),
        ({"bundles": ("Heart!=heart",)}, "no name for an endpoint"),
        ({"state": Path("broken.json/state")}, "cannot be written"),
        ({"bundles": (), "follow": "http://127.0.0.1:1"}, "TRIMTAB_API_KEY is not set"),
        ({"bundles": (), "follow": "http://me:secret@127.0.0.1:1"}, "holds more than an address"),
        ({"bundles": (), "follow": "127.0.0.1:1"}, "--follow: found"),
        ({"follow": "http://127.0.0.1:1"}, "leave out --bundle"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    wrong: dict[str, object], told: str, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_API_KEY", raising=False)
    Path("broken.json").write_text('{"max_in_flight": 0}', encoding="utf-8")
    Path("files.json").write_text('{"journal_file_bytes": 1000000, "log_limit_bytes": 100000}', encoding="utf-8")
    Path("trusting.json").write_text('{"trusted_keys": ["none.pem"]}', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    asked: dict[str, object] = {"bundles": (bundle,), "state": Path("state"), "require_key": True, **wrong}
    with pytest.raises(TrimtabError) as refused:
        plan_of(Asked(**asked))  # type: ignore[arg-type]
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_folder_serves_stays_when_the_next_start_is_refused(bundle: str, tmp_path: Path) -> None:
    plan_of(Asked(bundles=(bundle,), state=tmp_path / "state")).write()
    before = spec_path(tmp_path / "state", "heart").read_bytes()
    tiny_bundle(tmp_path / "other", model="heart", weights=(2.0, 0.5, -0.25))
    with pytest.raises(ConfigError, match="--log-limit"):
        plan_of(Asked(bundles=(str(tmp_path / "other"),), state=tmp_path / "state", log_limit="none"))
    assert spec_path(tmp_path / "state", "heart").read_bytes() == before


def test_a_folder_follows_one_control_plane(bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANE_KEY", "tt_some")
    followed, other = tmp_path / "followed", tmp_path / "other"

    def asked(state: Path, url: str) -> Asked:
        return Asked(state=state, follow=url, key_env="PLANE_KEY")

    plan = plan_of(asked(followed, "http://127.0.0.1:1/"))
    assert not followed.exists()
    plan.write()
    plan_of(asked(followed, "http://127.0.0.1:2"))
    write_atomically(spec_path(followed, "heart"), b"{}")
    plan_of(asked(followed, "http://127.0.0.1:1"))
    with pytest.raises(ConfigError, match=r"holds specs of http://127.0.0.1:1, expected those of http://127.0.0.1:2"):
        plan_of(asked(followed, "http://127.0.0.1:2"))
    plan_of(Asked(bundles=(bundle,), state=other)).write()
    with pytest.raises(ConfigError, match="did not come from a control plane"):
        plan_of(asked(other, "http://127.0.0.1:1"))
    with pytest.raises(ConfigError, match="a control plane wrote"):
        plan_of(Asked(bundles=(bundle,), state=followed))


def test_a_port_that_is_taken_is_told_before_anything_is_written(bundle: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "trimtab.cli", "serve", "--bundle", bundle, "--state", "state", "--json"]
        refused = subprocess.run(
            [*command, "--port", str(port), "--require-key"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert refused.returncode == 2
    assert f"port {port} on 127.0.0.1: cannot be taken" in json.loads(refused.stdout)["error"]
    assert not (tmp_path / "state").exists()
