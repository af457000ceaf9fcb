"""Asks the inference server."""

from __future__ import annotations

from typing import Any

import httpx

from trimtab.config.process import setting
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, ConfigError
from trimtab.serving.address import server_url

__all__ = ["InferenceClient"]


class InferenceClient:
    """A connection to an inference server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(base_url=url, timeout=30.0, trust_env=False)

    @staticmethod
    def of(folder: ProjectFolder) -> InferenceClient:
        """Return a client of the project's server; ``TRIMTAB_SERVING_URL`` names one elsewhere.

        Raises:
            BackendError: no server runs.
        """
        url = setting("serving_url") or server_url(folder.serving)
        if url is None:
            raise BackendError(
                f"project {folder.config.project!r}: no inference server runs; start it with 'trimtab up'"
            )
        return InferenceClient(url)

    def predict(self, endpoint: str, body: JsonObject) -> JsonObject:
        """Ask ``endpoint``.

        Raises:
            ConfigError: the server refuses the request; the sentence is the server's.
            BackendError: the server is not reached, or fails.
        """
        return self._post(f"/predict/{endpoint}", body)

    def tell_truths(self, records: list[JsonObject]) -> JsonObject:
        """Send true outcomes; see `predict` for errors."""
        return self._post("/v1/ground-truth", {"records": records})

    def features(self, endpoint: str) -> list[str]:
        """Return the names of the inputs that ``endpoint`` takes."""
        return [str(tensor["name"]) for tensor in self._send("GET", f"/v2/models/{endpoint}")["inputs"]]

    def _post(self, path: str, body: JsonObject) -> JsonObject:
        return self._send("POST", path, json=body)

    def _send(self, method: str, path: str, **arguments: Any) -> JsonObject:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise BackendError(f"inference server {self._url}: {error}; is it up? see 'trimtab status'") from error
        if answer.is_success:
            content: JsonObject = answer.json()
            return content
        try:
            reason = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            reason = f"status {answer.status_code}"
        raise (ConfigError if answer.is_client_error else BackendError)(reason)
