"""How commands end: what each exit code means, and which error gives which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trimtab.core import errors

__all__ = ["EXIT_CODES", "INTERRUPTED", "NEEDED_IS_DOWN", "WRONG_INPUT", "exit_code_of"]

WRONG_INPUT: Final = 2
NEEDED_IS_DOWN: Final = 6
INTERRUPTED: Final = 130

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "refused or failed",
    WRONG_INPUT: "wrong input or configuration",
    3: "not found",
    4: "not allowed",
    5: "not possible now",
    NEEDED_IS_DOWN: "something that is needed is down",
    INTERRUPTED: "stopped",
}
"""What each exit code means."""

_OF_ERRORS: tuple[tuple[type[errors.TrimtabError], int], ...] = (
    (errors.ConfigError, WRONG_INPUT),
    (errors.NotFoundError, 3),
    (errors.PermissionDeniedError, 4),
    (errors.ConflictError, 5),
    (errors.IllegalTransitionError, 5),
    (errors.ApprovalRequiredError, 5),
    (errors.BackendError, NEEDED_IS_DOWN),
)


def exit_code_of(error: errors.TrimtabError) -> int:
    """Return the exit code of a command that failed with ``error``.

    >>> exit_code_of(errors.NotFoundError("no such model")), exit_code_of(errors.DataContractError("no header"))
    (3, 1)
    """
    return next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), 1)
