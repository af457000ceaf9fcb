"""How each peer is started, as its documentation says, with one worker, and what it is asked: the same row."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench.serving.environments import environment
from bench.serving.frozen import HERE
from bench.serving.servers import Server, free_port

__all__ = ["PEERS", "floor", "peer_server", "row"]

_MODEL = HERE / "model" / "model.onnx"
_ESTIMATOR = HERE / "model" / "estimator.json"
_FILES = HERE / "peers"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
}


def row() -> dict[str, float]:
    """Return the row that every server is asked about."""
    values: dict[str, float] = json.loads((HERE / "model" / "row.json").read_text())
    return values


def floor(python: str) -> Server:
    """Return the floor, run by our own environment: the same uvicorn, uvloop, msgspec and ONNX Runtime."""
    port = free_port()
    return Server(
        "floor", [python, str(HERE / "floor.py"), str(_MODEL), str(port)], port, "/predict", _row_body(), b'"yes"', HERE
    )


def peer_server(name: str, envs: Path, work: Path) -> Server:
    """Return the peer, its environment and its model made ready."""
    return PEERS[name](environment(envs, name), work)


def _mlflow(bin_folder: Path, work: Path) -> Server:
    model, port, values = work / "mlflow-model", free_port(), row()
    if not model.exists():
        _prepare([str(bin_folder / "python"), "mlflow_model.py", str(_ESTIMATOR), str(model)])
    serve = ["models", "serve", "-m", str(model), "-h", "127.0.0.1", "-p", str(port), "--workers", "1"]
    body = {"dataframe_split": {"columns": list(values), "data": [list(values.values())]}}
    return Server(
        "mlflow",
        [str(bin_folder / "mlflow"), *serve, "--env-manager", "local"],
        port,
        "/invocations",
        json.dumps(body).encode(),
        b'"predictions": [1]',
        work,
        _environment(bin_folder),
        "scikit-learn flavour",
    )


def _mlserver(bin_folder: Path, work: Path) -> Server:
    model, port, values = work / "mlserver-model", free_port(), list(row().values())
    _prepare([str(bin_folder / "python"), "mlserver_model.py", str(_ESTIMATOR), str(model), str(port)])
    body = {"inputs": [{"name": "predict", "shape": [1, len(values)], "datatype": "FP64", "data": values}]}
    return Server(
        "mlserver",
        [str(bin_folder / "mlserver"), "start", "."],
        port,
        "/v2/models/heart/infer",
        json.dumps(body).encode(),
        b'"data":[1]',
        model,
        _environment(bin_folder),
        "scikit-learn runtime",
    )


def _litserve(bin_folder: Path, _work: Path) -> Server:
    port = free_port()
    command = [str(bin_folder / "python"), "litserve_server.py", str(_MODEL), str(port)]
    return _graph_peer("litserve", bin_folder, command, port)


def _bentoml(bin_folder: Path, _work: Path) -> Server:
    port = free_port()
    command = [
        str(bin_folder / "bentoml"),
        "serve",
        "bentoml_service:Heart",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    return _graph_peer("bentoml", bin_folder, command, port)


def _ray(bin_folder: Path, _work: Path) -> Server:
    port = free_port()
    return _graph_peer("ray", bin_folder, [str(bin_folder / "python"), "ray_serve.py", str(_MODEL), str(port)], port)


PEERS: dict[str, Callable[[Path, Path], Server]] = {
    "mlflow": _mlflow,
    "bentoml": _bentoml,
    "litserve": _litserve,
    "mlserver": _mlserver,
    "ray": _ray,
}


def _graph_peer(name: str, bin_folder: Path, command: list[str], port: int) -> Server:
    return Server(
        name, command, port, "/predict", _row_body(), b'"yes"', _FILES, _environment(bin_folder), "the frozen graph"
    )


def _row_body() -> bytes:
    return json.dumps({"row": row()}).encode()


def _environment(bin_folder: Path) -> dict[str, str]:
    path = f"{bin_folder}:/usr/local/bin:/usr/bin:/bin"
    # A path of ours would let a peer import our packages.
    return {**_QUIET, "PATH": path, "PYTHONPATH": "", "BENCH_MODEL": str(_MODEL)}


def _prepare(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd=_FILES, env={**_QUIET, "PATH": "/usr/bin:/bin"}, capture_output=True)
