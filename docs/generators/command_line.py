"""The page of the commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from docs.generators.markdown import code, plain, table

from trimtab.cli.exit_codes import EXIT_CODES
from trimtab.cli.main import app

__all__ = ["command_line"]


def command_line() -> str:
    """Return the page: each command with its parameters."""
    root = typer.main.get_command(app)
    lines = [
        "# The command line",
        "",
        "Every command says the same with `--help`, and ends with one of these codes; an error is one sentence on the",
        "error stream.",
        "",
        *table(("exit code", "what it means"), ((str(number), meaning) for number, meaning in EXIT_CODES.items())),
    ]
    for path, command in _commands((), root):
        lines += [f"## trimtab {' '.join(path)}", "", plain(command.help or ""), ""]
        rows = [_parameter(parameter) for parameter in command.params if parameter.name not in {"as_json", "project"}]
        lines += table(("argument or option", "default", "what it is"), rows) if rows else []
        shared = {parameter.name for parameter in command.params} & {"as_json", "project"}
        named = [code({"as_json": "--json", "project": "--project FOLDER"}[name]) for name in sorted(shared)]
        lines += [f"Also takes {' and '.join(named)}.", ""] if named else []
    return "\n".join(lines)


def _commands(path: tuple[str, ...], group: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands((*path, name), command)
        else:
            yield (*path, name), command


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_option = parameter.opts[0].startswith("-")
    written = " / ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.name.upper()
    default = "**required**" if parameter.required else "–" if parameter.default is None else code(parameter.default)
    return code(written), default, plain(parameter.help or "")
