"""Asks the inference server."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import httpx

from trimtab.cli.address import checked_address
from trimtab.cli.client import open_project
from trimtab.config.process import setting
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, ConfigError
from trimtab.serving.address import server_url
from trimtab.serving.keys import read_own_key

__all__ = ["InferenceClient"]


class InferenceClient:
    """A connection to an inference server; ``TRIMTAB_SERVING_KEY`` is sent to one that asks for keys.

    The server of a project on this machine gets the project's own where there is no such setting.
    """

    def __init__(self, url: str, own_key: str | None = None) -> None:
        self._url = url
        key = setting("serving_key", own_key)
        headers = {} if key is None else {"x-api-key": key}
        self._http = httpx.Client(base_url=url, timeout=30.0, trust_env=False, headers=headers)
        weakref.finalize(self, self._http.close)

    @staticmethod
    def of(project: Path) -> InferenceClient:
        """Return a client of the server of the project in folder ``project``; ``TRIMTAB_SERVING_URL`` names another.

        Raises:
            ConfigError: the folder is no project.
            BackendError: no server runs.
        """
        named = setting("serving_url")
        if named is not None:
            return InferenceClient(checked_address(named, setting="TRIMTAB_SERVING_URL"))
        folder = open_project(project)
        url = server_url(folder.serving)
        if url is None:
            raise BackendError(
                f"project {folder.config.project!r}: no inference server runs; start it with 'trimtab up'"
            )
        return InferenceClient(url, read_own_key(folder.serving))

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

    def inputs(self, endpoint: str) -> dict[str, str]:
        """Return the inputs that ``endpoint`` takes, by name: of which datatype each is."""
        tensors = self._send("GET", f"/v2/models/{endpoint}")["inputs"]
        return {str(tensor["name"]): str(tensor["datatype"]) for tensor in tensors}

    def _post(self, path: str, body: JsonObject) -> JsonObject:
        return self._send("POST", path, json=body)

    def _send(self, method: str, path: str, **arguments: Any) -> JsonObject:
        try:
            answer = self._http.request(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendError(f"inference server {self._url}: {error}; is it up? see 'trimtab status'") from error
        try:
            content: JsonObject = answer.json()
            if answer.is_success:
                return content
            reason = str(content["error"])
        except (ValueError, KeyError, TypeError):
            raise BackendError(
                f"inference server {self._url}: answered with status {answer.status_code} and no reason; is it one? "
                "check TRIMTAB_SERVING_URL"
            ) from None
        raise (ConfigError if answer.is_client_error else BackendError)(reason)
