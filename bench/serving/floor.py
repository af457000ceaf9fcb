"""The floor: the least that answers this model over HTTP. Frozen; `bench.serving.frozen` knows its hash.

    python floor.py MODEL PORT

Bare ASGI on uvicorn with uvloop and httptools, typed JSON by msgspec, one array, one ONNX Runtime call. It routes by a
single path, and has no ids, versions, records, metrics, limits or error sentences.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import uvicorn

Row = msgspec.defstruct(
    "Row",
    [
        (name, float)
        for name in (
            "age", "sex", "chest_pain", "resting_bp", "cholesterol", "fasting_sugar", "resting_ecg", "max_heart_rate",
            "exercise_angina", "st_depression", "st_slope", "major_vessels", "thal",
        )
    ],
)  # fmt: skip
Request = msgspec.defstruct("Request", [("row", Row)])


class Response(msgspec.Struct):
    """The answer."""

    prediction: str
    probabilities: dict[str, float]


def application(model: str) -> Any:
    """Return the ASGI callable."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    decode = msgspec.json.Decoder(Request).decode
    encode = msgspec.json.Encoder().encode

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/predict":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body", False):
            message = await receive()
            body += message["body"]
        row = msgspec.structs.astuple(decode(body).row)
        (found,) = session.run(["probabilities"], {"numeric": np.array([row], dtype=np.float32)})
        no, yes = found[0].tolist()
        content = encode(Response("yes" if yes >= 0.5 else "no", {"no": no, "yes": yes}))
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(content)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})

    return answer


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
