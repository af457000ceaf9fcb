"""``trimtab``: the command line. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import trimtab
from trimtab.cli.commands import (
    data,
    decisions,
    demo,
    events,
    evidence,
    init,
    keys,
    models,
    processes,
    serving,
    versions,
    watch,
)
from trimtab.cli.exit_codes import EXIT_CODES, INTERRUPTED, NEEDED_IS_DOWN, WRONG_INPUT, exit_code_of
from trimtab.cli.extras import extra_of
from trimtab.cli.output import errors_console
from trimtab.config.process import silence_telemetry
from trimtab.core import errors

__all__ = ["app", "main"]

app = typer.Typer(
    name="trimtab",
    help="Keeps machine-learning models on course after they are deployed.",
    epilog=f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: the coloured one costs another 0.15 s
    pretty_exceptions_enable=False,
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


for subject in (init, processes, demo, watch, data, models, versions, serving, decisions, evidence, events, keys):
    subject.add_to(app)


def main() -> None:
    """Run the command line; an error is one sentence and an exit code above 0."""
    try:
        code = app(prog_name="trimtab", standalone_mode=False)
        sys.stdout.flush()
    except errors.TrimtabError as error:
        _complain(str(error))
        sys.exit(exit_code_of(error))
    except TyperException as error:
        _complain_of_usage(error)
        sys.exit(WRONG_INPUT)
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has no reader either; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _complain(f"{where}{error.strerror or error}; check that it exists, may be used, and that the disk has room")
        sys.exit(NEEDED_IS_DOWN)
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "")
        if extra is None:
            raise
        _complain(f"this needs trimtab[{extra}]; install it with: pip install 'trimtab[{extra}]'")
        sys.exit(WRONG_INPUT)
    if code == INTERRUPTED:
        errors_console.print("stopped")
    sys.exit(code if isinstance(code, int) else 0)


def _complain_of_usage(error: TyperException) -> None:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        errors_console.print(error.format_message(), markup=False, soft_wrap=True)
        return
    found = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    command = "trimtab" if context is None else context.command_path
    _complain(f"{found[:1].lower()}{found[1:]}; see '{command} --help'")


def _complain(message: str) -> None:
    errors_console.print("[bold red]error:[/] ", end="")
    errors_console.print(message, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
