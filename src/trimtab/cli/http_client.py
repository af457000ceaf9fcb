"""Asks a control plane over HTTP; paths and methods come from the table of routes in its own OpenAPI document."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from trimtab.core import errors
from trimtab.core.canonical import JsonObject

__all__ = ["HttpClient"]

_POLL_S = 0.15
_PATIENCE_S = 60.0
"""How long a wait outlasts a control plane that does not answer: it may be busy, or just start again."""
_MOST_UNANSWERED = 3
"""A single question may take as long as that until it is given up: so many in a row are let go by, too."""


class HttpClient:
    """See `trimtab.cli.client.Client`."""

    remote = True

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=httpx.Timeout(60.0), trust_env=False
        )
        # The demo asks hundreds of times in one process: a connection goes with who asked over it.
        weakref.finalize(self, self._http.close)
        self._routes: dict[str, tuple[str, str]] = {}

    def ask(self, name: str, /, **fields: object) -> JsonObject:
        """Send the operation as its route says; see the port."""
        method, path, given = self._addressed(name, fields)
        if name == "data.ingest":
            return self._upload(path, given)
        if method == "GET":
            query: dict[str, Any] = given
            return self._send(method, path, params=query)
        return self._send(method, path, json=given)

    def fetch(self, name: str, /, **fields: object) -> bytes:
        """Receive the file that the operation answers with; see the port."""
        method, path, given = self._addressed(name, fields)
        query: dict[str, Any] = given
        return self._received(method, path, params=query).content

    def close(self) -> None:
        """Close the connection; see the port."""
        self._http.close()

    def wait(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Poll until ``done()``; see the port. What waits for work outlasts a minute without an answer."""
        deadline = time.monotonic() + timeout_s
        answered, unanswered = time.monotonic(), 0
        while True:
            try:
                if done():
                    return True
                answered, unanswered = time.monotonic(), 0
            except errors.BackendError:
                unanswered += 1
                if unanswered > _MOST_UNANSWERED and time.monotonic() - answered > _PATIENCE_S:
                    raise
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)

    def _upload(self, path: str, given: dict[str, object]) -> JsonObject:
        file = Path(str(given["path"]))
        query = {"filename": file.name, **({"feed": str(given["feed"])} if "feed" in given else {})}
        try:
            with file.open("rb") as stream:
                return self._send("POST", path, params=query, content=iter(lambda: stream.read(1 << 20), b""))
        except OSError as error:
            raise errors.DataContractError(f"{file}: cannot be read ({error.strerror}); check the path") from error

    def _addressed(self, name: str, fields: Mapping[str, object]) -> tuple[str, str, dict[str, object]]:
        """Return the operation's method, its path with what belongs into it, and the fields that do not."""
        method, path = self._route(name)
        given = {key: value for key, value in fields.items() if value is not None}
        for key in list(given):
            if f"{{{key}}}" in path:
                path = path.replace(f"{{{key}}}", quote(str(given.pop(key)), safe=""))
        return method, path, given

    def _route(self, name: str) -> tuple[str, str]:
        if not self._routes:
            document = self._send("GET", "/openapi.json")
            for path, methods in document["paths"].items():
                for method, route in methods.items():
                    self._routes[route.get("operationId", "")] = (method.upper(), path)
        found = self._routes.get(name.replace(".", "_"))
        if found is None:
            raise errors.NotFoundError(f"{self._url}: knows no {name!r}; is its version older than this command?")
        return found

    def _send(self, method: str, path: str, **arguments: Any) -> JsonObject:
        answer = self._received(method, path, **arguments)
        try:
            content: JsonObject = answer.json()
        except ValueError:
            raise self._no_reason(answer) from None
        return content

    def _received(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Return the answer if it is what was asked for.

        Raises:
            TrimtabError: what the control plane told, or that it told nothing.
        """
        try:
            answer = self._answer(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise errors.BackendError(
                f"control plane {self._url}: {type(error).__name__} ({error}); is it up? see 'trimtab up'"
            ) from error
        if answer.is_success:
            return answer
        try:
            content = answer.json()
            title, detail = str(content["title"]), str(content["detail"])
        except (ValueError, KeyError, TypeError):
            raise self._no_reason(answer) from None
        raise _error_of(title, detail)

    def _no_reason(self, answer: httpx.Response) -> errors.BackendError:
        return errors.BackendError(
            f"control plane {self._url}: answered with status {answer.status_code} and no reason; "
            "is it one? check TRIMTAB_API_URL"
        )

    def _answer(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask, and again as long as the answer is that it was too soon: then nothing was done. A file is sent once."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            answer = self._http.request(method, path, **arguments)
            wait_s = answer.headers.get("retry-after", "")
            is_too_soon = answer.status_code == httpx.codes.TOO_MANY_REQUESTS and wait_s.isdecimal()
            if not is_too_soon or "content" in arguments or time.monotonic() + int(wait_s) > deadline:
                return answer
            time.sleep(int(wait_s))


def _error_of(title: str, detail: str) -> errors.TrimtabError:
    """Return the error that the control plane told of."""
    kind = getattr(errors, title, None) if title in errors.__all__ else None
    return kind(detail) if kind is not None else errors.BackendError(detail)
