"""The frozen numbers as a scikit-learn pipeline, made in the peer's own environment: nothing pickled is kept."""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def features(path: str) -> list[str]:
    """Return the names of the inputs, in order."""
    names: list[str] = json.loads(Path(path).read_text())["features"]
    return names


def estimator(path: str) -> Pipeline:
    """Return the fitted pipeline."""
    held = json.loads(Path(path).read_text())
    scaler, regression = StandardScaler(), LogisticRegression()
    scaler.mean_, scaler.scale_ = np.array(held["mean"]), np.array(held["scale"])
    scaler.var_ = scaler.scale_**2
    scaler.n_features_in_ = regression.n_features_in_ = len(held["features"])
    regression.coef_, regression.intercept_ = np.array([held["coef"]]), np.array([held["intercept"]])
    regression.classes_ = np.array([0, 1])
    return make_pipeline(scaler, regression)
