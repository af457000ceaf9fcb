"""Ray Serve with one replica and the frozen graph: ``python ray_serve.py MODEL PORT``."""

import signal
import sys
import threading

import ray
from onnx_model import Model
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=100, logging_config={"enable_access_log": False})
class Heart:
    """One replica."""

    def __init__(self, path: str) -> None:
        self.model = Model(path)

    async def __call__(self, request: Request) -> dict[str, object]:
        """Answer one row."""
        return self.model.answer((await request.json())["row"])


if __name__ == "__main__":
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])}, proxy_location="HeadOnly")
    serve.run(Heart.bind(sys.argv[1]), route_prefix="/predict")
    stopping.wait()
    serve.shutdown()
    ray.shutdown()
