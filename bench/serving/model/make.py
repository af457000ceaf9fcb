"""How the frozen model was made: thirteen numbers as a heart clinic has them, standard scaling, logistic regression.

    python -m bench.serving.model.make FOLDER

It is kept so that the model can be judged, not to be run again: other versions of the libraries give other bytes, and
`bench.serving.frozen` takes only the files whose hashes it knows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from onnx import checker
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = {  # name: centre, spread, weight on the score
    "age": (54.0, 9.0, 0.4),
    "sex": (0.68, 0.47, 0.7),
    "chest_pain": (2.2, 0.96, 0.8),
    "resting_bp": (131.0, 17.0, 0.3),
    "cholesterol": (246.0, 51.0, 0.2),
    "fasting_sugar": (0.15, 0.35, 0.1),
    "resting_ecg": (1.0, 0.99, 0.2),
    "max_heart_rate": (149.0, 22.0, -0.7),
    "exercise_angina": (0.33, 0.47, 0.5),
    "st_depression": (1.05, 1.16, 0.6),
    "st_slope": (1.6, 0.61, 0.3),
    "major_vessels": (0.7, 0.94, 1.0),
    "thal": (4.7, 1.9, 0.8),
}
ROWS = 2_000


def fitted() -> Pipeline:
    """Return the pipeline, fitted on seeded rows."""
    rng = np.random.default_rng(20)
    centre, spread, weight = np.array(list(FEATURES.values())).T
    standard = rng.normal(size=(ROWS, len(FEATURES)))
    disease = rng.random(ROWS) < 1 / (1 + np.exp(-(standard @ weight)))
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(
        centre + spread * standard, disease.astype(np.int64)
    )


def main(folder: Path) -> None:
    """Write ``model.onnx`` (numeric float32 (n, 13) → probabilities (n, 2)) and ``estimator.json``."""
    pipeline = fitted()
    scaler, regression = pipeline.steps[0][1], pipeline.steps[1][1]
    estimator = {
        "features": list(FEATURES),
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "coef": regression.coef_[0].tolist(),
        "intercept": float(regression.intercept_[0]),
    }
    proto = to_onnx(
        pipeline,
        np.zeros((1, len(FEATURES)), dtype=np.float32),
        options={"zipmap": False},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    graph = proto.graph
    _rename(graph, graph.input[0].name, "numeric")
    _rename(graph, graph.output[1].name, "probabilities")
    del graph.output[0]
    checker.check_model(proto)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    (folder / "estimator.json").write_text(json.dumps(estimator, indent=1) + "\n")


def _rename(graph: object, old: str, new: str) -> None:
    for node in graph.node:  # type: ignore[attr-defined]
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
    for values in (graph.input, graph.output):  # type: ignore[attr-defined]
        for value in values:
            if value.name == old:
                value.name = new


if __name__ == "__main__":
    main(Path(sys.argv[1]))
