"""The frozen graph behind one function, for the peers whose users write Python."""

import numpy as np
import onnxruntime

FEATURES = (
    "age", "sex", "chest_pain", "resting_bp", "cholesterol", "fasting_sugar", "resting_ecg", "max_heart_rate",
    "exercise_angina", "st_depression", "st_slope", "major_vessels", "thal",
)  # fmt: skip


class Model:
    """One ONNX Runtime session on one thread."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def answer(self, row: dict[str, float]) -> dict[str, object]:
        """Return class and probabilities of one row."""
        numeric = np.array([[row[name] for name in FEATURES]], dtype=np.float32)
        (found,) = self._session.run(["probabilities"], {"numeric": numeric})
        no, yes = found[0].tolist()
        return {"prediction": "yes" if yes >= 0.5 else "no", "probabilities": {"no": no, "yes": yes}}
