"""Asking people for labels: which rows, written down in the lake."""

from __future__ import annotations

from typing import ClassVar

from trimtab.core.clock import from_micros, to_micros
from trimtab.core.errors import NotFoundError
from trimtab.lake.campaigns import choose_rows, write_campaign
from trimtab.loop.actions.base import Began, Outside
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind

__all__ = ["OpenLabelling"]

_ROWS = 200


class OpenLabelling(Outside):
    """Writes down which rows people should label, and why those."""

    kind: ClassVar[ActionKind] = ActionKind.OPEN_LABELLING

    def reach_outside(self, platform: Platform, request: ActionRequest) -> Began:
        """Choose the rows and write the campaign; a second time it is written over.

        Raises:
            NotFoundError: there is no row without a label.
        """
        files = platform.files(request.model)
        endpoint = request.endpoint or files.endpoint
        # The time of the request, not of this moment: done twice, it chooses the same rows.
        end_us = request.params.get("until_us") or request.created_us
        since_us = request.params.get("since_us") or to_micros(from_micros(end_us) - files.monitoring.longest_window)
        where = {str(name): str(value) for name, value in request.params.get("where", {}).items()}
        most = int(request.params.get("rows", _ROWS))
        chosen = choose_rows(
            platform.lake,
            endpoint,
            start_us=since_us,
            end_us=end_us,
            known_us=end_us,
            most=most,
            task=files.model.task,
            where=where,
        )
        if not chosen.rows:
            raise NotFoundError(
                f"endpoint {endpoint!r}: no answered row without a label between {_told(since_us)} and "
                f"{_told(end_us)}; nothing to label"
            )
        query = {"endpoint": endpoint, "since_us": since_us, "until_us": end_us, "where": where, "rows": most}
        content = {
            "campaign_id": request.id,
            "model": request.model,
            "incident_id": request.incident_id,
            "made_us": request.created_us,
            "why": str(request.params.get("text") or request.reason or request.purpose),
            "query": query,
            "unlabelled": chosen.unlabelled,
            "rows": list(chosen.rows),
        }
        path = write_campaign(platform.lake, request.model, request.id, content)
        count = len(chosen.rows)
        outcome = f"{count} of {chosen.unlabelled} rows without a label are wanted: trimtab labelling show {request.id}"
        return Began(outcome, {"rows": count, "path": platform.lake.relative(path), "query": query})


def _told(moment_us: int) -> str:
    return from_micros(moment_us).isoformat(timespec="minutes")
