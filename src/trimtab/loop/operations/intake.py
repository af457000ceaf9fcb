"""The intake over HTTP: segments that a shipper elsewhere sends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from sqlalchemy import select

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import DataContractError
from trimtab.db.tables import delivery
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.records.intakes.folder import FolderIntake
from trimtab.records.segments import read_segment


class TakeSegment(Strict):
    """A segment of prediction records or true outcomes."""

    segment_id: Annotated[
        str, Field(pattern=r"^[0-9a-f]{32}$", description="The segment's id, as its own metadata says it.")
    ]
    path: str = Field(description="The file; over HTTP its bytes (an Arrow IPC file) are the body.")


@operation("intake.segment", "POST", "/v1/intake/segments/{segment_id}", Role.SERVICE, TakeSegment)
def take_segment(platform: Platform, _actor: Actor, request: TakeSegment) -> JsonObject:
    """Take a shipped segment in; a repetition changes nothing. Once answered, the sender may forget it."""
    path = Path(request.path)
    try:
        read_segment(path, expected_id=request.segment_id)
        content = path.read_bytes()
    except OSError as error:
        raise DataContractError(f"{path}: cannot be read ({error.strerror}); send the segment again") from error
    with platform.database.reading() as connection:
        known = connection.execute(select(delivery.c.id).where(delivery.c.digest == request.segment_id)).first()
    if known is None:
        limit_bytes = platform.project.config.serving.log_limit
        FolderIntake(platform.project.intake, limit_bytes=limit_bytes).put(request.segment_id, content)
        platform.wake.set()
    return {"segment_id": request.segment_id, "repeated": known is not None}
