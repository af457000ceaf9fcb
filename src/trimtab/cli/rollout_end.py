"""Waits in front of a terminal until a rollout has ended, or asks a person."""

from __future__ import annotations

import math
import time
from typing import Final

from trimtab.cli.client import Client
from trimtab.cli.interrupts import left_behind
from trimtab.cli.output import console, errors_console, escaped
from trimtab.cli.rollout_view import next_moves
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ApprovalRequiredError, BackendError, TrimtabError

__all__ = ["await_promotion"]

_TIMEOUT_S: Final = 7 * 86_400.0
"""A rollout may take days; whoever waits no longer presses Ctrl-C, and it goes on."""
_ASKS_A_PERSON: Final = "waiting_for_person"
_STAGING: Final = "staging"
_PATIENCE_S: Final = 5.0


def await_promotion(client: Client, model: str, rollout_id: str, *, as_json: bool) -> JsonObject:
    """Return the rollout once it is promoted; where it stands is shown meanwhile.

    Raises:
        ApprovalRequiredError: it waits for a person.
        BackendError: it has not ended within a week.
        TrimtabError: it has ended otherwise.
    """
    answer: JsonObject = {}
    hint_s = math.inf if client.remote else time.monotonic() + _PATIENCE_S
    waiting = console.status("staging") if not as_json else errors_console.status("staging")
    # The status line is gone before Ctrl-C is answered beneath it.
    with left_behind(_left_behind(rollout_id, remote=client.remote)), waiting as status:

        def done() -> bool:
            nonlocal hint_s
            answer.update(client.ask("rollouts.show", rollout_id=rollout_id))
            if answer["phase"] == _STAGING and time.monotonic() > hint_s:
                hint_s = math.inf
                errors_console.print("Nothing has loaded it yet: start 'trimtab up' beside this, or stop it by Ctrl-C.")
            status.update(f"{answer['phase']} at {answer['weight_pct']} %: {escaped(answer['reason'])}")
            return not answer["active"] or answer["phase"] == _ASKS_A_PERSON

        if not client.wait(done, timeout_s=_TIMEOUT_S):
            raise BackendError(
                f"rollout {rollout_id}: still {answer['phase']} after a week ({answer['reason']}); "
                "it goes on; see 'trimtab rollouts list'"
            )
    if answer["phase"] == _ASKS_A_PERSON:
        raise ApprovalRequiredError(
            f"rollout of {model}@{answer['candidate']}: {answer['reason']}; {next_moves(answer)}"
        )
    if answer["phase"] != "promoted":
        raise TrimtabError(f"rollout of {model}@{answer['candidate']}: {answer['phase']}; {answer['reason']}")
    return answer


def _left_behind(rollout_id: str, *, remote: bool) -> str:
    state = "goes on" if remote else "stands where it is, and goes on with 'trimtab up'"
    return f"rollout {rollout_id} {state}; take it back by 'trimtab rollouts abort {rollout_id} --reason WHY'"
