"""Clients that ask an inference server all the time, whatever happens to it, and note which answers they received."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.unit.loop.projects import MODEL

from trimtab.config.project import ProjectFolder
from trimtab.serving.address import server_url

__all__ = ["Traffic"]

_NOBODY = "http://127.0.0.1:9"
_LARGEST = 16


@dataclass
class _Noted:
    """What one client knows: only its own thread writes it."""

    received: dict[str, str] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    versions: Counter[int] = field(default_factory=Counter)


class Traffic:
    """``clients`` at once, each with batches of 1 to 16 rows (one client: of one row) and a pause between.

    Each row has a key of its own and is asked for once: one that got no answer is not asked for again. What is sent
    depends on ``seed`` alone.
    """

    def __init__(
        self, project: ProjectFolder, name: str, *, clients: int = 1, pause_s: float = 0.004, seed: int = 0
    ) -> None:
        self._project = project
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._noted = [_Noted() for _ in range(clients)]
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(f"{name}-{number}", noted, random.Random(f"{seed} {number}"), _LARGEST if clients > 1 else 1),
                daemon=True,
            )
            for number, noted in enumerate(self._noted)
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "a client did not end"

    @property
    def clients_answered(self) -> int:
        """How many clients have received an answer."""
        return sum(1 for noted in self._noted if noted.received)

    @property
    def count(self) -> int:
        """How many rows were answered."""
        return sum(len(noted.received) for noted in self._noted)

    @property
    def received(self) -> dict[str, str]:
        """The key of each row that a client has an answer to, by ``prediction_id``."""
        found = {given: key for noted in self._noted for given, key in noted.received.items()}
        assert len(found) == self.count, "two answers have the same prediction_id"
        return found

    @property
    def unanswered(self) -> set[str]:
        """The keys of the rows to which nobody has an answer."""
        return {key for noted in self._noted for key in noted.unanswered}

    @property
    def versions(self) -> Counter[int]:
        """How many rows each version answered."""
        return sum((noted.versions for noted in self._noted), Counter())

    def _run(self, name: str, noted: _Noted, draw: random.Random, largest: int) -> None:
        number = 0
        connection: http.client.HTTPConnection | None = None
        while not self._stop.wait(self._pause_s * draw.uniform(0.5, 1.5)):
            size = draw.randint(1, largest)
            keys = [f"{name}-{number + row}" for row in range(size)]
            number += size
            try:
                if connection is None:
                    url = urlsplit(server_url(self._project.serving) or _NOBODY)
                    connection = http.client.HTTPConnection(str(url.hostname), url.port or 9, timeout=10)
                _ask(connection, keys, noted)
            except (OSError, http.client.HTTPException):
                noted.unanswered.update(keys)
                if connection is not None:
                    connection.close()
                connection = None
                self._stop.wait(0.05)
        if connection is not None:
            connection.close()


def _ask(connection: http.client.HTTPConnection, keys: list[str], noted: _Noted) -> None:
    rows = [{"age": 40 + place, "chol": 240.0, "sex": "male"} for place in range(len(keys))]
    connection.request("POST", f"/predict/{MODEL}", json.dumps({"rows": rows, "record_keys": keys}))
    response = connection.getresponse()
    content = json.loads(response.read())
    if response.status != 200:
        noted.unanswered.update(keys)
        return
    for key, answer in zip(keys, content["predictions"], strict=True):
        noted.received[answer["prediction_id"]] = key
    noted.versions[int(content["model_version"])] += len(keys)
