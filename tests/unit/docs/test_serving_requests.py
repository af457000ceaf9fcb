"""The requests in ``docs/serving-requests.md`` are answered, by a real server, as the page says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.serving.alone import Alone

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "serving-requests.md").read_text("utf-8")
_SHOWN = re.compile(r"^```sh\n(curl .*?)^```\n(?:\n^```json\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
SHOWN = [(command, answer or None) for command, answer in _SHOWN.findall(PAGE)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with Alone(tmp_path_factory.mktemp("alone")) as server:
        yield server


def sent(alone: Alone, command: str) -> httpx.Response:
    """Send what curl would."""
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    path, headers, body = "", {}, ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word in {"-d", "--data-binary"}:
            body = next(words)
        else:
            path = word.removeprefix("127.0.0.1:8766")
    return alone.http.post(path, content=body.encode(), headers=headers)


def fits(told: Any, came: Any) -> bool:
    """Return whether ``came`` is what the page shows: to four digits, and up to an ellipsis."""
    if isinstance(told, dict):
        return isinstance(came, dict) and told.keys() == came.keys() and all(fits(told[k], came[k]) for k in told)
    if isinstance(told, list):
        return isinstance(came, list) and len(told) == len(came) and all(map(fits, told, came))
    if isinstance(told, str) and told.endswith("…"):
        return isinstance(came, str) and came != ""
    return bool(told == (round(came, 4) if isinstance(came, float) else came))


@pytest.mark.parametrize(("command", "answer"), SHOWN, ids=[f"example {place}" for place in range(len(SHOWN))])
def test_an_example_is_answered_as_it_is_shown(alone: Alone, command: str, answer: str | None) -> None:
    reply = sent(alone, command)
    assert reply.status_code == 200, reply.text
    assert answer is None or fits(json.loads(answer), reply.json()), reply.text


def test_the_page_has_its_examples_and_its_refusal_is_the_one_that_is_shown(alone: Alone) -> None:
    assert len(SHOWN) >= 7
    assert sum(answer is not None for _, answer in SHOWN) >= 2
    right = {"age": 61, "sex": "male"}
    refused = alone.http.post("/predict", json={"rows": [right, right | {"age": "61"}]})
    assert refused.status_code == 400
    assert f'{{"error": "{refused.json()["error"]}"}}' in PAGE
