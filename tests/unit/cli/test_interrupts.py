"""Ctrl-C while a command waits: what goes on, what has ended, and how to find it again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from trimtab.cli import main
from trimtab.cli.commands import data, models, serving
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import IllegalTransitionError

ANSWERS: Mapping[str, JsonObject] = {
    "data.ingest": {"delivery_id": "d1", "repeated": False},
    "rollouts.start": {"rollout_id": "r1"},
    "training.start": {"job_id": "j1"},
    "training.cancel": {},
    "training.job": {"state": "cancelled", "finished_us": 1, "progress": None, "result": None},
}

TIDYING_UP = """
import logging, os, signal, weakref
from trimtab.cli.interrupts import heard, listen

class Connection:
    pass

def give_back():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        len("a moment in which the signal is delivered")
    except BaseException:
        logging.getLogger("pool").error("an error while tidying up", exc_info=True)
        raise

listen()
connection = Connection()
weakref.finalize(connection, give_back)
try:
    with heard():
        del connection
except KeyboardInterrupt:
    logging.getLogger("pool").error("stopped")
"""


class Interrupted:
    """A control plane that answers, and a person who loses patience while a command first waits."""

    def __init__(self, *, remote: bool = True, ended: bool = False) -> None:
        self.remote = remote
        self.asked: list[str] = []
        self._patient = False
        self._ended = ended

    def ask(self, name: str, /, **_fields: object) -> JsonObject:
        self.asked.append(name)
        if name == "training.cancel" and self._ended:
            raise IllegalTransitionError("job j1: is over already (succeeded); nothing is left to cancel")
        return {**ANSWERS[name], "state": "succeeded"} if self._ended else ANSWERS[name]

    def wait(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        assert timeout_s > 0
        if not self._patient:
            self._patient = True
            raise KeyboardInterrupt
        return done()

    def close(self) -> None:
        """Nothing to let go of."""


def stopped(
    client: Interrupted, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return what the command said before it was gone."""
    for module in (data, models, serving):
        monkeypatch.setattr(module, "connect", lambda _project: client)
    monkeypatch.setattr(sys, "argv", ["trimtab", *command])
    with pytest.raises(SystemExit) as left:
        main.main()
    told = capsys.readouterr()
    assert (left.value.code, told.out.strip()) == (130, "")
    assert told.err.endswith("stopped\n")
    return told.err


@pytest.mark.parametrize(
    ("remote", "goes_on"), [(True, "the control plane judges its rows"), (False, "once 'trimtab up' or 'ingest' runs")]
)
def test_a_delivery_that_was_accepted_is_said_to_be_so(
    remote: bool,
    goes_on: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    told = stopped(Interrupted(remote=remote), ["ingest", "churn", str(tmp_path / "rows.csv")], monkeypatch, capsys)
    assert "delivery d1 was accepted" in told
    assert goes_on in told


@pytest.mark.parametrize(("remote", "goes_on"), [(True, "rollout r1 goes on"), (False, "goes on with 'trimtab up'")])
def test_a_rollout_that_goes_on_is_said_to_do_so(
    remote: bool, goes_on: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = stopped(Interrupted(remote=remote), ["deploy", "churn@1"], monkeypatch, capsys)
    assert goes_on in told
    assert "'trimtab rollouts abort r1 --reason WHY'" in told


@pytest.mark.parametrize(("ended", "state"), [(False, "cancelled"), (True, "succeeded")])
def test_a_training_is_cancelled_or_had_ended_already(
    ended: bool, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Interrupted(ended=ended)
    told = stopped(client, ["train", "churn"], monkeypatch, capsys)
    assert "training.cancel" in client.asked
    assert f"job j1: {state}; see 'trimtab jobs show j1'" in told


def test_ctrl_c_while_a_library_tidies_up_is_heard_without_a_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", TIDYING_UP], capture_output=True, text=True, check=True)
    assert ended.stderr == "stopped\n"
