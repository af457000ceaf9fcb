"""LitServe, as its documentation begins, with the frozen graph: ``python litserve_server.py MODEL PORT``."""

import sys

import litserve
from onnx_model import Model


class Heart(litserve.LitAPI):
    """The four steps that LitServe asks for."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.model = Model(sys.argv[1])

    def decode_request(self, request: dict[str, dict[str, float]]) -> dict[str, float]:
        """Return the row."""
        return request["row"]

    def predict(self, row: dict[str, float]) -> dict[str, object]:
        """Answer it."""
        return self.model.answer(row)

    def encode_response(self, output: dict[str, object]) -> dict[str, object]:
        """Return it as it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Heart(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
