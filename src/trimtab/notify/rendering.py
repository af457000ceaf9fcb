"""``python -m trimtab.notify.rendering TEMPLATE``: fills a template with the JSON on stdin, within bounds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

__all__ = ["main", "rendered"]

_MAX_CHARS = 64_000
_MAX_MEMORY = 512 * 1024 * 1024
_MAX_SECONDS = 2


def rendered(template: Path, values: dict[str, Any]) -> str:
    """Return ``template`` filled with ``values``, at most 64 000 characters of it; undefined names are errors.

    Raises:
        jinja2.TemplateError: it cannot be read as a template, or filled.
    """
    environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    written: list[str] = []
    left = _MAX_CHARS
    for part in environment.from_string(template.read_text(encoding="utf-8")).generate(values):
        written.append(part[:left])
        left -= len(written[-1])
        if left <= 0:
            break
    return "".join(written)


def main() -> None:
    """Fill the template that the command line names, and write it to stdout; what is wrong goes to stderr."""
    # Not there on Windows, where this process is bounded in time only, by whoever started it.
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_SECONDS, _MAX_SECONDS))
    try:
        text = rendered(Path(sys.argv[1]), json.load(sys.stdin))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = "" if line is None else f"line {line}: "
        sys.exit(f"{where}{type(error).__name__}: {error}; correct the template")
    except (
        MemoryError,
        RecursionError,
        OverflowError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        OSError,
    ) as error:
        sys.exit(f"{type(error).__name__}: {error}; correct the template")
    sys.stdout.buffer.write(text.encode(errors="replace"))


if __name__ == "__main__":
    main()
