"""Floor, model and load are the same files in every run: they are known by their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["HERE", "check_frozen"]

HERE = Path(__file__).parent

_SHA256 = {
    "floor.py": "de3119874c5a9c9d417674259506e8e1e9ecbec9ae7609f2b001377d0f8facb8",
    "post.lua": "485ae9ba013b912cd72c87e468aa5598a36e7cc8aa4c61e3483445a1191479e8",
    "model/model.onnx": "023daafc97a7ea3b7c5a3b12cc83ec0e350b52415c9fb4cab8fe0ab2c431c833",
    "model/estimator.json": "ae64d1d20df81d495d755f90390e4b6dd4563f9d46e9d6e381a9e2f6397f61c7",
    "model/row.json": "fb76c27b158e4fca0a7657af89b65b023eccd24956fc193a51a1e598925a4b97",
    "peers/bentoml_service.py": "523bca15f906fb2c1d6f21970d8c636601d520761281bbf574a45edd7f6f206e",
    "peers/litserve_server.py": "b36a982a549ae9eff5cfe031a8175887e4b289087b5e055ab1c16a66ad22beee",
    "peers/mlflow_model.py": "5b79790d076acf0fd75f971b7a787cc3dbf4f0f7a9f8b6f394571e76e7227893",
    "peers/mlserver_model.py": "b8a4aa440386cefbd682d82dc3e44cde8b779e86acd6961b8471e772f319f2a7",
    "peers/onnx_model.py": "a1457ccf00e29eb51383211353087eda4dcc16e9c1b36fffb7018dbfbe124865",
    "peers/ray_serve.py": "704916eb0e7d590eb309744cf806b6279d8345c3235130d16378f64e0b5df9da",
    "peers/requirements/bentoml.txt": "4d232525cb637638e83fa3ae14dac0d76459be689f999740713bbd8376a873c1",
    "peers/requirements/litserve.txt": "90fb6c8c6342d8e43432bac8a1831dd3e0cf7bd59d740191c463c4ce73d98ec6",
    "peers/requirements/mlflow.txt": "6472ed6192557c4d8856900c638060fd0eab361cb3a288b1704a1c327081a026",
    "peers/requirements/mlserver.txt": "8da42c4e9e34b3520545bc9035ef62a28ac027b96eb08127ab9705644fd53b3b",
    "peers/requirements/ray.txt": "24e197061987248d065b71ea180ba4b37276a715db7c856eace880103c653e1a",
    "peers/sklearn_estimator.py": "6dd3ccf26e662137fa612270e368ef304a405e1940595e14a3c482adf202528e",
}


def check_frozen() -> None:
    """Stop the run when a frozen file is not what it was.

    Raises:
        SystemExit: one is another; figures of before and after would not be comparable.
    """
    for name, expected in _SHA256.items():
        found = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(
                f"error: bench/serving/{name}: sha256 {found[:12]}…, expected {expected[:12]}…; "
                "restore it, or freeze it anew and take all figures again"
            )
