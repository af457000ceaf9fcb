"""A stranger's project, from `trimtab init` on: its commands one after another, and what each says is next."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.processes import ControlPlane, Ended, eventually, process, trimtab

from trimtab.config.project import ProjectFolder
from trimtab.serving.address import server_url

_LONG_S = 540.0


@dataclass(frozen=True)
class Walk:
    """A project whose processes run."""

    project: Path
    model: str

    def do(self, *words: str | Path) -> Ended:
        """Run a command that must succeed; it says nothing of errors."""
        done = trimtab(*words, project=self.project, timeout_s=_LONG_S)
        assert done.code == 0, f"{words}: {done.out}{done.err}"
        return done

    def tell(self, *words: str | Path) -> Any:
        """Run a command with ``--json``, and return what it told: one document, and nothing beside it."""
        done = self.do(*words, "--json")
        assert not done.err, done.err
        return done.json

    def says(self, *words: str | Path) -> str:
        """Run a command, and return what it told a person, whatever the width of a terminal made of it."""
        return " ".join(self.do(*words).out.split())

    @property
    def status(self) -> dict[str, Any]:
        """What ``trimtab status`` would show, asked for by HTTP: starting a command each time would take a second."""
        state = ProjectFolder.open(self.project).state
        told = json.loads((state / "control-plane.json").read_bytes())
        key = json.loads((state / "credentials.json").read_bytes())["key"]
        with ControlPlane(self.project, f"http://127.0.0.1:{told['port']}", key, told["pid"]).client() as client:
            answer = client.get("/api/status", timeout=150)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    @property
    def standing(self) -> dict[str, Any]:
        """How the model stands."""
        (model,) = self.status["models"]
        return dict(model)

    def next_step(self, *wanted: str) -> str:
        """Return the advice of ``status`` in which all ``wanted`` words stand; it may take the loop a moment."""

        def found() -> str | None:
            told = [f"{one['why']} {one['command']}" for one in self.status["next"]]
            seen[:] = told
            return next((one for one in told if all(word in one for word in wanted)), None)

        seen: list[str] = []
        try:
            step: str = eventually(found, within_s=150, wanted=f"advice with {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}; status says {seen}") from None
        return step

    @property
    def serving(self) -> str:
        """The address of the inference server."""
        url = server_url(ProjectFolder.open(self.project).serving)
        assert url is not None
        return url


def begin(project: Path, *words: str | Path) -> Ended:
    """Make a project by ``trimtab init``."""
    made = trimtab("init", project, *words, timeout_s=_LONG_S)
    assert made.code == 0, made.err
    return made


def few_trials(project: Path, model: str) -> None:
    """Do what the page tells those who are in a hurry: one trial, the plain candidate and LightGBM, one cut."""
    training = project / "models" / model / "training_config.yaml"
    text = training.read_text().replace("trials: 8", "trials: 1").replace("{folds: 5}", "null")
    kept = [line for line in text.splitlines() if "xgboost" not in line and "random_forest" not in line]
    training.write_text("\n".join(kept) + "\n")


@contextlib.contextmanager
def up(project: Path, model: str, log: Path) -> Iterator[Walk]:
    """Keep ``trimtab up`` running for ``project``, on free ports."""
    settings = project / "trimtab.yaml"
    settings.write_text(settings.read_text().replace("8765", "0").replace("8766", "0"))
    with process("-m", "trimtab.cli", "up", "--project", project, log=log) as running:

        def ready() -> bool:
            assert running.poll() is None, log.read_text()
            return "Ctrl-C" in log.read_text()

        eventually(ready, within_s=150, wanted="processes that are up")
        yield Walk(project, model)
