"""The steps of a training, and the key of each: what it computes from, so that the same need not be computed twice.

``read → split → tune (each candidate) → select → finish → explain → plot → write → compare → gate``. A key is the
SHA-256 of the step's name, of the code and the libraries that compute it, and of every value that it is given.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from enum import Enum, StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pydantic import BaseModel

import trimtab
from trimtab.training.settings import Algorithm

__all__ = ["Step", "fingerprint", "pipeline_version", "step_key"]

_ROOMS = ("training", "measures", "bundle", "profiles", "core")
"""Whose source decides what a step computes. All of it: a list by hand would one day lack a file."""

_LIBRARIES: dict[str, tuple[str, ...]] = {
    "numpy": ("numpy",),
    "optuna": ("optuna",),
    "scikit-learn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "lightgbm": ("lightgbm",),
    "export": ("onnx", "skl2onnx", "onnxmltools", "onnxruntime"),
    "shap": ("shap",),
    "matplotlib": ("matplotlib",),
}
_LIBRARY_OF = {
    Algorithm.LOGISTIC_REGRESSION: "scikit-learn",
    Algorithm.RIDGE: "scikit-learn",
    Algorithm.RANDOM_FOREST: "scikit-learn",
    Algorithm.XGBOOST: "xgboost",
    Algorithm.LIGHTGBM: "lightgbm",
}


class Step(StrEnum):
    """The steps, in their order."""

    READ = "read"
    SPLIT = "split"
    TUNE = "tune"
    SELECT = "select"
    FINISH = "finish"
    EXPLAIN = "explain"
    PLOT = "plot"
    WRITE = "write"
    COMPARE = "compare"
    GATE = "gate"


_USES: dict[Step, tuple[str, ...]] = {
    Step.TUNE: ("optuna",),
    Step.FINISH: ("export",),
    Step.EXPLAIN: ("shap",),
    Step.PLOT: ("matplotlib",),
    Step.COMPARE: ("export",),
}


def step_key(step: Step, algorithm: Algorithm | None, *inputs: object) -> str:
    """Return the key of ``step`` for ``inputs``: everything it reads besides the code.

    >>> step_key(Step.SELECT, None, "a") == step_key(Step.SELECT, None, "a") != step_key(Step.SELECT, None, "b")
    True
    """
    names = ["numpy", *_USES.get(step, ())]
    if algorithm is not None:
        names.append(_LIBRARY_OF[algorithm])
    versions = {name: _versions(name) for name in names}
    machine = (platform.python_version(), platform.machine())
    return fingerprint((step.value, _code_digest(), versions, machine, inputs))


def pipeline_version() -> str:
    """Return the digest of the list of steps and of the code behind them, 64 hex digits."""
    return fingerprint(([step.value for step in Step], _code_digest()))


def fingerprint(value: object) -> str:
    """Return the SHA-256 of a value of plain types, dataclasses, settings and arrays, as 64 hex digits.

    Arrays count with their type and shape; 1 and 1.0 are different, NaN equals NaN.

    Raises:
        TypeError: the value holds something that has no fixed form.

    >>> fingerprint(np.zeros(3)) == fingerprint(np.zeros(3)), fingerprint(1) == fingerprint(1.0)
    (True, False)
    """
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: object) -> None:
    plain = _plain(value)
    if isinstance(plain, np.ndarray):
        digest.update(f"array {plain.dtype.str} {plain.shape};".encode())
        digest.update(np.ascontiguousarray(plain).reshape(-1).view(np.uint8).data)
    elif isinstance(plain, Mapping):
        digest.update(f"map {len(plain)};".encode())
        for name in sorted(plain):
            _feed(digest, (name, plain[name]))
    elif isinstance(plain, (tuple, list)):
        digest.update(f"list {len(plain)};".encode())
        for part in plain:
            _feed(digest, part)
    elif isinstance(plain, bytes):
        digest.update(b"bytes %d;" % len(plain) + plain)
    elif plain is None or isinstance(plain, (bool, int, float, str)):
        text = repr(plain)
        digest.update(f"{type(plain).__name__} {len(text)};{text}".encode())
    else:
        raise TypeError(f"fingerprint: a {type(plain).__name__} has no fixed form; give its parts")


def _plain(value: object) -> object:
    """Return a value of a named type as its name and its parts; others as they are."""
    name = type(value).__name__
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        # A comparison of arrays gives a bool that is none of Python's; what it says is the same.
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        raise TypeError(f"fingerprint: an array of {value.dtype} has no fixed form; store text as fixed width")
    if isinstance(value, BaseModel):
        return name, value.model_dump(mode="json")
    if isinstance(value, msgspec.Struct):
        return name, msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value):
        return name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value


@cache
def _code_digest() -> str:
    digest = hashlib.sha256()
    root = Path(trimtab.__file__).parent
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _versions(name: str) -> tuple[str, ...]:
    found = []
    for distribution in _LIBRARIES[name]:
        try:
            found.append(f"{distribution} {importlib.metadata.version(distribution)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)
