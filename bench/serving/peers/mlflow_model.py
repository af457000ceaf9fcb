"""Save the frozen estimator as MLflow's users would: the scikit-learn flavour, with a signature.

python mlflow_model.py ESTIMATOR FOLDER
"""

import sys

import mlflow
import pandas as pd
from sklearn_estimator import estimator, features

model = estimator(sys.argv[1])
example = pd.DataFrame([[0.0] * 13], columns=features(sys.argv[1]))
mlflow.sklearn.save_model(
    model,
    sys.argv[2],
    signature=mlflow.models.infer_signature(example, model.predict(example)),
    serialization_format="cloudpickle",
)
