from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from trimtab.cli import main
from trimtab.cli.commands.models import parse_version
from trimtab.cli.extras import extra_of
from trimtab.core import errors

HEAVY = {"pydantic", "sqlalchemy", "numpy", "httpx", "pyarrow", "fastapi", "mlflow", "pandas", "polars", "structlog"}
RUN_UNTIL_STOPPED = {("up",), ("serve",)}


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command


def everything() -> dict[tuple[str, ...], TyperCommand]:
    root = typer.main.get_command(main.app)
    assert isinstance(root, TyperGroup)
    return dict(commands(root))


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        # Typer reads parameters with pydantic where that is installed.
        (["train", "--help"], {"pydantic"}),
        (["nothing"], {"pydantic"}),
    ],
    ids=str,
)
def test_help_loads_nothing_heavy(command: list[str], allowed: set[str]) -> None:
    code = (
        "import sys, json; from trimtab.cli.main import main; sys.argv[0] = 'trimtab'\n"
        "try: main()\nexcept SystemExit: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=60)
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}
    assert loaded & HEAVY <= allowed


def test_every_command_answers_machines_too() -> None:
    for path, command in everything().items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options or path in RUN_UNTIL_STOPPED, path


def test_every_command_works_on_any_project() -> None:
    elsewhere = {("serve",), ("demo",), ("schema",), ("init",)}
    for path, command in everything().items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--project" in options or path in elsewhere, path


def test_every_command_and_parameter_says_what_it_is_for() -> None:
    for path, command in everything().items():
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), (path, parameter.name)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.NotFoundError, 3),
        (errors.PermissionDeniedError, 4),
        (errors.UnknownCallerError, 4),
        (errors.ConflictError, 5),
        (errors.IllegalTransitionError, 5),
        (errors.ApprovalRequiredError, 5),
        (errors.BackendError, 6),
        (errors.DataContractError, 1),
        (errors.ArtifactUntrustedError, 1),
        (errors.TrimtabError, 1),
    ],
)
def test_each_class_of_error_has_an_exit_code(
    kind: type[errors.TrimtabError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise kind("column [mg/dL]: not there; add it")

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["trimtab"])
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == code
    assert capsys.readouterr().err == "error: column [mg/dL]: not there; add it\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ModuleNotFoundError("no", name="sqlalchemy.orm"), 2, "this needs trimtab[platform]; install it with: pip "),
        (ModuleNotFoundError("no", name="onnxruntime"), 2, "this needs trimtab[serve]; install it with: pip install "),
        (PermissionError(13, "Permission denied", "/some/where"), 6, "/some/where: Permission denied; check that"),
        (OSError(28, "No space left on device"), 6, "No space left on device; check that"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_what_the_machine_lacks_is_told_in_a_sentence(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["trimtab"])
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == code
    assert told in capsys.readouterr().err


def test_a_module_of_our_own_that_is_missing_is_a_defect_and_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise ModuleNotFoundError("no", name="trimtab.nowhere")

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["trimtab"])
    with pytest.raises(ModuleNotFoundError):
        main.main()


def test_every_library_of_an_extra_is_known() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    imported_as = {"pillow": "PIL", "scikit-learn": "sklearn", "xgboost-cpu": "xgboost"}
    for extra in ("serve", "signatures", "platform", "postgres", "s3", "explain"):
        for requirement in project["optional-dependencies"][extra]:
            name = requirement.split(";")[0].split(">")[0].split("[")[0].strip()
            if name != "trimtab":
                assert extra_of(imported_as.get(name, name).replace("-", "_")) == extra, requirement


@pytest.mark.parametrize("text", ["churn", "churn@", "churn@x", "@", "churn@-1", "churn@²"])
def test_a_version_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(errors.ConfigError, match="MODEL@NUMBER"):
        parse_version(text)
