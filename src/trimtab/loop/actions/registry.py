"""Which handler does which kind of action."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.loop.actions.base import ActionHandler
from trimtab.loop.actions.config_files import ChangeConfig
from trimtab.loop.actions.feeds import Quarantine, Release
from trimtab.loop.actions.labelling import OpenLabelling
from trimtab.loop.actions.releases import Deploy, Reinstate, Retrain, RollBack
from trimtab.loop.actions.serving import ClearCache, Pause, Resume, Scale
from trimtab.loop.actions.telling import Escalate, LogIt, NotifyOwner
from trimtab.loop.actions.versions import ApproveVersion
from trimtab.remediation.kinds import ActionKind

__all__ = ["ACTION_HANDLERS"]

_ALL: tuple[ActionHandler, ...] = (
    LogIt(),
    NotifyOwner(),
    Escalate(),
    Quarantine(),
    Release(),
    Scale(),
    ClearCache(),
    OpenLabelling(),
    Retrain(),
    ApproveVersion(),
    Deploy(),
    RollBack(),
    Reinstate(),
    Pause(),
    Resume(),
    ChangeConfig(),
)

ACTION_HANDLERS: Mapping[ActionKind, ActionHandler] = {handler.kind: handler for handler in _ALL}
"""All kinds but DELETE_DATA, which a person does by hand."""
