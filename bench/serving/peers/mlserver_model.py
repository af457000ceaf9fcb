"""Write the folder that ``mlserver start`` reads: the frozen estimator for MLServer's scikit-learn runtime.

python mlserver_model.py ESTIMATOR FOLDER PORT
"""

import json
import sys
from pathlib import Path

import joblib
from sklearn_estimator import estimator

folder, port = Path(sys.argv[2]), int(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
joblib.dump(estimator(sys.argv[1]), folder / "model.joblib")
settings = {
    "host": "127.0.0.1",
    "http_port": port,
    "grpc_port": port + 1,
    "metrics_port": port + 2,
    "parallel_workers": 0,  # one process, as all others have: its documentation's advice for small models
    "debug": False,
    "access_log": False,
}
(folder / "settings.json").write_text(json.dumps(settings))
model = {
    "name": "heart",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib", "version": "1"},
}
(folder / "model-settings.json").write_text(json.dumps(model))
