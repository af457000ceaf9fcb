"""What is told when something was asked for that another person has to agree to first."""

from __future__ import annotations

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ApprovalRequiredError

__all__ = ["require_no_other"]


def require_no_other(answer: JsonObject, what: str) -> None:
    """Do nothing if what was asked for is done, or under way.

    Every command that asks for something which may have to wait for a person ends by this, so that no script takes it
    for done.

    Raises:
        ApprovalRequiredError: somebody else has to agree first; it was asked for, and waits for them.
    """
    if not answer.get("waits"):
        return
    could = ", ".join(answer["could_agree"]) or f"nobody yet; 'trimtab keys create NAME --role {answer['role']}'"
    note = f"; {answer['note']}" if answer["note"] else ""
    raise ApprovalRequiredError(
        f"{what}: asked for, and waits until another person agrees ({could}{note}): "
        f"trimtab approvals approve {answer['action_id']}"
    )
