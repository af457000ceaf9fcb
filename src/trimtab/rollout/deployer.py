"""The port to whatever serves endpoints: makes the world equal to a spec, and says what is."""

from __future__ import annotations

from typing import Protocol

from trimtab.serving.spec import EndpointSpec, EndpointStatus

__all__ = ["Deployer"]


class Deployer(Protocol):
    """Makes endpoints what they should be.

    `apply` only asks for it: loading takes its time, and `observe` tells when it is so. Both may be called at any time,
    by several processes at once, and again after a crash. A deployer decides nothing.
    """

    def apply(self, spec: EndpointSpec) -> int:
        """Ask for ``spec``, and return the generation that is asked for from now on.

        Repeating it changes nothing. A lower generation than the one that was asked for is outdated, and ignored: then
        that one is returned.

        Raises:
            ConflictError: another spec was asked for under the same generation.
            BackendError: the platform cannot be reached; the same call may succeed later.
        """

    def observe(self, endpoint: str) -> EndpointStatus | None:
        """Return what serves ``endpoint`` now, None when nothing does.

        Raises:
            BackendError: the platform cannot be asked, or answers what cannot be read.
        """
