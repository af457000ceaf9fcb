"""Who asks for something: a person or program with a role."""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.core.enums import Role
from trimtab.core.errors import PermissionDeniedError

__all__ = ["CONDUCTOR", "Actor"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller, as the audit log will name them.

    ``key_id`` is the key they hold, whose name another may get once it is revoked; empty for who needs none.
    ``claim_id`` is the request that they sent so that it can be sent again (`trimtab.loop.request_claims`): what makes
    something new takes it for an id of that, and finds it the second time. Empty where nobody will.
    """

    name: str
    role: Role
    owner: str = ""
    key_id: str = field(default="", compare=False)
    claim_id: str = field(default="", compare=False)

    @property
    def who(self) -> str:
        """The person behind it, who may hold several keys; by the name where nobody said."""
        return self.owner or self.name

    def require(self, needed: Role, what: str) -> None:
        """Do nothing if this actor's role reaches ``needed``.

        Raises:
            PermissionDeniedError: it does not.
        """
        if not self.role.reaches(needed):
            raise PermissionDeniedError(
                f"{self.name!r}: has role {self.role}, {what} needs {needed}; ask for a key of that role or above, "
                "see 'trimtab keys create'"
            )


CONDUCTOR = Actor(name="conductor", role=Role.ADMIN)
"""The platform itself, when it acts on a schedule, a policy rule or a grant."""
