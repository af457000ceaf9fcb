"""``trimtab``: the command line. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import trimtab
from trimtab.cli.commands import (
    approvals,
    audit,
    autonomy,
    batch,
    data,
    decisions,
    demo,
    events,
    evidence,
    history,
    init,
    keys,
    lineage,
    models,
    notify,
    operating,
    policy,
    processes,
    serve,
    serving,
    sessions,
    simulate,
    triggers,
    truths,
    versions,
    watch,
)
from trimtab.cli.exit_codes import EXIT_CODES, INTERRUPTED, NEEDED_IS_DOWN, WRONG_INPUT, exit_code_of
from trimtab.cli.extras import extra_of
from trimtab.cli.interrupts import heard
from trimtab.cli.output import errors_console, json_text
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


_SUBJECTS = (
    init,
    processes,
    serve,
    demo,
    watch,
    data,
    models,
    versions,
    serving,
    history,
    truths,
    batch,
    simulate,
    decisions,
    approvals,
    operating,
    policy,
    autonomy,
    triggers,
    audit,
    lineage,
    evidence,
    events,
    notify,
    keys,
    sessions,
)
for subject in _SUBJECTS:
    subject.add_to(app)


def main() -> None:
    """Run the command line; an error is one sentence and an exit code above 0."""
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered has no reader either; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code)


def _run() -> int:
    """Return the exit code of the command, once what is to be said was said."""
    try:
        with heard():
            code = app(prog_name="trimtab", standalone_mode=False)
        sys.stdout.flush()
    except errors.TrimtabError as error:
        return _complain(str(error), exit_code_of(error))
    except TyperException as error:
        return _complain_of_usage(error)
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        told = f"{where}{error.strerror or error}; check that it exists, may be used, and that the disk has room"
        return _complain(told, NEEDED_IS_DOWN)
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "")
        if extra is None:
            raise
        return _complain(
            f"this needs trimtab[{extra}]; install it with: pip install 'trimtab[{extra}]'",
            WRONG_INPUT,
        )
    if code == INTERRUPTED:
        errors_console.print("stopped")
    return code if isinstance(code, int) else 0


def _complain_of_usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        errors_console.print(error.format_message(), markup=False, soft_wrap=True)
        return WRONG_INPUT
    found = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    command = "trimtab" if context is None else context.command_path
    return _complain(f"{found[:1].lower()}{found[1:]}; see '{command} --help'", WRONG_INPUT)


def _complain(message: str, code: int) -> int:
    """Say what is wrong, to a person and to a machine that reads JSON; return ``code``."""
    if _speaks_json(sys.argv[1:]):
        # One line: where JSON objects come one a line, it is the last of them.
        sys.stdout.write(json_text({"error": message, "exit_code": code}) + "\n")
    errors_console.print("[bold red]error:[/] ", end="")
    errors_console.print(message, markup=False, soft_wrap=True)
    return code


def _speaks_json(arguments: list[str]) -> bool:
    """Return whether JSON is wanted, as far as can be told of a line that was perhaps not understood."""
    # The demo's --json names a file.
    return "--json" in arguments and arguments[0] != "demo"
