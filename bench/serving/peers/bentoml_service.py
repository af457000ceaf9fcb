"""BentoML, as its documentation begins, with the frozen graph: ``bentoml serve bentoml_service:Heart``."""

import os

import bentoml
from onnx_model import Model


@bentoml.service(workers=1, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Heart:
    """One method."""

    def __init__(self) -> None:
        self.model = Model(os.environ["BENCH_MODEL"])

    @bentoml.api
    def predict(self, row: dict[str, float]) -> dict[str, object]:
        """Answer one row."""
        return self.model.answer(row)
