"""What ``trimtab train`` says of a training that has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from trimtab.cli import main
from trimtab.cli.commands import models
from trimtab.core.canonical import JsonObject

TWIN = "column 'risk': tells the target 'bad' by itself; name it under ignore in model.yaml"


class Trained:
    """A control plane whose training has ended: a version that waits for approval."""

    remote = True

    def ask(self, name: str, /, **_fields: object) -> JsonObject:
        result = {
            "status": "succeeded",
            "algorithm": "lightgbm",
            "metrics": {"f1": 0.5},
            "candidates": [{"algorithm": "lightgbm", "trials": 1, "validation": {"f1": 0.4}}],
            "steps": [{"name": "tune lightgbm", "reused": True}],
            "notes": [TWIN],
        }
        answers: dict[str, JsonObject] = {
            "training.start": {"job_id": "j1"},
            "training.job": {
                "state": "succeeded",
                "finished_us": 1,
                "progress": None,
                "waits": None,
                "result": result,
                "version": 1,
                "error": None,
            },
        }
        return answers.get(name, {"next": []})

    def wait(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        assert timeout_s > 0
        return done()

    def close(self) -> None:
        """Nothing to let go of."""


def test_what_was_noticed_about_the_rows_is_told_with_the_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "connect", lambda _project: Trained())
    monkeypatch.setattr(sys, "argv", ["trimtab", "train", "churn"])
    with pytest.raises(SystemExit) as left:
        main.main()
    told = " ".join(capsys.readouterr().out.split())
    assert left.value.code == 0
    assert TWIN in told
    assert "taken over: tune lightgbm" in told
    assert "Version 1 of churn: lightgbm, held-out f1 0.500" in told
