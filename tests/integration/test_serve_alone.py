"""The inference server in an environment that has its own extra and nothing else."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.integration.processes import environment, eventually
from tests.integration.small_project import make_project

from trimtab.testing.bundles import tiny_bundle

CHECKOUT = Path(__file__).parents[2]
ABSENT = [
    "sqlalchemy",
    "alembic",
    "pandas",
    "mlflow",
    "sklearn",
    "polars",
    "fastapi",
    "great_expectations",
    "dvc",
    "onnx",
    "jinja2",
    "scipy",
]


def needed(extra: str) -> dict[str, str]:
    """Return what ``trimtab[extra]`` needs, all the way down, in the versions that this environment has."""
    found: dict[str, str] = {}
    waiting = [("trimtab", frozenset({extra}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name != "trimtab":
            found[name] = importlib.metadata.version(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": one}) for one in extras | {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def checked(*command: str | Path, timeout_s: float = 240) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment(),
        cwd=CHECKOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a virtual environment with trimtab[serve]."""
    root = tmp_path_factory.mktemp("lone")
    checked(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", root / "dist", timeout_s=120)
    [wheel] = (root / "dist").glob("*.whl")
    checked(sys.executable, "-m", "venv", "--without-pip", root / "venv")
    python = root / "venv" / "bin" / "python"
    pins = [f"{name}=={version}" for name, version in sorted(needed("serve").items())]
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", str(python), "--no-deps"]
    installed = subprocess.run([*uv, *pins, str(wheel)], capture_output=True, text=True, timeout=280, check=False)
    if installed.returncode != 0:
        unreachable = ("error sending request", "dns", "connect", "network", "timed out", "No such file")
        if any(word.lower() in installed.stderr.lower() for word in unreachable):
            pytest.skip(f"no package index within reach: {installed.stderr.strip().splitlines()[-1]}")
        pytest.fail(installed.stderr)
    return python.parent


@pytest.fixture(scope="module")
def server(lone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a lone server that serves the tiny model."""
    folder = tmp_path_factory.mktemp("alone")
    tiny_bundle(folder / "bundle")
    with serving(lone, folder, "--bundle", "tiny=bundle") as url:
        yield url
    # Without a bundle named, it goes on with the last spec on its disk.
    with serving(lone, folder, "--workers", "2", "--intake", "intake") as url:
        row = {"age": 60, "chol": 250.0, "sex": "male"}
        answer = httpx.post(f"{url}/predict", json={"row": row}, timeout=20, trust_env=False)
        assert answer.json()["endpoint"] == "tiny", answer.text
    assert list((folder / "intake").rglob("*.arrow"))


@contextlib.contextmanager
def serving(lone: Path, folder: Path, *arguments: str) -> Iterator[str]:
    """Run ``trimtab serve`` and hand out its address; it ends with code 0 on SIGTERM."""
    with (folder / "log").open("a") as log:
        child = subprocess.Popen(
            [lone / "trimtab", "serve", *arguments, "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(),
            cwd=folder,
        )
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line, (folder / "log").read_text()
        yield json.loads(line)["url"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(40) == 0, (folder / "log").read_text()
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_it_has_neither_database_nor_training_nor_tracking(lone: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    assert checked(lone / "python", "-c", code).strip() == "[]"


def test_it_predicts(server: str) -> None:
    with httpx.Client(base_url=server, timeout=20, trust_env=False) as client:
        eventually(lambda: client.get("/health").json()["ready"], within_s=20, wanted="a model that is loaded")
        answer = client.post("/predict/tiny", json={"row": {"age": 60, "chol": 250.0, "sex": "male"}})
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"][0]["prediction"] == "yes"
        inference = client.get("/v2/models/tiny").json()
        assert [tensor["name"] for tensor in inference["inputs"]] == ["age", "chol", "sex"]
        assert "trimtab_" in client.get("/metrics").text


def test_the_image_serves_what_is_mounted_and_says_when_it_is_well(lone: Path, tmp_path: Path) -> None:
    """What the Dockerfile sets and runs, with its folders elsewhere; there is no Docker here."""
    text = re.sub(r"\\\n", "", (CHECKOUT / "deploy" / "serve" / "Dockerfile").read_text())
    sets = dict(re.findall(r"(TRIMTAB_SERVE_\w+)=(\S+)", text))
    assert (sets["TRIMTAB_SERVE_BUNDLE"], sets["TRIMTAB_SERVE_PORT"]) == ("/opt/ml/model", "8080")
    tiny_bundle(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = (
        environment()
        | sets
        | {
            "PATH": f"{lone}:{os.environ['PATH']}",
            "TRIMTAB_SERVE_BUNDLE": str(tmp_path / "model"),
            "TRIMTAB_SERVE_STATE": str(tmp_path / "state"),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
    )
    entry, start = (json.loads(re.findall(rf"^{word} (\[.*\])$", text, re.M)[-1]) for word in ("ENTRYPOINT", "CMD"))
    [health] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.M)
    [program, *arguments] = json.loads(health)

    def well() -> bool:
        asked = subprocess.run([lone / program, *arguments], env=environ, capture_output=True, timeout=60, check=False)
        return asked.returncode == 0

    assert not well()
    with (tmp_path / "log").open("w") as log:
        child = subprocess.Popen([lone / entry[0], *start], stdout=log, stderr=log, env=environ, cwd=tmp_path)
    try:
        eventually(well, within_s=60, wanted="an image that is well")
        answer = httpx.post(
            f"http://127.0.0.1:{port}/invocations",
            json={"instances": [{"age": 60, "chol": 250.0, "sex": "male"}]},
            headers={"Host": "model.sagemaker.example"},
            timeout=20,
            trust_env=False,
        )
        assert answer.json() == {"predictions": ["yes"]}
        child.terminate()
        assert child.wait(40) == 0
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def test_help_is_there(lone: Path) -> None:
    assert "serve" in checked(lone / "trimtab", "--help")


@pytest.mark.parametrize(
    ("command", "environ"),
    [
        (["status"], {}),
        (["up"], {}),
        (["ingest", "churn", "rows.csv"], {}),
        (["replay", "churn", "rows.csv", "--time", "t"], {"TRIMTAB_SERVING_URL": "http://127.0.0.1:9"}),
        (["validate"], {}),
        (["schema"], {}),
        (["demo", "--exit"], {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(len(value)),
)
def test_what_needs_more_says_which_extra_to_install(
    lone: Path, tmp_path: Path, command: list[str], environ: dict[str, str]
) -> None:
    project = make_project(tmp_path / "project")
    ended = subprocess.run(
        [lone / "trimtab", *command],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=project,
        env=environment(**environ),
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == "error: this needs trimtab[platform]; install it with: pip install 'trimtab[platform]'\n"
    assert ended.stdout == ""
    assert sorted(path.name for path in project.iterdir()) == ["models", "policy.yaml", "trimtab.yaml"]


@pytest.mark.parametrize(
    ("command", "environ"),
    [
        (["status"], {"TRIMTAB_API_URL": "http://127.0.0.1:9", "TRIMTAB_API_KEY": "tt_x"}),
        (["predict", "churn", "{}"], {"TRIMTAB_SERVING_URL": "http://127.0.0.1:9"}),
    ],
    ids=["status", "predict"],
)
def test_it_is_a_client_of_servers_elsewhere(
    lone: Path, tmp_path: Path, command: list[str], environ: dict[str, str]
) -> None:
    ended = subprocess.run(
        [lone / "trimtab", *command],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=make_project(tmp_path / "project"),
        env=environment(**environ),
        check=False,
    )
    assert ended.returncode == 6
    assert "http://127.0.0.1:9" in ended.stderr
    assert "Connection refused" in ended.stderr


def test_the_shipper_runs_there_too(lone: Path, tmp_path: Path) -> None:
    told = checked(lone / "python", "-m", "trimtab.records.shipper", "--help")
    assert "--intake" in told
