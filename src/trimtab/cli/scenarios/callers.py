"""Callers of an endpoint: they ask at a steady pace, note who answered what, and tell the true outcomes later."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from trimtab.core.canonical import JsonObject

__all__ = ["Asked", "Callers", "Heard"]

_PATIENCE_S: Final = 10.0
_AFTER_FAILURE_S: Final = 0.05
_TOLD_EVERY_S: Final = 0.3
_NOBODY: Final = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A row, and what its outcome will turn out to be."""

    row: JsonObject
    truth: str | float


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller heard. ``status`` 0: nobody answered. Times are of the machine's steady clock, in seconds."""

    asked: Asked
    started_s: float
    ended_s: float
    status: int = _NOBODY
    variant: str | None = None
    prediction: str | float | None = None
    prediction_id: str | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the caller got an answer."""
        return self.status == http.client.OK


@dataclass
class _Client:
    """One caller's connection, and outcomes that it has not told yet."""

    connection: http.client.HTTPConnection
    untold: list[JsonObject] = field(default_factory=list)
    told_s: float = 0.0


class Callers:
    """``clients`` at once, each with one row a request, ``per_s`` requests a second in all if they can be had.

    ``url`` says where the server is now, None while there is none. ``draw`` makes a request from a random generator of
    the client's own; ``hear`` gets every one that ended, from several threads. While the block lasts they ask.
    """

    def __init__(
        self,
        url: Callable[[], str | None],
        endpoint: str,
        draw: Callable[[random.Random], Asked],
        hear: Callable[[Heard], None],
        *,
        clients: int = 3,
        per_s: float = 300.0,
        seed: int = 0,
    ) -> None:
        self._url = url
        self._endpoint = endpoint
        self._draw = draw
        self._hear = hear
        self._every_s = clients / per_s
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(random.Random(f"{seed} {number}"),), name=f"caller-{number}", daemon=True
            )
            for number in range(clients)
        ]

    def __enter__(self) -> Callers:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let each end the request that it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE_S)

    def _run(self, draw: random.Random) -> None:
        client: _Client | None = None
        due_s = time.monotonic() + draw.random() * self._every_s
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            # Who is late does not catch up: that would be a burst.
            due_s = max(due_s + self._every_s, time.monotonic())
            client = client or self._connect()
            if client is None or not self._ask(client, self._draw(draw)):
                if client is not None:
                    client.connection.close()
                client = None
                self._stop.wait(_AFTER_FAILURE_S)
        if client is not None:
            self._tell(client)
            client.connection.close()

    def _connect(self) -> _Client | None:
        url = self._url()
        if url is None:
            return None
        place = urlsplit(url)
        return _Client(http.client.HTTPConnection(place.hostname or "", place.port, timeout=_PATIENCE_S))

    def _ask(self, client: _Client, asked: Asked) -> bool:
        """Send one request; return whether the connection is good for another."""
        started_s = time.monotonic()
        try:
            response = _post(client.connection, f"/predict/{self._endpoint}", {"row": asked.row})
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._hear(Heard(asked, started_s, time.monotonic()))
            return False
        ended_s, variant = time.monotonic(), response.headers["x-trimtab-variant"]
        if response.status != http.client.OK:
            self._hear(Heard(asked, started_s, ended_s, response.status, variant))
            return True
        [answer] = content["predictions"]
        given = str(answer["prediction_id"])
        self._hear(Heard(asked, started_s, ended_s, response.status, variant, answer["prediction"], given))
        client.untold.append({"prediction_id": given, "truth": asked.truth})
        return ended_s - client.told_s < _TOLD_EVERY_S or self._tell(client)

    def _tell(self, client: _Client) -> bool:
        """Send the outcomes that are not told yet; return whether the connection is good for more."""
        if not client.untold:
            return True
        try:
            _post(client.connection, "/v1/ground-truth", {"records": client.untold}).read()
        except (OSError, http.client.HTTPException):
            return False
        client.untold, client.told_s = [], time.monotonic()
        return True


def _post(connection: http.client.HTTPConnection, path: str, body: JsonObject) -> http.client.HTTPResponse:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return connection.getresponse()
