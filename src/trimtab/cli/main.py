"""``trimtab``: the command line. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import trimtab
from trimtab.cli.commands import (
    data,
    decisions,
    demo,
    evidence,
    keys,
    models,
    processes,
    serving,
    watch,
)
from trimtab.cli.output import errors_console
from trimtab.config.process import silence_telemetry
from trimtab.core import errors

__all__ = ["app", "main"]

app = typer.Typer(
    name="trimtab",
    help="Keeps machine-learning models on course after they are deployed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: the coloured one costs another 0.15 s
    pretty_exceptions_enable=False,
)

_EXIT_CODES: tuple[tuple[type[errors.TrimtabError], int], ...] = (
    (errors.ConfigError, 2),
    (errors.NotFoundError, 3),
    (errors.PermissionDeniedError, 4),
    (errors.ConflictError, 5),
    (errors.IllegalTransitionError, 5),
    (errors.ApprovalRequiredError, 5),
    (errors.BackendError, 6),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trimtab {trimtab.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    silence_telemetry()


for subject in (processes, demo, watch, data, models, serving, decisions, evidence, keys):
    subject.add_to(app)


def main() -> None:
    """Run the command line; an error is one sentence and an exit code above 0."""
    try:
        code = app(standalone_mode=False)
    except errors.TrimtabError as error:
        _complain(str(error))
        sys.exit(next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1))
    except TyperException as error:
        _complain(f"{error}; see 'trimtab --help'")
        sys.exit(2)
    except (KeyboardInterrupt, Abort):
        errors_console.print("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    errors_console.print("[bold red]error:[/] ", end="")
    errors_console.print(message, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
