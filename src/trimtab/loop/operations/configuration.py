"""Changing limits in a model's files, through the gate: checked before anybody is asked to agree."""

from __future__ import annotations

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.loop.actions.config_files import CHANGEABLE, digest_of_file, new_content
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import ModelRequest, Reason
from trimtab.remediation.kinds import ActionKind


class ChangeConfig(ModelRequest):
    """Which file, what shall stand at which places, and why."""

    file: str = Field(max_length=64, description=f"One of {', '.join(CHANGEABLE)}.")
    values: dict[str, bool | int | float | str | None] = Field(
        min_length=1, max_length=50, description="New values by their paths, e.g. 'monitors.0.limits.mape'."
    )
    reason: Reason = Field(min_length=1)


@operation("config.change", "POST", "/api/models/{model}/config", Role.OPERATOR, ChangeConfig)
def change(platform: Platform, actor: Actor, request: ChangeConfig) -> JsonObject:
    """Change limits in a model's file; the old file is kept, and comes back if the change proves to be of no use."""
    if request.file not in CHANGEABLE:
        raise ConfigError(f"file {request.file!r}: expected one of {', '.join(CHANGEABLE)}; correct it")
    present = (platform.project.model_folder(request.model) / request.file).read_bytes()
    new_content(platform.project, request.model, request.file, present, request.values)
    told = ", ".join(f"{path} = {value}" for path, value in request.values.items())
    params: JsonObject = {
        "file": request.file,
        "set": request.values,
        "digest": digest_of_file(present),
        "reason": request.reason,
    }
    purpose = f"set {told} in {request.file} of {request.model}"[:500]
    with platform.database.transaction() as connection:
        wish = Wish(ActionKind.CHANGE_CONFIG, request.model, purpose, params, about=request.file)
        asked = ask(connection, platform, actor, wish)
        answer = waiting_told(connection, asked)
    platform.wake.set()
    state = "running" if asked.request is None else asked.request.state.value
    return {"model": request.model, "file": request.file, "set": request.values, "state": state, **answer}
