"""The errors that Trimtab raises on purpose.

A message has subject, observed, expected, next move:
``endpoint 'churn': weight 120 not in 0..100; lower steps[2].weight_pct``.
"""

from __future__ import annotations

__all__ = [
    "ApprovalRequiredError",
    "ArtifactUntrustedError",
    "BackendError",
    "ConfigError",
    "ConflictError",
    "DataContractError",
    "IllegalTransitionError",
    "NotFoundError",
    "PermissionDeniedError",
    "TrimtabError",
    "UnknownCallerError",
]


class TrimtabError(Exception):
    """Base of all errors whose message is meant for a person."""


class ConfigError(TrimtabError, ValueError):
    """What a user wrote (YAML, flag, environment, request field) cannot be used as it is."""


class DataContractError(TrimtabError):
    """Data as a whole cannot be read or judged: an unreadable file, a missing column, no row left."""


class NotFoundError(TrimtabError, LookupError):
    """A thing named by the caller does not exist."""


class ConflictError(TrimtabError):
    """The thing changed meanwhile, or exists already."""


class IllegalTransitionError(TrimtabError):
    """The state machine has no such move from where it stands."""


class ApprovalRequiredError(TrimtabError):
    """Somebody has to agree first."""


class PermissionDeniedError(TrimtabError):
    """The caller's role does not reach that far, or they may not decide about this."""


class UnknownCallerError(PermissionDeniedError):
    """The caller brings no key, or one that is nobody's."""


class ArtifactUntrustedError(TrimtabError):
    """A bundle or file is not what its digest says."""


class BackendError(TrimtabError):
    """A database, queue, tracking server or inference server failed; the same call may succeed later."""
