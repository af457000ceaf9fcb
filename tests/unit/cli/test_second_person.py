"""Whatever command asks for something that another person has to agree to, ends as one that is not done."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import pytest
from tests.unit.cli.test_policy import Run
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.cli import commands
from trimtab.cli.main import main
from trimtab.cli.output import console
from trimtab.cli.second_person import require_no_other
from trimtab.core.enums import Role
from trimtab.core.errors import ApprovalRequiredError
from trimtab.loop import keys
from trimtab.loop.asking import waiting_told
from trimtab.loop.operation import OPERATIONS

_POLICY = """
rules:
  - name: People agree to what people want
    when: {origin: person, action: [pause_endpoint, resume_endpoint, change_config, open_labelling, roll_back, deploy]}
    then: {tier: approval}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform that serves version 2, and where emil could agree."""
    world = make_world(tmp_path / "project", policy=_POLICY)
    deploying = Deploying.on(world)
    deploying.bring_in(1, 2)
    deploying.register(3)
    with world.platform.database.transaction() as connection:
        keys.create_key(connection, "emil", Role.APPROVER, at_us=world.platform.now_us())
    yield world
    world.platform.database.close()


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: str) -> tuple[int, str]:
        monkeypatch.setattr(console, "_width", 300)
        monkeypatch.setattr(sys, "argv", ["trimtab", *command, "--project", str(world.platform.project.root)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out + told.err

    return said


@pytest.mark.parametrize(
    "command",
    [
        ("endpoints", "pause", MODEL, "--reason", "wrong prices"),
        (
            *("config", "change", MODEL, "--file", "monitoring_config.yaml"),
            *("--set", "monitors.1.limits.accuracy=0.5", "--reason", "agreed"),
        ),
        ("labelling", "open", MODEL, "--rows", "5", "--reason", "outcomes come late"),
        ("rollback", MODEL, "--reason", "worse"),
        ("deploy", f"{MODEL}@3"),
        ("deploy", f"{MODEL}@3", "--no-wait"),
        ("deploy", f"{MODEL}@3", "--json"),
    ],
    ids=" ".join,
)
def test_a_command_that_waits_for_another_person_fails_with_who_and_what_next(run: Run, command: list[str]) -> None:
    code, told = run(*command)
    assert code == 5, told
    assert "waits until another person agrees (emil): trimtab approvals approve " in told


def test_where_nobody_could_agree_it_says_what_kind_of_key_is_wanted() -> None:
    answer = {"waits": True, "could_agree": [], "role": "admin", "note": "1 of 2 people have agreed", "action_id": "a1"}
    with pytest.raises(ApprovalRequiredError) as refused:
        require_no_other(answer, "pause of churn")
    assert str(refused.value) == (
        "pause of churn: asked for, and waits until another person agrees (nobody yet; 'trimtab keys create NAME "
        "--role admin'; 1 of 2 people have agreed): trimtab approvals approve a1"
    )


def test_every_command_of_a_wish_that_may_wait_looks_whether_it_does() -> None:
    may_wait = {name for name, one in OPERATIONS.items() if _reaches(one.run, waiting_told)}
    assert {"endpoints.scale", "endpoints.clear_cache", "config.change", "feeds.release", "rollouts.start"} <= may_wait
    asked = set()
    for name, source in _functions():
        wishes = may_wait & {one.value for one in ast.walk(source) if isinstance(one, ast.Constant)}
        called = {
            one.func.id for one in ast.walk(source) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
        }
        assert not wishes or "require_no_other" in called, f"{name} asks {wishes}, and tells no script that it waits"
        asked |= wishes
    assert asked == may_wait, "each of them has a command"


def _reaches(run: Callable[..., object], sought: Callable[..., object]) -> bool:
    """Whether ``run``, or a function of its own module that it uses, uses ``sought``."""
    assert isinstance(run, FunctionType)
    used = [run.__globals__.get(name) for name in run.__code__.co_names]
    mine = [
        one for one in used if isinstance(one, FunctionType) and one.__module__ == run.__module__ and one is not run
    ]
    return sought in used or any(_reaches(one, sought) for one in mine)


def _functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for found in pkgutil.iter_modules(commands.__path__):
        source = ast.parse(inspect.getsource(importlib.import_module(f"{commands.__name__}.{found.name}")))
        yield from ((one.name, one) for one in ast.walk(source) if isinstance(one, ast.FunctionDef))
